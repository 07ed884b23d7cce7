"""Codes of integer formats against IEEE division and Python's own rounding of ties, one number at a time."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels.nearest import nearest_codes

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
