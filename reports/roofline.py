"""The roofline plot: what each product reaches under the array's peak and what the DRAM sustains."""

from math import log10

import pandas as pd
import plotly.graph_objects as go

from reports.layers import grouped, shape_text, short_names
from reports.plots import BLUE, GREY, RED, as_text, figure
from sim.design import DesignPoint

HEIGHT = 430  # [px]
PLOT_HEIGHT = 320  # [px] of it, without axes and legend
LABEL_HEIGHT = 17  # [px]
LABELLED_POINTS = 8
LONGEST_LABEL = 34


def roofline(layers: pd.DataFrame, design: DesignPoint) -> go.Figure:
    """MAC per byte of DRAM traffic against MAC per cycle, a point for each distinct product, under the design's roof.

    The roof is the lower of the array's peak [MAC/cycle] and what the DRAM sustains [byte/cycle] times MAC/byte
    (Williams, Waterman and Patterson, CACM 52(4), 2009); products with the KV cache may have a peak of their own.
    """
    points = _distinct_products(layers)
    peaks = sorted({float(design.macs_per_cycle), float(design.attention.macs_per_cycle)})
    bandwidth = float(design.dram_bits_per_cycle / 8)
    top, ridge = peaks[-1], float(design.macs_per_cycle) / bandwidth
    left, right = min(points["x"].min(), peaks[0] / bandwidth) / 3, max(points["x"].max(), top / bandwidth) * 2
    drawn = figure(HEIGHT).update_layout(showlegend=True)
    for peak in peaks:
        _roof(drawn, peak, bandwidth, left, right)
    for under, chosen, color in (
        ("under the array's peak", points["x"] >= ridge, BLUE),
        ("under the DRAM's rate", points["x"] < ridge, RED),
    ):
        drawn.add_scatter(
            x=points["x"][chosen].tolist(),
            y=points["y"][chosen].tolist(),
            mode="markers",
            marker={"color": color, "size": 10},
            name=under,
            customdata=[f"{row['names']}<br>{shape_text(row)}" for _, row in points[chosen].iterrows()],
            hovertemplate="%{customdata}<br>%{x:.3~g} MAC/byte, %{y:.3~g} MAC/cycle<extra></extra>",
        )
    labelled = points.nlargest(LABELLED_POINTS, "taken_cycles").sort_values("x")
    lowest, base = log10(min(points["y"].min(), left * bandwidth) / 2), log10(labelled["y"].max())
    label_share = LABEL_HEIGHT * (len(labelled) + 1.5) / PLOT_HEIGHT
    highest = max(log10(max(top, points["y"].max())) + 0.1, lowest + (base - lowest) / (1 - label_share))
    _label_points(drawn, labelled, base, (highest - lowest) * LABEL_HEIGHT / PLOT_HEIGHT)
    drawn.update_xaxes(type="log", title_text="MAC per byte of DRAM traffic", range=[log10(left), log10(right)], dtick=1)
    return drawn.update_yaxes(type="log", title_text="MAC per cycle", range=[lowest, highest], dtick=1)


def _roof(drawn: go.Figure, peak: float, bandwidth: float, left: float, right: float) -> None:
    """A line, whose figures stand in the legend, where no name of a point can be."""
    drawn.add_scatter(
        x=[left, peak / bandwidth, right],
        y=[left * bandwidth, peak, peak],
        mode="lines",
        line={"color": GREY, "width": 2},
        hoverinfo="skip",
        name=f"{peak:,g} MAC/cycle, {bandwidth:,.4g} B/cycle",
    )


def _distinct_products(layers: pd.DataFrame) -> pd.DataFrame:
    """One row for each shape: ``names`` as HTML, ``x`` [MAC/byte], ``y`` [MAC/cycle], ``taken_cycles`` of all of them."""
    rows = grouped(layers[layers["unit"] == "array"])
    rows["names"] = short_names(list(rows["name"]))
    shapes = rows.groupby(["unit", "kind", "m", "k", "n", "count"], sort=False)
    sums = {column: (column, "sum") for column in ("macs", "taken_cycles", "dram_bytes")}
    points = shapes.agg(names=("names", _listed), **sums).reset_index()
    return points.assign(x=points["macs"] / points["dram_bytes"], y=points["macs"] / points["taken_cycles"])


def _listed(names: pd.Series) -> str:
    """The names as far as they fit a label, and how many more there are."""
    shown = [names.iloc[0]]
    for name in names.iloc[1:]:
        if len(", ".join([*shown, name])) > LONGEST_LABEL:
            break
        shown.append(name)
    more = len(names) - len(shown)
    return as_text(", ".join(shown)) + (f" and {more} more" if more else "")


def _label_points(drawn: go.Figure, points: pd.DataFrame, base: float, step: float) -> None:
    """Names left of leaders whose tops rise from left to right, so that neither names nor leaders cross."""
    for level, (_, point) in enumerate(points.iterrows()):
        drawn.add_annotation(
            x=log10(point["x"]),
            y=log10(point["y"]),
            text=point["names"],
            font={"size": 12},
            bgcolor="#fff",
            borderpad=1,
            xanchor="right",
            ax=0,
            ayref="y",
            ay=base + step * (level + 1),
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=GREY,
        )
