"""Figures of comparisons and searches as files for print: PNG and SVG, by matplotlib, which needs no browser."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from reports.formats import LINEAR, Widths, loss_ticks
from reports.plots import AMBER, GREY

INCHES = (7.0, 4.6)
DOTS = 160  # [1/inch]
NAME = (110, 11)  # [px] of a name at matplotlib's 100 dots an inch
FIXED = {"svg": {"Date": None}, "png": {}}
"""No time of day in a file, so that the same figure is the same file."""

Files = dict[str, bytes]
"""A figure as ``png`` and ``svg``; a description that is ``told`` stands in both."""


def printed_front(table: pd.DataFrame, axis: Any, colors: Mapping[str, str], told: str = "") -> Files:
    """Loss [%] over a cost; names stand beside the points of the front."""
    drawn, plot = _empty()
    best = table[table[f"front_{axis.name}"]].sort_values(axis.name)
    plot.step(best[axis.name], best["loss"] * 100, where="post" if axis.less else "pre", color=GREY, linewidth=1)
    _families(plot, table, table[axis.name], colors)
    _losses(plot, table)
    plot.set_xlabel(f"{axis.title} [{axis.unit}]")
    _names(plot, best["name"], best[axis.name], best["loss"] * 100)
    return _finished(drawn, plot, told)


def printed_formats(table: pd.DataFrame, widths: Widths, colors: Mapping[str, str], told: str = "") -> Files:
    """Loss [%] by the widths of both operands."""
    drawn, plot = _empty()
    _families(plot, table, widths.places, colors)
    plot.set_xticks(range(len(widths.names)), widths.names, rotation=90)
    _losses(plot, table)
    plot.set_xlabel("weight x activation [bit]")
    return _finished(drawn, plot, told)


def printed_points(points: pd.DataFrame, table: pd.DataFrame, x: Any, y: Any, told: str = "") -> Files:
    """All points of a search over two objectives, and the best designs; the points of an SVG are one picture in it."""
    drawn, plot = _empty()
    plot.scatter(
        points[x.name], points[y.name], s=3, color=GREY, alpha=0.45, linewidths=0, label="points looked at", rasterized=True
    )
    plot.scatter(table[x.name], table[y.name], s=22, color=AMBER, edgecolors="#7a5a12", linewidths=0.6, label="best, scheduled")
    for one, axis, scale, label in (
        (x, plot.xaxis, plot.set_xscale, plot.set_xlabel),
        (y, plot.yaxis, plot.set_yscale, plot.set_ylabel),
    ):
        if len(points) and points[one.name].min() > 0:
            scale("log")
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(EngFormatter())
            axis.set_minor_formatter(NullFormatter())
        label(f"{one.title} [{one.unit}]")
    return _finished(drawn, plot, told)


def _empty() -> tuple[Figure, Axes]:
    drawn = Figure(figsize=INCHES, layout="constrained")
    return drawn, drawn.subplots()


def _families(plot: Axes, table: pd.DataFrame, x: Any, colors: Mapping[str, str]) -> None:
    for family, color in colors.items():
        own = table["family"] == family
        plot.scatter(x[own], table["loss"][own] * 100, s=18, color=color, label=family, zorder=2)


def _losses(plot: Axes, table: pd.DataFrame) -> None:
    """The axis of losses, as those of the page's figure of formats."""
    plot.set_yscale("asinh", linear_width=LINEAR)
    plot.set_yticks(*zip(*loss_ticks(table), strict=True))
    plot.minorticks_off()
    plot.set_ylabel("loss [%]")
    losses = table["loss"].dropna() * 100
    if len(losses):
        plot.set_ylim(losses.min() - LINEAR / 2, losses.max() * 1.3 + LINEAR / 2)


def _names(plot: Axes, names: Iterable[str], x: Iterable[float], y: Iterable[float]) -> None:
    """Names beside points, but for those that would stand on one that is there."""
    there: list[tuple[float, float]] = []
    for name, point in zip(names, zip(x, y, strict=True), strict=True):
        across, up = plot.transData.transform(point)
        if all(abs(across - a) > NAME[0] or abs(up - b) > NAME[1] for a, b in there):
            there.append((across, up))
            plot.annotate(name.replace("$", r"\$"), point, (4, 4), textcoords="offset points", fontsize=7)


def _finished(drawn: Figure, plot: Axes, told: str) -> Files:
    plot.grid(alpha=0.3)
    plot.legend(frameon=False)
    return files_of(drawn, told)


def files_of(drawn: Figure, told: str) -> Files:
    """A figure of matplotlib as files."""
    files = {}
    for ending, metadata in FIXED.items():
        content = io.BytesIO()
        drawn.savefig(content, format=ending, dpi=DOTS, metadata={**metadata, "Description": told})
        drawn.set_layout_engine("none")  # what was found for one kind of file is the other's too
        files[ending] = content.getvalue()
    return files
