"""Scales that cut off outliers: by hand, against all candidates, never worse than the full range."""

from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.quantized import SCHEMES, Scheme
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair
from workloads.recipes.clipping import by_max, by_mse, by_percentile, squared_errors


def test_mse_is_never_worse_for_what_shares_a_scale(operands: Pair, scheme: Scheme) -> None:
    weights, _ = operands
    full, searched = by_max(weights, scheme), by_mse(weights, scheme)
    assert (squared_errors(searched, weights) <= squared_errors(full, weights)).all()


@pytest.mark.parametrize("name", ["int4", "int3_channel", "int4_tensor", "uint3_zero", "nf4", "e2m1"])
def test_mse_is_better_where_there_are_outliers(rng: np.random.Generator, name: str) -> None:
    weights = rng.normal(size=(64, 8)).astype(np.float32)
    weights[::16] *= 6
    scheme = FORMATS_OF_ALL_KINDS[name]
    errors = [squared_errors(start(weights, scheme), weights).sum() for start in (by_mse, by_max)]
    assert errors[0] < 0.95 * errors[1]


def test_the_scale_of_an_mx_block_may_rise_by_hand() -> None:
    """amax 7.9 has scale 1, and E2M1 ends at 6: error 1.9 of each. With scale 2 it is 8, and 0.1 off."""
    weights = np.full((32, 1), 7.9, np.float32)
    assert by_max(weights, SCHEMES["mxfp4"]).scales[0].tolist() == [[127]]
    searched = by_mse(weights, SCHEMES["mxfp4"])
    assert searched.scales[0].tolist() == [[128]]
    assert searched.dequantize().ravel().tolist() == [8.0] * 32


def test_both_ends_of_a_range_are_cut_off() -> None:
    """2000 numbers from -3.75 to 3.75 and one at -8 and at 8: the range that is left is even, fifteen steps wide."""
    weights = np.array([-8, 8, *np.linspace(-3.75, 3.75, 2000)], np.float32)[:, None]
    q = by_mse(weights, replace(FORMATS_OF_ALL_KINDS["uint4_minimum"], group_size=2002))
    assert 0.4 < q.scales[0][0, 0] < 0.8
    assert q.zero[0, 0] == pytest.approx(-7.5 * q.scales[0][0, 0], abs=0.01)


def test_a_scale_by_hand() -> None:
    """Fifteen numbers 1 and one 2.33. With scale 2.33/7 they become 3 * 2.33/7: 0.0014 off each. The best scale may differ, but
    its error is at most that; and of scales that are ratios 0.98, 0.96, ... of the first none is better."""
    weights = np.array([1] * 15 + [2.33], np.float32)[:, None]
    scheme = FORMATS_OF_ALL_KINDS["int3_channel"]
    full = by_max(weights, scheme)
    first = full.scales[0].astype(np.float64)
    tried = [np.float16(first * ratio / 100) for ratio in range(100, 28, -2)]
    errors = []
    for scale in tried:
        steps = np.clip(np.rint(weights.astype(np.float64) / scale), -4, 3)
        errors.append(((steps * scale - weights) ** 2).sum())
    assert by_mse(weights, scheme).scales[0] == tried[int(np.argmin(errors))]


def test_a_percentile_by_hand() -> None:
    """Of 0, 1, ..., 100 the 70th percentile is 70: the scale of int4 is 10, and what lies beyond becomes 70."""
    weights = np.arange(101, dtype=np.float32)[:, None] * np.float32([[1, -1]])
    q = by_percentile(weights, replace(FORMATS_OF_ALL_KINDS["int4"], group_size=101), 70)
    assert q.scales[0].tolist() == [[10.0, 10.0]]
    assert q.dequantize()[[0, 14, 70, 100]].tolist() == [[0, 0], [10, -10], [70, -70], [70, -80]]


def test_a_percentile_of_either_side_by_hand() -> None:
    """Of -100, ..., 50 the 10th and 90th percentiles are -85 and 35: 15 steps of 8 from there."""
    weights = np.arange(-100, 51, dtype=np.float32)[:, None]
    q = by_percentile(weights, replace(FORMATS_OF_ALL_KINDS["uint4_minimum"], group_size=200), 90)
    assert (q.scales[0].tolist(), q.zero.tolist()) == ([[8.0]], [[-85.0]])


def test_the_last_percentile_cuts_nothing_off(operands: Pair, scheme: Scheme) -> None:
    weights, _ = operands
    assert by_percentile(weights, scheme, 100) == by_max(weights, scheme)


@pytest.mark.parametrize("percentile", [0, -1, 100.5])
def test_percentiles_that_are_none(operands: Pair, percentile: float) -> None:
    with pytest.raises(InputError, match=f"above 0 and at most 100, not {percentile}$"):
        by_percentile(operands[0], SCHEMES["int8_channel"], percentile)
