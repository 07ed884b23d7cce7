"""Figures of a run as plotly figures; their numbers are in cycles, J, mm² and LUTs, without prefixes.

Labels are HTML to plotly, so every name that a user gave is escaped here. Colours of text and grid are left to
the page's style sheet; those of the data are readable on light and on dark ground.
"""

from collections.abc import Mapping
from html import escape
from math import log10, sqrt
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from reports.layers import grouped, products_text, shape_text, short_names
from reports.splits import AREA_UNITS, area_parts, cycle_parts, sweep_parts
from sim.design import DesignPoint

COLORS = {
    "ideal": "#3b82c4",
    "array fill and edges": "#dfa32a",
    "memory stall": "#c4502e",
    "PE": "#3b82c4",
    "SRAM": "#2f9e7d",
    "DRAM": "#d9772b",
    "static": "#8a8f98",
    "on chip": "#3b82c4",
}
GREY = "#8a8f98"
ROW_HEIGHT = 30  # [px]
ROOFLINE_HEIGHT = 430  # [px]
LABEL_HEIGHT = 17  # [px]
LABELLED_POINTS = 12
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def cycles_per_layer(layers: pd.DataFrame) -> go.Figure:
    """Cycles of each product, repeated blocks summed: ideal, array fill and edges, memory stall."""
    rows = grouped(layers)
    parts = {part: pd.Series(cycles).tolist() for part, cycles in cycle_parts(rows).items()}
    return _stacked_rows(_tick_names(rows), _hover_names(rows), parts, "cycles", "%{x:,.0f} cycles")


def energy_per_layer(layers: pd.DataFrame) -> go.Figure:
    """Energy [J] of each product, repeated blocks summed: PE, SRAM, DRAM and, where the technology has it, static."""
    rows = grouped(layers)
    parts = {part: rows[f"energy_{part.lower()}_J"] for part in ("PE", "SRAM", "DRAM")}
    rest = rows["energy_J"] - sum(parts.values())
    if (rest > 1e-9 * rows["energy_J"]).any():
        parts["static"] = rest
    values = {part: joule.tolist() for part, joule in parts.items()}
    return _stacked_rows(_tick_names(rows), _hover_names(rows), values, "energy [J]", "%{x:.3s}J", suffix="J")


