"""The judge is judged by numpy's IEEE arithmetic and by hand calculations."""

from fractions import Fraction

import numpy as np
import pytest

from sim import reference


def test_every_finite_half_precision_number() -> None:
    for bits in range(1 << 16):
        if (bits >> 10) & 31 != 31:
            assert float(reference.fp16_value(bits)) == float(np.uint16(bits).view(np.float16))


def test_infinity_is_refused() -> None:
    with pytest.raises(ValueError, match="0x7c00"):
        reference.fp16_value(0x7C00)


@pytest.mark.parametrize(
    ("number", "rounded"),
    [
        (Fraction((1 << 24) + 1), 1 << 24),  # a tie goes to the even significand below
        (Fraction((1 << 24) + 3), (1 << 24) + 4),  # and to the even one above
        (Fraction(2 * (1 << 24) - 1), 1 << 25),  # a carry into the next binade
        (Fraction(-(1 << 24) - 1), -(1 << 24)),
        (Fraction(0), 0),
    ],
)
def test_rounding_by_hand(number: Fraction, rounded: int) -> None:
    assert reference.round_to_fp32(number) == rounded


def test_rounding_against_numpy(rng: np.random.Generator) -> None:
    """float64 to float32 in numpy is IEEE's nearest even."""
    numbers = rng.normal(size=2000) * 2.0 ** rng.integers(-40, 60, size=2000)
    for number in numbers:
        assert float(reference.round_to_fp32(Fraction(number))) == float(np.float32(number))


def test_an_output_by_hand() -> None:
    """Two groups of two: 0.5*((1*3 + 2*5) - 4*(1+2)) + 2*((3*1 + -4*7) - 1*(3-4)) = 0.5*1 + 2*(-24); times 0.25."""
    half, two, quarter = (int(np.float16(x).view(np.uint16)) for x in (0.5, 2, 0.25))
    y = reference.output([1, 2, 3, -4], quarter, [3, 5, 1, 7], [half, two], [4, 1], 2)
    assert y == Fraction(-95, 8)
