"""Figures of plotly drawn once more by matplotlib, which makes PNG and SVG without a browser: bars, lines, points and names.

What is drawn is what the pages of this project use: horizontal bars that are stacked or begin at a base, lines and markers,
annotations with leaders, linear and logarithmic axes.
"""

from html import unescape
from typing import Any

import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from reports.printed import INCHES, Files, files_of

PIXELS = 96  # [1/inch] of a browser
SMALL = 7  # [pt]
LETTER = 0.62
"""Width of a letter by its height, as a guess of what fits into a bar."""


def on_paper(drawn: go.Figure, told: str = "") -> Files:
    """The figure as it is in a page, as wide as a sheet, as files."""
    return files_of(redrawn(drawn), told)


def redrawn(drawn: go.Figure) -> Figure:
    """The figure as one of matplotlib."""
    layout = drawn.layout
    paper = Figure(figsize=(INCHES[0], layout.height / PIXELS), layout="constrained")
    plot = paper.subplots()
    _axis(plot, "x", layout.xaxis)
    _axis(plot, "y", layout.yaxis)
    stacked = [0.0] * max((len(trace.y) for trace in drawn.data if trace.type == "bar"), default=0)
    for trace in drawn.data:
        if trace.type == "bar":
            _bars(plot, trace, None if layout.barmode == "overlay" else stacked)
        elif trace.mode == "lines":
            plot.plot(trace.x, trace.y, color=trace.line.color, linewidth=1.5, label=_text(trace.name or ""))
        else:
            plot.scatter(trace.x, trace.y, s=30, color=trace.marker.color, label=_text(trace.name or ""), zorder=3)
    for one in layout.annotations:
        _annotation(plot, one, layout)
    _limits(plot, layout)
    if layout.barmode == "overlay":
        _names_in_bars(plot, drawn)
    plot.set_axisbelow(True)
    plot.grid(axis="both" if layout.yaxis.showgrid is not False else "x", alpha=0.3)
    plot.tick_params(length=0)
    plot.spines[["top", "right", "left"]].set_visible(False)
    if layout.showlegend is not False and len(plot.get_legend_handles_labels()[1]):
        plot.legend(frameon=False, ncols=5, loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, borderaxespad=0)
    return paper


def _text(html: str) -> str:
    """The text of a label, in which matplotlib finds no formula."""
    return unescape(html.replace("<b>", "").replace("</b>", "")).replace("$", r"\$")


def _axis(plot: Axes, name: str, axis: Any) -> None:
    there = getattr(plot, f"{name}axis")
    if axis.type == "log":
        getattr(plot, f"set_{name}scale")("log")
        there.set_major_locator(LogLocator())
        there.set_minor_formatter(NullFormatter())
    if axis.tickvals is not None:
        there.set_ticks(list(axis.tickvals), [_text(text) for text in axis.ticktext])
    else:
        there.set_major_formatter(EngFormatter(unit=axis.ticksuffix or "", sep=""))
        if axis.nticks:
            there.set_major_locator(MaxNLocator(axis.nticks))
    there.set_tick_params(labelsize=8)
    there.set_label_text(axis.title.text or "", fontsize=9)


def _bars(plot: Axes, trace: Any, stacked: list[float] | None) -> None:
    """The bars of a trace, each where its base says, or behind those that were ``stacked`` before."""
    begins = list(trace.base) if stacked is None else list(stacked)
    label = _text(trace.name or "") if stacked is not None else None
    color = trace.marker.color
    plot.barh(
        list(trace.y),
        list(trace.x),
        left=begins,
        height=0.7,
        color=color if isinstance(color, str) else list(color),
        label=label,
    )
    if stacked is not None:
        stacked[:] = [begin + x for begin, x in zip(stacked, trace.x, strict=True)]


def _annotation(plot: Axes, one: Any, layout: Any) -> None:
    """A name left of the top of a leader, whose foot is a point; places on a logarithmic axis are exponents."""
    x = 10**one.x if layout.xaxis.type == "log" else one.x
    y, top = ((10**at if layout.yaxis.type == "log" else at) for at in (one.y, one.ay))
    plot.plot([x, x], [y, top], color=one.arrowcolor, linewidth=0.7)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    plot.annotate(
        _text(one.text), (x, top), (-2, 0), textcoords="offset points", ha="right", va="top", fontsize=SMALL, bbox=box
    )


def _limits(plot: Axes, layout: Any) -> None:
    for name, axis in (("x", layout.xaxis), ("y", layout.yaxis)):
        if axis.range is not None:
            getattr(plot, f"set_{name}lim")([10**end if axis.type == "log" else end for end in axis.range])
        elif axis.autorange == "reversed":
            places = list(axis.tickvals)
            getattr(plot, f"set_{name}lim")(max(places) + 0.6, min(places) - 0.6)


def _names_in_bars(plot: Axes, drawn: go.Figure) -> None:
    """The texts of bars that have room for them."""
    first, last = drawn.layout.xaxis.range
    width = INCHES[0] * 72 * 0.85 / (last - first)  # [pt] of a unit of the axis
    for trace in drawn.data:
        for y, x, begin, text in zip(trace.y, trace.x, trace.base, trace.text or (), strict=True):
            if len(text) * LETTER * SMALL < x * width:
                plot.text(begin + x / 2, y, _text(text), ha="center", va="center", fontsize=SMALL, color="white")
