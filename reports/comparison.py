"""The page of a comparison, its figures as PNG and SVG, its table as CSV and Parquet."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from reports.drawn import Draw, write_figures
from reports.formats import Widths, formats_figure
from reports.page import embedded, in_script, template
from reports.passes import Pass, packed
from reports.plots import AMBER, BLUE, GREEN, as_text, figure
from reports.units import significant
from sim.files import output_folder, remove, write_parts, write_whole

PAGE, TABLE = "comparison.html", "comparison.csv"
COLORS = {"integer": BLUE, "minifloat": AMBER, "block": GREEN}
HEIGHT = 460  # [px]

COLUMNS = {
    "name": "point",
    "family": "family",
    "recipe": "recipe",
    "loss": "loss [%]",
    "accumulator_bits": "sum [bit]",
    "luts_per_mac": "LUTs",
    "um2_per_mac": "um²",
    "energy_per_mac_fj": "fJ/MAC",
    "energy_per_token_j": "uJ/token",
    "bits_per_weight": "bit/weight",
    "side": "side",
    "prefill_tokens_per_s": "prefill/s",
    "decode_tokens_per_s": "decode/s",
}
"""Columns of the page's table, and what they are called there."""

SCALES = {"loss": 100.0, "energy_per_token_j": 1e6}
"""Units of a column on the page."""

Axis = Any
"""A cost, as the comparison has it: ``name``, ``title``, ``unit``, ``less``."""


def write_comparison(
    table: pd.DataFrame, widths: Sequence[str], verdicts: Mapping[str, Sequence[str]], axes: Sequence[Axis],
    asked: Mapping[str, Any], passes: Sequence[Sequence[Pass]], folder: Path,
) -> Path:  # fmt: skip
    """Write everything into a folder, the page last; returns the page's path."""
    place = output_folder(folder)
    remove(place / PAGE)
    write_whole(place / TABLE, table.to_csv(index=False, lineterminator="\n"))
    write_parts(place / "comparison.parquet", [table.to_parquet(index=False)])
    write_figures(place, _printed(table, axes), f"{axes}{table.to_csv()}".encode())
    write_whole(place / PAGE, render(table, widths, verdicts, axes, asked, passes))
    return place / PAGE


def _printed(table: pd.DataFrame, axes: Sequence[Axis]) -> dict[str, Draw]:
    """The figures for print, by the names of their files."""

    def formats(told: str) -> Mapping[str, bytes]:
        from reports.printed import printed_formats  # here, as its matplotlib takes a second of a run that draws nothing

        return printed_formats(table, Widths.of(table), COLORS, told)

    def front_of(axis: Axis, told: str) -> Mapping[str, bytes]:
        from reports.printed import printed_front

        return printed_front(table, axis, COLORS, told)

    return {"formats": formats, **{axis.name: partial(front_of, axis) for axis in axes}}


def render(
    table: pd.DataFrame, widths: Sequence[str], verdicts: Mapping[str, Sequence[str]], axes: Sequence[Axis],
    asked: Mapping[str, Any], passes: Sequence[Sequence[Pass]],
) -> str:  # fmt: skip
    """The whole page; names that a user gave are escaped wherever they stand."""
    first = verdicts[axes[0].name]
    return template(PAGE).render(
        asked=asked,
        points=len(table),
        headline=first[0] if first else "No point of the table is within 10 % of float.",
        axes=axes,
        verdicts=verdicts,
        widths=widths,
        heads=[(head, column not in ("name", "family", "recipe")) for column, head in COLUMNS.items()],
        rows=[[_cell(column, row[column]) for column in COLUMNS] for _, row in table.iterrows()],
        figures=embedded(
            {f"plot-{axis.name}": front_figure(table, axis) for axis in axes} | {"formats": formats_figure(table, COLORS)}
        ),
        passes=packed(passes),
        details=in_script(json.dumps([_details(row) for _, row in table.iterrows()])),
        plotly=get_plotlyjs(),
    )


def front_figure(table: pd.DataFrame, axis: Axis) -> go.Figure:
    """Loss [%] over a cost, a point for each design in the colour of its family, those that no other beats joined."""
    drawn = figure(HEIGHT)
    best = table[table[f"front_{axis.name}"]].sort_values(axis.name)
    drawn.add_scatter(
        x=best[axis.name],
        y=best["loss"] * 100,
        mode="lines",
        line={"shape": "hv" if axis.less else "vh", "width": 1.5, "color": "#8a8f98"},
        name="front",
        hoverinfo="skip",
    )
    for family, color in COLORS.items():
        rows = table[table["family"] == family].dropna(subset=[axis.name, "loss"])
        drawn.add_scatter(
            x=rows[axis.name],
            y=rows["loss"] * 100,
            mode="markers",
            name=family,
            marker={"color": color, "size": [11 if on else 7 for on in rows[f"front_{axis.name}"]]},
            customdata=[(int(place), as_text(str(row["name"])), row["recipe"]) for place, row in rows.iterrows()],
            hovertemplate="<b>%{customdata[1]}</b><br>%{customdata[2]}<br>loss %{y:.2f} %<br>%{x:.4~g} " + axis.unit
            + "<extra></extra>",
        )  # fmt: skip
    drawn.update_xaxes(title_text=f"{axis.title} [{axis.unit}]", fixedrange=False)
    return drawn.update_yaxes(title_text="loss [%]", range=_shown(table), fixedrange=False)


def _shown(table: pd.DataFrame) -> tuple[float, float]:
    """Losses [%] that are shown at first: a format of three bits would leave no room for the others."""
    losses = table["loss"].dropna() * 100
    return (min(float(losses.min()), 0.0) - 0.5, float(np.quantile(losses, 0.9)) + 1) if len(losses) else (0.0, 1.0)


def _cell(column: str, value: Any) -> tuple[str, str]:
    """The text of a cell and what it is sorted by."""
    if value is None or value != value:
        return "", ""
    if isinstance(value, str):
        return value, value
    number = float(value) * SCALES.get(column, 1)
    text = f"{number:+.2f}" if column == "loss" else f"{number:,.0f}" if number.is_integer() else significant(number)
    return text, repr(number)


def _details(row: pd.Series) -> dict[str, str]:
    """Everything that is known of a point, under the heads of the table where it is there too."""
    told = {str(name): value for name, value in row.items() if not str(name).startswith("front_")}
    return {"name": str(told.pop("name"))} | {
        COLUMNS.get(name, name.replace("_", " ")): _cell(name, value)[0] for name, value in told.items()
    }
