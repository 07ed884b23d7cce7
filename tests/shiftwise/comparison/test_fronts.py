"""Fronts against all pairs of points, and sentences about a table that is small enough to read."""

import numpy as np
import pandas as pd
import pytest

from shiftwise.comparison.fronts import AXES, front, verdict, widths

LUTS, RATE = AXES["luts_per_mac"], AXES["prefill_tokens_per_s"]


def beaten(loss: np.ndarray, cost: np.ndarray, row: int) -> bool:
    """Another row is at least as good in both, and better in one; of equal rows the first one stands for all."""
    for other in range(len(loss)):
        at_least = loss[other] <= loss[row] and cost[other] <= cost[row]
        if at_least and (loss[other] < loss[row] or cost[other] < cost[row] or other < row):
            return True
    return False


@pytest.mark.parametrize("axis", [LUTS, RATE], ids=["less", "more"])
def test_the_front_is_what_no_pair_beats(axis, rng: np.random.Generator) -> None:
    for size in (1, 2, 30):
        table = pd.DataFrame({"loss": rng.integers(0, 6, size) / 100, axis.name: rng.integers(0, 6, size) * 1.0})
        cost = table[axis.name].to_numpy() * (1 if axis.less else -1)
        expected = [not beaten(table["loss"].to_numpy(), cost, row) for row in range(size)]
        assert front(table, axis).tolist() == expected


def test_what_is_not_known_is_on_no_front() -> None:
    table = pd.DataFrame({"loss": [0.01, np.nan, 0.02], "luts_per_mac": [np.nan, 1.0, 5.0]})
    assert front(table, LUTS).tolist() == [False, False, True]


TABLE = pd.DataFrame(
    [
        ("int4 x int8", "integer", "gptq", 0.008, 40.0, 100.0, 4, 8),
        ("int8 x int8", "integer", "nearest", 0.001, 90.0, 50.0, 8, 8),
        ("e4m3 x e4m3", "minifloat", "nearest", 0.0015, 117.0, 40.0, 8, 8),
        ("e2m1 x e2m1", "minifloat", "nearest", 0.09, 34.0, 120.0, 4, 4),
        ("int4 x int4", "integer", "gptq", 0.04, 31.0, 125.0, 4, 4),
    ],
    columns=[
        *("name", "family", "recipe", "loss", "luts_per_mac", "prefill_tokens_per_s", "weight_bits", "activation_bits"),
    ],
)


def test_verdicts_name_the_cheapest_of_each_family_where_they_change() -> None:
    assert list(verdict(TABLE, LUTS)) == [
        (
            "Within 0.2 % of float, integers win in LUTs of a PE: int8 x int8 (nearest, +0.10 %) 90 LUT sites per MAC; "
            "minifloats e4m3 x e4m3 (nearest, +0.15 %) 117 LUT sites per MAC, 1.30 times as much; no blocks of the table "
            "get there."
        ),
        (
            "Within 1 % of float, integers win in LUTs of a PE: int4 x int8 (gptq, +0.80 %) 40 LUT sites per MAC; minifloats "
            "e4m3 x e4m3 (nearest, +0.15 %) 117 LUT sites per MAC, 2.92 times as much; no blocks of the table get there."
        ),
        (
            "Within 5 % of float, integers win in LUTs of a PE: int4 x int4 (gptq, +4.00 %) 31 LUT sites per MAC; minifloats "
            "e4m3 x e4m3 (nearest, +0.15 %) 117 LUT sites per MAC, 3.77 times as much; no blocks of the table get there."
        ),
        (
            "Within 10 % of float, integers win in LUTs of a PE: int4 x int4 (gptq, +4.00 %) 31 LUT sites per MAC; minifloats "
            "e2m1 x e2m1 (nearest, +9.00 %) 34 LUT sites per MAC, 1.10 times as much; no blocks of the table get there."
        ),
    ]


def test_of_rates_the_greatest_wins() -> None:
    first = next(verdict(TABLE, RATE))
    assert (
        "int8 x int8 (nearest, +0.10 %) 50 tokens/s; minifloats e4m3 x e4m3 (nearest, +0.15 %) 40 tokens/s, 1.25 times less"
        in first
    )


def test_families_of_one_width() -> None:
    assert list(widths(TABLE)) == [
        "With 4 bits for both operands: minifloats +9.00 % (e2m1 x e2m1, nearest), integers +4.00 % (int4 x int4, gptq).",
        "With 8 bits for both operands: integers +0.10 % (int8 x int8, nearest), minifloats +0.15 % (e4m3 x e4m3, nearest).",
    ]
