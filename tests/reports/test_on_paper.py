"""Figures on paper: bars, points and names are where plotly has them."""

import plotly.graph_objects as go
import pytest

from reports.figures import cycles_per_layer
from reports.gantt import blocks_in_time
from reports.on_paper import redrawn
from reports.plots import as_text
from reports.roofline import roofline
from sim.design import DesignPoint
from tests.reports.conftest import DESIGN_FIELDS


def texts(plot) -> list[str]:
    return [text.get_text() for text in plot.texts]


def test_stacked_bars(run) -> None:
    _, layers, _ = run
    [plot] = redrawn(cycles_per_layer(layers)).axes
    projection = [bar for bar in plot.patches if bar.get_y() < 2 < bar.get_y() + bar.get_height() and bar.get_width()]
    # two projections of 100 ideal cycles, 40 on edges, 10 of fill, 10 of stalls
    assert [(bar.get_x(), bar.get_width()) for bar in projection] == [(0, 200), (200, 80), (280, 20), (300, 20)]
    assert [label.get_text() for label in plot.get_legend().get_texts()] == [
        *("ideal", "edges", "array fill", "memory stall", "vector unit"),
    ]
    assert plot.get_yticklabels()[2].get_text() == "q_proj \N{MULTIPLICATION SIGN}2"
    low, high = plot.get_ylim()
    assert low > high, "the first operator is on top"


def test_bars_over_time_begin_where_they_begin(run) -> None:
    _, _, blocks = run
    [plot] = redrawn(blocks_in_time(blocks)).axes
    assert [(bar.get_x(), bar.get_width()) for bar in plot.patches][:5] == [(0, 75), (75, 75), (150, 75), (75, 55), (150, 55)]
    assert texts(plot) == ["0", "1", "2", "0", "1", "0"]
    [plot] = redrawn(blocks_in_time(blocks.assign(block=10**12))).axes
    assert texts(plot) == [str(10**12)] * 5, "a store of five cycles has no room for its number"


def test_points_and_names_on_logarithmic_axes(run) -> None:
    _, layers, _ = run
    [plot] = redrawn(roofline(layers, DesignPoint(**DESIGN_FIELDS))).axes
    assert (plot.get_xscale(), plot.get_yscale()) == ("log", "log")
    points = sorted(tuple(point) for marks in plot.collections for point in marks.get_offsets())
    # lm_head: 2,000 MACs of 71,000 bytes in 320 cycles; scores: 16,000 of 5,000 in 240; q_proj: 20,000 of 2,000 in 320
    assert points == [pytest.approx(point) for point in ((2 / 71, 6.25), (3.2, 16_000 / 240), (10, 62.5))]
    assert sorted(texts(plot)) == ["lm_head", "q_proj", "scores"]
    assert [line.get_xdata()[1] for line in plot.lines[1:]] == pytest.approx([2 / 71, 3.2, 10])


def test_names_are_as_they_were_given() -> None:
    name = '<b>$x^2$</b> & "y"'
    drawn = go.Figure(layout={"height": 300})
    drawn.add_bar(x=[1.0], y=[0], orientation="h", name=as_text(name), marker={"color": "#123456"})
    drawn.update_yaxes(tickvals=[0], ticktext=[as_text(name)], autorange="reversed")
    [plot] = redrawn(drawn).axes
    assert plot.get_yticklabels()[0].get_text() == name.replace("$", r"\$")