def roofline(layers: pd.DataFrame, design: DesignPoint) -> go.Figure:
    """MAC per byte of DRAM traffic against MAC per cycle, a point for each distinct product, under the design's roof.

    The roof is the lower of the array's ``rows * columns`` MAC/cycle and the DRAM's byte/cycle times MAC/byte
    (Williams, Waterman and Patterson, CACM 52(4), 2009).
    """
    points = _distinct_products(layers)
    peak = float(design.macs_per_cycle)
    bandwidth = float(design.dram_bits_per_cycle / 8)
    ridge = peak / bandwidth
    left, right = min(points["x"].min(), ridge) / 3, max(points["x"].max(), ridge) * 2
    figure = _figure(ROOFLINE_HEIGHT)
    figure.add_scatter(
        x=[left, ridge, right],
        y=[left * bandwidth, peak, peak],
        mode="lines",
        line={"color": GREY, "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )
    below = {"showarrow": False, "yanchor": "top", "yshift": -3}
    middle = sqrt(left * ridge)
    figure.add_annotation(x=log10(right), y=log10(peak), text=f"{peak:,g} MAC/cycle", xanchor="right", **below)
    figure.add_annotation(x=log10(middle), y=log10(middle * bandwidth), text=f"{bandwidth:,g} B/cycle", xanchor="left", **below)
    for under, chosen, color in (
        ("array", points["x"] >= ridge, COLORS["ideal"]),
        ("memory", points["x"] < ridge, COLORS["memory stall"]),
    ):
        figure.add_scatter(
            x=points["x"][chosen].tolist(),
            y=points["y"][chosen].tolist(),
            mode="markers",
            marker={"color": color, "size": 10},
            name=f"under the {under}'s roof",
            customdata=[f"{row['names']}<br>{shape_text(row)}" for _, row in points[chosen].iterrows()],
            hovertemplate="%{customdata}<br>%{x:.3~g} MAC/byte, %{y:.3~g} MAC/cycle<extra></extra>",
        )
    _label_points(figure, points.nlargest(LABELLED_POINTS, "cycles").sort_values("x"))
    lowest = min(points["y"].min(), left * bandwidth) / 2
    figure.update_xaxes(type="log", title_text="MAC per byte of DRAM traffic", range=[log10(left), log10(right)], dtick=1)
    headroom = log10(peak / lowest) * LABEL_HEIGHT * (3 + min(len(points), LABELLED_POINTS)) / (ROOFLINE_HEIGHT - 150)
    return figure.update_yaxes(type="log", title_text="MAC per cycle", range=[log10(lowest), log10(peak) + headroom], dtick=1)


def _distinct_products(layers: pd.DataFrame) -> pd.DataFrame:
    """One row for each shape: ``names`` as HTML, ``x`` [MAC/byte], ``y`` [MAC/cycle], ``cycles`` of all of them."""
    rows = grouped(layers[layers["unit"] == "array"])
    rows["names"] = [escape(name) for name in short_names(list(rows["name"]))]
    shapes = rows.groupby(["m", "k", "n", "count"], sort=False)
    sums = {column: (column, "sum") for column in ("macs", "cycles", "dram_bytes")}
    points = shapes.agg(names=("names", ", ".join), **sums).reset_index()
    return points.assign(x=points["macs"] / points["dram_bytes"], y=points["macs"] / points["cycles"])


def _label_points(figure: go.Figure, points: pd.DataFrame) -> None:
    """Names left of leaders that grow from left to right, so that neither names nor leaders cross."""
    for level, (_, point) in enumerate(points.iterrows()):
        figure.add_annotation(
            x=log10(point["x"]),
            y=log10(point["y"]),
            text=point["names"],
            font={"size": 12},
            xanchor="right",
            ax=0,
            ay=-14 - LABEL_HEIGHT * level,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=GREY,
        )


def dram_energy_sweep(summary: Mapping[str, Any]) -> go.Figure:
    """The run's energy [J] on the chip and in the DRAM at each of the DRAM energies that are published."""
    sweep = sweep_parts(summary)
    names = [f"{float(pj):g} pJ/bit" for pj in sweep]
    parts = {part: [split[part] for split in sweep.values()] for part in ("on chip", "DRAM")}
    return _stacked_rows(names, [f"DRAM at {name}" for name in names], parts, "energy [J]", "%{x:.3s}J", suffix="J")


def area_breakdown(area: Mapping[str, Any]) -> go.Figure:
    """Parts of a synthesised area in mm² (given in um2) or LUTs, the largest on top."""
    parts = area_parts(area)
    silicon = area["unit"] == "um2"
    unit = "mm²" if silicon else AREA_UNITS[area["unit"]]
    sizes = [size / 1e6 if silicon else size for size in parts.values()]
    names = [escape(part) for part in parts]
    figure = _stacked_rows(names, names, {"area": sizes}, f"area [{unit}]", f"%{{x:,.3~g}} {unit}")
    return figure.update_layout(showlegend=False, margin_t=8, height=figure.layout.height - 32)


def _stacked_rows(
    ticks: list[str], hover: list[str], parts: Mapping[str, list[float]], title: str, value: str, suffix: str = ""
) -> go.Figure:
    """Horizontal bars, one for each tick from the top, made of the parts."""
    figure = _figure(ROW_HEIGHT * len(ticks) + 110)
    positions = list(range(len(ticks)))
    for part, sizes in parts.items():
        figure.add_bar(
            x=sizes,
            y=positions,
            orientation="h",
            name=part,
            marker={"color": COLORS.get(part, COLORS["ideal"]), "line": {"width": 0}},
            customdata=hover,
            hovertemplate=f"%{{customdata}}<br>{part}: {value}<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(title_text=title, tickformat="~s", ticksuffix=suffix, nticks=6)
    figure.update_yaxes(tickvals=positions, ticktext=ticks, autorange="reversed", showgrid=False, ticklabelstandoff=6)
    return figure


def _figure(height: int) -> go.Figure:
    layout = {
        "template": "none",
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 40, "b": 50},
        "font": {"family": FONT, "size": 13},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "dragmode": False,
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        "hoverlabel": {"font": {"family": FONT, "size": 13}},
    }
    axis = {"automargin": True, "fixedrange": True, "zeroline": False, "title": {"font": {"size": 13}, "standoff": 10}}
    return go.Figure(layout=layout).update_xaxes(**axis).update_yaxes(**axis)


def _tick_names(rows: pd.DataFrame) -> list[str]:
    names = short_names(list(rows["name"]))
    return [escape(products_text(name, n)) for name, n in zip(names, rows["products"], strict=True)]


def _hover_names(rows: pd.DataFrame) -> list[str]:
    return [f"<b>{escape(row['name'])}</b><br>{shape_text(row)}" for _, row in rows.iterrows()]
