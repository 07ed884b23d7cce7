"""Rows against Python one number at a time: codes by IEEE division and its own rounding of ties, extremes, sums, powers."""

import math
from itertools import pairwise

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels.rows import all_finite, block_sums, folded, nearest_codes, row_extremes

SHAPE = (6, 70)
SCALES = [(1, 1), (6, 1), (1, 70), (6, 5), (6, 3), (3, 70), (6, 70)]
"""Of groups of 16 and 24 columns, the last shorter, or of 2 rows."""

GROUP = {(6, 5): 16, (6, 3): 24, (3, 70): 2}


def one_code(number: np.float32, scale: np.float32, zero: np.float32, least: int, greatest: int) -> int:
    with np.errstate(over="ignore"):
        quotient = number / scale
    steps = min(max(round(float(quotient)) + int(zero), least), greatest) if np.isfinite(quotient) else greatest
    return steps & (greatest - least)


@pytest.mark.parametrize(("least", "greatest"), [(-128, 127), (-8, 7), (-2, 1), (0, 15), (0, 255), (-(2**15), 2**15 - 1)])
@pytest.mark.parametrize("shape", SCALES)
def test_codes_are_those_of_each_number(shape: tuple[int, int], least: int, greatest: int, rng: np.random.Generator) -> None:
    scales = rng.choice(np.array([0.25, 0.3, 1, 7], np.float32), shape)
    zero = rng.integers(0, greatest + 1, shape).astype(np.float32) if least == 0 else None
    numbers = (rng.normal(size=SHAPE) * greatest / 4).astype(np.float32)
    numbers[:, :8] = rng.integers(-5, 5, (6, 8)) / 8  # ties, with scales of a power of two
    numbers[0, :4] = 3e38, 0, -0.0, 1e-45
    codes = np.empty(SHAPE, np.uint16)
    nearest_codes(numbers, scales, zero, GROUP.get(shape, 0), (least, greatest), codes)
    group = GROUP.get(shape, 1)
    for row, column in np.ndindex(SHAPE):
        sizes = zip(shape, SHAPE, (row, column), strict=True)
        at = [0 if own == 1 else i if own == size else i // group for own, size, i in sizes]
        offset = np.float32(0) if zero is None else zero[*at]
        assert codes[row, column] == one_code(numbers[row, column], scales[*at], offset, least, greatest)


def test_scales_of_another_shape_are_refused() -> None:
    codes = np.empty(SHAPE, np.uint8)
    with pytest.raises(InputError, match="groups of 16 are 1, 70 or one per group, not 4"):
        nearest_codes(np.zeros(SHAPE, np.float32), np.ones((6, 4), np.float32), None, 16, (-8, 7), codes)


SPECIAL = np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf, 1.5], np.float32)


@pytest.mark.parametrize("wide", [1, 4, 7, 70, 100])
def test_extremes_are_pythons(wide: int, rng: np.random.Generator) -> None:
    numbers = np.concatenate([rng.normal(size=(5, 70)).astype(np.float32), rng.choice(SPECIAL, (5, 70))])
    low, high = row_extremes(numbers[:, ::-1], wide)  # not contiguous
    for row, line in enumerate(numbers[:, ::-1].tolist()):
        parts = [line[start : start + wide] for start in range(0, 70, wide)]
        assert low[row].tolist() == [min(part) for part in parts]
        assert high[row].tolist() == [max(part) for part in parts]


@pytest.mark.parametrize("nan", [np.nan, -np.nan])
@pytest.mark.parametrize("place", [0, 33, 69])
def test_a_number_that_is_none_is_an_extreme(nan: float, place: int) -> None:
    numbers = np.ones((1, 70), np.float32)
    assert all_finite(numbers)
    numbers[0, place] = nan
    assert np.isnan(row_extremes(numbers, 70)).any()
    assert not all_finite(numbers)
    numbers[0, place] = -np.inf
    assert not all_finite(numbers)


def test_block_sums_are_pythons(rng: np.random.Generator) -> None:
    numbers = rng.integers(-128, 128, (3, 300), np.int8)
    numbers[0] = -128
    ends = [0, 64, 65, 299, 300]
    found = block_sums(numbers, np.array(ends[:-1]))
    assert found.tolist() == [[sum(line[a:b]) for a, b in pairwise(ends)] for line in numbers.tolist()]


def test_folded_rows_are_products_over_their_power(rng: np.random.Generator) -> None:
    """A product in fp32, and a division by a power of two: exact but for what is subnormal."""
    numbers = (rng.normal(size=(40, 33)) * 10.0 ** rng.integers(-40, 30, (40, 1))).astype(np.float32)
    numbers[0], numbers[1], scales = 0, 1e-45, (rng.random(33) * 4).astype(np.float32)
    found, powers = folded(numbers, scales)
    for row in range(40):
        products = numbers[row] * scales
        greatest = float(np.abs(products).max())
        power = 2.0 ** max(math.frexp(greatest)[1], -126) if greatest else float(powers[row, 0])
        assert float(powers[row, 0]) == power
        assert found[row].tolist() == [float(np.float32(float(one) / power)) for one in products]
