"""What all figures share: colours, fonts, and horizontal bars.

Labels are HTML to plotly, so every name that a user gave has gone through :func:`as_text`. Colours of text and grid are
left to the page's style sheet; those of the data are readable on light and on dark ground.
"""

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

BLUE, GREEN, AMBER, ORANGE, RED, PURPLE, GREY = "#3b82c4", "#2f9e7d", "#dfa32a", "#d9772b", "#c4502e", "#8456b8", "#8a8f98"

COLORS = {
    "ideal": BLUE,
    "edges": AMBER,
    "array fill": GREEN,
    "memory stall": RED,
    "vector unit": PURPLE,
    "PE": BLUE,
    "PE multiplier": BLUE,
    "PE accumulator": "#6fa6d8",
    "PE registers": "#9cc3e6",
    "PE clock": "#c3dcf2",
    "SRAM": GREEN,
    "DRAM": ORANGE,
    "static": GREY,
    "leakage": GREY,
    "on chip": BLUE,
    "weights": BLUE,
    "keys": "#4fb3c9",
    "values": "#8fc07a",
    "activations": GREEN,
    "results": AMBER,
    "totals": RED,
    "vector reads": PURPLE,
    "vector writes": "#b18fd4",
    "weight": BLUE,
    "activation": GREEN,
    "output": AMBER,
    "weight buffer": GREEN,
    "activation buffer": "#8fc07a",
    "output buffer": "#4fb3c9",
    "epilogue": AMBER,
    "row sums": "#b18fd4",
    "foot": RED,
}
ROW_HEIGHT = 30  # [px]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def as_text(name: str) -> str:
    """A name as text in the HTML of plotly's labels, which does not know quotes as entities."""
    return escape(name, quote=False)


def figure(height: int) -> go.Figure:
    """An empty figure [px]."""
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


def stacked_rows(
    ticks: Sequence[str],
    hover: Sequence[str],
    parts: Mapping[str, Sequence[float]],
    title: str,
    value: str,
    suffix: str = "",
) -> go.Figure:
    """Horizontal bars, one for each tick from the top, made of the parts; ``value`` says how one is written."""
    bars = figure(ROW_HEIGHT * len(ticks) + 110)
    positions = list(range(len(ticks)))
    for part, sizes in parts.items():
        bars.add_bar(
            x=sizes,
            y=positions,
            orientation="h",
            name=part,
            marker={"color": COLORS.get(part, BLUE), "line": {"width": 0}},
            customdata=hover,
            hovertemplate=f"%{{customdata}}<br>{part}: {value}<extra></extra>",
        )
    bars.update_layout(barmode="stack", bargap=0.35)
    bars.update_xaxes(title_text=title, tickformat="~s", ticksuffix=suffix, nticks=6, tickangle=0)
    bars.update_yaxes(tickvals=positions, ticktext=ticks, autorange="reversed", showgrid=False, ticklabelstandoff=6)
    return bars
