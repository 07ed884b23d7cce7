"""The page of an exploration, with every point that was looked at; its tables as CSV and Parquet.

All points are one WebGL scatter, whose arrays are the binary numbers that plotly writes; only of the best ones there is more.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from reports.page import embedded, in_script, template
from reports.plots import AMBER, GREY, figure
from reports.units import significant
from sim.files import output_folder, remove, write_parts, write_whole

PAGE, TABLE = "exploration.html", "exploration.csv"
HEIGHT = 480  # [px]

Objective = Any
"""What a search looks for, as it has it: ``name``, ``title``, ``unit``, ``less``."""


def write_exploration(
    table: pd.DataFrame, points: pd.DataFrame, objectives: Sequence[Objective], asked: Mapping[str, Any], folder: Path
) -> Path:
    """Write everything into a folder, the page last; returns the page's path."""
    place = output_folder(folder)
    remove(place / PAGE)
    write_whole(place / TABLE, table.to_csv(index=False, lineterminator="\n"))
    write_parts(place / "exploration.parquet", [table.to_parquet(index=False)])
    write_parts(place / "points.parquet", [points.to_parquet(index=False)])
    write_whole(place / PAGE, render(table, points, objectives, asked))
    return place / PAGE


def render(table: pd.DataFrame, points: pd.DataFrame, objectives: Sequence[Objective], asked: Mapping[str, Any]) -> str:
    """The whole page; names that a user gave are escaped wherever they stand."""
    columns = [name for name in table if not str(name).startswith("quick_")]
    return template(PAGE).render(
        asked=asked,
        points=len(points),
        best=int(table["front"].sum()),
        objectives=objectives,
        heads=[(str(name).replace("_", " "), pd.api.types.is_numeric_dtype(table[name])) for name in columns],
        rows=[[_cell(row[name]) for name in columns] for _, row in table.iterrows()],
        # The page puts the axes of two of these into the figure that it shows: there is WebGL for few figures at once.
        figures=embedded({"plot": scatter(points, table, objectives[0], objectives[min(1, len(objectives) - 1)])}),
        columns=embedded({one.name: scatter(points, table, one, one) for one in objectives}),
        details=in_script(json.dumps([_details(row) for _, row in table.iterrows()])),
        plotly=get_plotlyjs(),
    )


def scatter(points: pd.DataFrame, table: pd.DataFrame, x: Objective, y: Objective) -> go.Figure:
    """All points over two objectives, in grey, and the best designs, whose places in the table are their ``customdata``."""
    drawn = figure(HEIGHT)
    drawn.add_scattergl(
        x=points[x.name].to_numpy(np.float32),
        y=points[y.name].to_numpy(np.float32),
        mode="markers",
        name="points looked at",
        marker={"color": GREY, "size": 4, "opacity": 0.45},
        hovertemplate="%{x:.4~g}, %{y:.4~g}<extra></extra>",
    )
    drawn.add_scatter(
        x=table[x.name],
        y=table[y.name],
        mode="markers",
        name="best designs, scheduled",
        marker={"color": AMBER, "size": 10, "line": {"width": 1, "color": "#7a5a12"}},
        customdata=[(place, escape(_short(row))) for place, (_, row) in enumerate(table.iterrows())],
        hovertemplate="<b>%{customdata[1]}</b><br>%{x:.4~g} " + x.unit + "<br>%{y:.4~g} " + y.unit + "<extra></extra>",
    )
    drawn.update_xaxes(title_text=f"{x.title} [{x.unit}]", fixedrange=False, **_scale(points, x))
    return drawn.update_yaxes(title_text=f"{y.title} [{y.unit}]", fixedrange=False, **_scale(points, y))


def _scale(points: pd.DataFrame, objective: Objective) -> dict[str, str]:
    return {"type": "log"} if len(points) and points[objective.name].min() > 0 else {}


def _short(row: pd.Series) -> str:
    """A design in a few words: its operands and its array as far as they were searched."""
    formats = " x ".join(str(row[name]) for name in ("weight_format", "activation_format") if name in row)
    array = "x".join(str(row[name]) for name in ("rows", "columns") if name in row)
    return ", ".join(filter(None, (str(row.get("pe", "")), formats, array))) or "design"


def _cell(value: Any) -> tuple[str, str]:
    """The text of a cell and what it is sorted by."""
    if value is None or value != value:
        return "", ""
    if isinstance(value, str | bool | np.bool_):
        return str(value), str(value)
    number = float(value)
    return f"{number:,.0f}" if number.is_integer() else significant(number), repr(number)


def _details(row: pd.Series) -> dict[str, str]:
    """Everything that is known of a design, in words."""
    return {"name": _short(row)} | {str(name).replace("_", " "): _cell(value)[0] for name, value in row.items()}
