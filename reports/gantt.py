"""A run in time: bars over cycles, a lane for each unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from reports.layers import shape_text, short_names, told_kinds
from reports.plots import BLUE, GREEN, ORANGE, PURPLE, as_text, figure

LANE_HEIGHT = 46  # [px]
SHADES = {BLUE: "#2c659c", GREEN: "#237a60", ORANGE: "#ad5d1f", PURPLE: "#653f90"}
"""A darker shade of each lane's colour, for every other bar."""

LANES = {"array": ("array", BLUE), "vector": ("vector unit", PURPLE)}
"""By the unit of an operator its lane's name and colour."""

SMALLEST_TEXT = 10  # [px]
"""Bars that are too small for it have no text; their hover has."""


@dataclass(frozen=True)
class Lane:
    """Bars ``[start, end)`` [cycle] with texts that are HTML."""

    name: str
    color: str
    starts: Sequence[int]
    ends: Sequence[int]
    texts: Sequence[str]
    hovers: Sequence[str]


def blocks_in_time(blocks: pd.DataFrame) -> go.Figure:
    """Blocks of a product: loads, computation and stores over cycles."""
    lanes = []
    for lane, color in (("load", ORANGE), ("compute", BLUE), ("store", GREEN)):
        rows = blocks[blocks["lane"] == lane]
        texts = [str(block) for block in rows["block"]]
        hovers = [f"<b>{lane} of block {block}</b>" for block in texts]
        lanes.append(Lane(lane, color, rows["start"].tolist(), rows["end"].tolist(), texts, hovers))
    return lanes_in_time(lanes, "cycles since the product's first load")


def operators_in_time(operators: pd.DataFrame) -> go.Figure:
    """Operators on the array and on the vector unit over the run's cycles."""
    named = operators.assign(title=told_kinds(operators, short_names(list(operators["name"]))))
    lanes = []
    for unit, (lane, color) in LANES.items():
        rows = named[named["unit"] == unit]
        hovers = [_hover(row) for _, row in rows.iterrows()]
        texts = [as_text(title) for title in rows["title"]]
        lanes.append(Lane(lane, color, rows["start"].tolist(), rows["end"].tolist(), texts, hovers))
    return lanes_in_time(lanes, "cycles of the run")


def _hover(row: pd.Series) -> str:
    waits = f", of which {row['wait_cycles']:,} waiting" if row["wait_cycles"] else ""
    return f"<b>{as_text(row['name'])}</b><br>{shape_text(row)}<br>{row['end'] - row['start']:,} cycles{waits}"


def lanes_in_time(lanes: Sequence[Lane], title: str) -> go.Figure:
    """Bars of each lane over cycles; ``title`` says which."""
    drawn = figure(LANE_HEIGHT * len(lanes) + 70)
    for place, lane in enumerate(lanes):
        colors = [(lane.color, SHADES[lane.color])[index % 2] for index in range(len(lane.starts))]
        drawn.add_bar(
            base=lane.starts,
            x=[end - start for start, end in zip(lane.starts, lane.ends, strict=True)],
            y=[place] * len(lane.starts),
            orientation="h",
            name=lane.name,
            marker={"color": colors, "line": {"width": 0}},
            text=lane.texts,
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            customdata=[
                f"{hover}<br>from {start:,} to {end:,}"
                for hover, start, end in zip(lane.hovers, lane.starts, lane.ends, strict=True)
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    first = min((start for lane in lanes for start in lane.starts), default=0)
    last = max((end for lane in lanes for end in lane.ends), default=1)
    names = [lane.name for lane in lanes]
    drawn.update_layout(barmode="overlay", bargap=0.25, showlegend=False, margin_t=8)
    drawn.update_layout(uniformtext={"mode": "hide", "minsize": SMALLEST_TEXT})
    drawn.update_xaxes(title_text=title, tickformat="~s", range=[first, last], nticks=6, tickangle=0)
    return drawn.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False, ticklabelstandoff=6
    )
