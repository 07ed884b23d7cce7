"""The page of an exploration, with every point that was looked at; its tables as CSV and Parquet.

All points are one WebGL scatter, whose arrays are the binary numbers that plotly writes; only of the best ones there is more.
"""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs

from reports.drawn import write_figures
from reports.page import embedded, in_script, template
from reports.passes import Pass, packed
from reports.plots import AMBER, GREY, as_text, figure
from reports.units import significant
from sim.files import output_folder, remove, write_parts, write_whole

PAGE, TABLE = "exploration.html", "exploration.csv"
HEIGHT = 480  # [px]

Objective = Any
"""What a search looks for, as it has it: ``name``, ``title``, ``unit``, ``less``."""


def write_exploration(
    table: pd.DataFrame, points: pd.DataFrame, objectives: Sequence[Objective], asked: Mapping[str, Any],
    passes: Sequence[Sequence[Pass]], folder: Path,
) -> Path:  # fmt: skip
    """Write everything into a folder, the page last; returns the page's path."""
    place = output_folder(folder)
    remove(place / PAGE)
    write_whole(place / TABLE, table.to_csv(index=False, lineterminator="\n"))
    write_parts(place / "exploration.parquet", [table.to_parquet(index=False)])
    write_parts(place / "points.parquet", [points.to_parquet(index=False)])
    pairs = itertools.combinations(objectives, 2)
    figures = {f"{x.name}-{y.name}": partial(_printed, points, table, x, y) for x, y in pairs}
    write_figures(place, figures, f"{objectives}{points.to_csv()}{table.to_csv()}".encode())
    write_whole(place / PAGE, render(table, points, objectives, asked, passes))
    return place / PAGE


def _printed(points: pd.DataFrame, table: pd.DataFrame, x: Objective, y: Objective, told: str) -> Mapping[str, bytes]:
    from reports.printed import printed_points  # here, as its matplotlib takes a second of a run that draws nothing

    return printed_points(points, table, x, y, told)


def render(
    table: pd.DataFrame, points: pd.DataFrame, objectives: Sequence[Objective], asked: Mapping[str, Any],
    passes: Sequence[Sequence[Pass]],
) -> str:  # fmt: skip
    """The whole page; names that a user gave are escaped wherever they stand."""
    columns = [name for name in table if not str(name).startswith("quick_")]
    names = {one.name: f"{one.title} [{one.unit}]" for one in objectives}
    return template(PAGE).render(
        asked=asked,
        points=len(points),
        best=int(table["front"].sum()),
        objectives=objectives,
        heads=[(_words(str(name)), pd.api.types.is_numeric_dtype(table[name])) for name in columns],
        rows=[[_cell(row[name]) for name in columns] for _, row in table.iterrows()],
        # The page puts the axes of two of these into the figure that it shows: there is WebGL for few figures at once.
        figures=embedded({"plot": scatter(points, table, objectives[0], objectives[min(1, len(objectives) - 1)])}),
        all=in_script(json.dumps(_columns(points, table, objectives))),
        passes=packed(passes),
        details=in_script(
            json.dumps([_details(name, row, names) for name, (_, row) in zip(_shorts(table), table.iterrows(), strict=True)])
        ),
        plotly=get_plotlyjs(),
    )


def scatter(points: pd.DataFrame, table: pd.DataFrame, x: Objective, y: Objective) -> go.Figure:
    """All points over two objectives, in grey, and the best designs in the order of their table."""
    drawn = figure(HEIGHT)
    hover = "<b>%{hovertext}</b><br>%{x:.4~g} " + x.unit + "<br>%{y:.4~g} " + y.unit + "<extra></extra>"
    drawn.add_scattergl(
        x=points[x.name].to_numpy(np.float32),
        y=points[y.name].to_numpy(np.float32),
        mode="markers",
        name="points looked at",
        marker={"color": GREY, "size": 4, "opacity": 0.45},
        hovertext=[as_text(words) for words in _shorts(points)],
        hovertemplate=hover,
    )
    drawn.add_scattergl(  # as the others, which would else be drawn above it
        x=table[x.name],
        y=table[y.name],
        mode="markers",
        name="best designs, scheduled",
        marker={"color": AMBER, "size": 10, "line": {"width": 1, "color": "#7a5a12"}},
        hovertext=[as_text(words) for words in _shorts(table)],
        hovertemplate=hover,
    )
    drawn.update_xaxes(fixedrange=False).update_yaxes(fixedrange=False)
    return drawn.update_layout(xaxis=_axis(points, x), yaxis=_axis(points, y))


