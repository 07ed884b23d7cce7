"""Accuracy by format: where points stand, and on which scale."""

import math

import pandas as pd
import pytest

from reports.formats import Widths, formats_figure, loss_ticks

COLORS = {"integer": "#111111", "minifloat": "#222222", "block": "#333333"}
TABLE = pd.DataFrame(
    {
        "name": ["int8 x int8", "e2m1 x e2m1, mx", "int4 x int8", "unknown"],
        "family": ["integer", "block", "integer", "minifloat"],
        "recipe": ["nearest"] * 4,
        "weight_bits": [8, 4, 4, 4],
        "activation_bits": [8, 4, 8, 8],
        "loss": [-0.001, 0.05, 0.005, math.nan],
    }
)


def test_narrow_weights_come_first_and_families_stand_side_by_side() -> None:
    widths = Widths.of(TABLE)
    assert widths.names == ["4 x 4", "4 x 8", "8 x 8"]
    assert widths.places.round().tolist() == [2, 0, 1, 1]
    assert widths.places[2] < widths.places[3] and widths.places[1] > 0


def test_a_loss_stands_at_the_inverse_hyperbolic_sine_of_its_halves_of_a_percent() -> None:
    drawn = formats_figure(TABLE, COLORS)
    integers, minifloats, blocks = drawn.data
    # asinh(x) = log(x + sqrt(x**2 + 1))
    assert list(integers.y) == pytest.approx([-math.log(0.2 + math.sqrt(1.04)), math.log(1 + math.sqrt(2))])
    assert list(blocks.y) == pytest.approx([math.log(10 + math.sqrt(101))])
    assert len(minifloats.x) == 0
    assert [place for place, *_ in integers.customdata] == [0, 2]
    assert dict(zip(drawn.layout.yaxis.ticktext, drawn.layout.yaxis.tickvals, strict=True))["0.5"] == pytest.approx(
        integers.y[1]
    )


def test_ticks_are_those_among_the_losses() -> None:
    assert [text for _, text in loss_ticks(TABLE)] == ["0", "0.5", "1", "2", "5"]
    assert loss_ticks(TABLE.tail(1)) == [(0, "0")]
