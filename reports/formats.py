"""Accuracy by format: the loss of every point by the widths of its operands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from reports.plots import GREY, as_text, figure

HEIGHT = 460  # [px]
LINEAR = 0.5  # [%]
"""Losses are drawn by ``asinh(loss / LINEAR)``: nearly linear up to here, logarithmic far above, and below zero too."""

TICKS = (-5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)  # [%]
BESIDE = {"integer": -0.22, "minifloat": 0.0, "block": 0.22}
"""How far the points of each family stand from the middle of their widths."""


@dataclass(frozen=True)
class Widths:
    """``names`` of pairs of widths, from the narrowest weights up, and for each point its place ``[points]`` among them."""

    names: list[str]
    places: "pd.Series[float]"

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Widths":
        """The widths of a comparison's points."""
        pairs = list(zip(table["weight_bits"], table["activation_bits"], strict=True))
        ordered = sorted(set(pairs))
        middle = pd.Series([ordered.index(pair) for pair in pairs], index=table.index, dtype=float)
        return cls([f"{weight:g} x {activation:g}" for weight, activation in ordered], middle + table["family"].map(BESIDE))


def loss_ticks(table: pd.DataFrame) -> list[tuple[float, str]]:
    """Of :data:`TICKS` those among the losses [%] of a comparison, and how they are written."""
    losses = table["loss"].dropna() * 100
    inside = [tick for tick in TICKS if losses.min() - LINEAR / 4 <= tick <= losses.max()]
    return [(tick, f"{tick:g}") for tick in inside or [0]]


def formats_figure(table: pd.DataFrame, colors: dict[str, str]) -> go.Figure:
    """Loss [%] by widths of weights and activations, a point for each design in the colour of its family."""
    widths = Widths.of(table)
    drawn = figure(HEIGHT)
    for family, color in colors.items():
        rows = table[(table["family"] == family) & table["loss"].notna()]
        drawn.add_scatter(
            x=widths.places[rows.index],
            y=_height(rows["loss"] * 100),
            mode="markers",
            name=family,
            marker={"color": color, "size": 8},
            customdata=[
                (int(place), as_text(str(row["name"])), as_text(str(row["recipe"])), 100 * row["loss"])
                for place, row in rows.iterrows()
            ],
            hovertemplate="<b>%{customdata[1]}</b><br>%{customdata[2]}<br>loss %{customdata[3]:.2f} %<extra></extra>",
        )
    ticks = loss_ticks(table)
    drawn.add_hline(0, line={"color": GREY, "width": 1})
    drawn.update_yaxes(
        title_text="loss [%]", tickvals=_height([tick for tick, _ in ticks]), ticktext=[text for _, text in ticks]
    )
    return drawn.update_xaxes(
        title_text="weight x activation [bit]",
        tickvals=list(range(len(widths.names))),
        ticktext=widths.names,
        range=[-0.6, len(widths.names) - 0.4],
    )


def _height(losses: Any) -> NDArray[np.float64]:
    heights: NDArray[np.float64] = np.arcsinh(np.asarray(losses, float) / LINEAR)
    return heights