def _axis(points: pd.DataFrame, objective: Objective) -> dict[str, Any]:
    """Logarithmic where numbers are above zero, with ticks at 1, 2 and 5, over many decades at 1 alone."""
    title = {"title": {"text": f"{objective.title} [{objective.unit}]"}}
    least, most = points[objective.name].min(), points[objective.name].max()
    if not least > 0:
        return title
    decades = np.log10(most / least)
    return {**title, "type": "log", "dtick": "D1" if decades < 0.5 else "D2" if decades < 4 else 1}


def _columns(points: pd.DataFrame, table: pd.DataFrame, objectives: Sequence[Objective]) -> dict[str, Any]:
    """All points by column: of a field its values and of each point the place among them, of a figure its numbers."""
    figures = [name for name in points if pd.api.types.is_float_dtype(points[name])]
    fields = {}
    for name in points.columns.difference(figures, sort=False):
        places, values = pd.factorize(points[name])
        fields[_words(name)] = {"values": [_cell(one)[0] for one in values], "places": _binary(places, len(values))}
    # Of points with the same fields the last one is meant, which is drawn above the others.
    seen = {design: place for place, design in enumerate(_designs(points, table))}
    best = ((place, seen.get(design)) for place, design in enumerate(_designs(table, points)))
    return {
        "scheduled": {there: place for place, there in best if there is not None},
        "fields": fields,
        "figures": {name: _binary(points[name].to_numpy(np.float32)) for name in figures},
        "objectives": {
            one.name: {
                "unit": one.unit,
                "best": [None if value != value else value for value in table[one.name]],
                "axis": _axis(points, one),
            }
            for one in objectives
        },
    }


def _designs(rows: pd.DataFrame, others: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """The fields of each row that both have and that are no figures."""
    names = [name for name in rows if name in others and not pd.api.types.is_float_dtype(rows[name])]
    return zip(*(rows[name] for name in sorted(names)), strict=True)


def _binary(numbers: NDArray[Any], values: int | None = None) -> dict[str, str]:
    """Numbers as plotly writes them; places among so many ``values`` in as few bytes as they need."""
    small = numbers if values is None else numbers.astype(np.uint8 if values <= 1 << 8 else np.uint16)
    return {"dtype": f"{small.dtype.kind}{small.dtype.itemsize}", "bdata": base64.b64encode(small.tobytes()).decode()}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shorts(rows: pd.DataFrame) -> list[str]:
    """Designs in a few words: operands and arrays as far as they were searched."""
    asked = (("pe",), ""), (("weight_format", "activation_format"), " x "), (("rows", "columns"), "x")
    parts = [([name for name in names if name in rows], joint) for names, joint in asked]
    words = [
        [joint.join(map(str, one)) for one in zip(*(rows[name] for name in names), strict=True)]
        for names, joint in parts
        if names
    ]
    return [", ".join(one) for one in zip(*words, strict=True)] or ["design"] * len(rows)


def _cell(value: Any) -> tuple[str, str]:
    """The text of a cell and what it is sorted by."""
    if value is None or value != value:
        return "", ""
    if isinstance(value, str | bool | np.bool_):
        return str(value), str(value)
    number = float(value)
    return f"{number:,.0f}" if number.is_integer() else significant(number), repr(number)


def _details(name: str, row: pd.Series, names: Mapping[str, str]) -> dict[str, str]:
    """Everything that is known of a design, in words; figures by their ``names`` with units."""
    told = {names.get(str(column), _words(str(column))): _cell(value)[0] for column, value in row.items()}
    return {"name": name} | told
