"""Codes of the formats that no library has, against their definitions and hand calculations."""

from fractions import Fraction
from statistics import NormalDist

import mpmath
import numpy as np
import pytest
import torch

from sim.formats import FORMATS, NORMAL_FLOAT_4
from sim.formats.families import codebook, minifloat, two_powers


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_a_bipolar_number_is_the_sum_of_its_planes(planes: int) -> None:
    for code, number in enumerate(FORMATS[f"bipolar{planes}"].reals):
        assert number == sum(2**plane if code >> plane & 1 else -(2**plane) for plane in range(planes))


def test_bipolar_by_hand() -> None:
    assert FORMATS["bipolar1"].reals.tolist() == [-1, 1]
    assert FORMATS["bipolar3"].reals.tolist() == [-7, -5, -3, -1, 1, 3, 5, 7]


def test_powers_of_two_by_hand() -> None:
    assert FORMATS["pot2"].values == (0, 1, 0, -1)
    assert FORMATS["pot4"].values == (0, 1, 2, 4, 8, 16, 32, 64, 0, -1, -2, -4, -8, -16, -32, -64)
    assert FORMATS["pot6"].largest == 2**30


def levels_of_equation_5(width: int, terms: int = 2) -> list[Fraction]:
    """APoT: sums of ``p_i`` of ``{0, 2**-i, 2**-(i+n), ..., 2**-(i+(2**k-2)n)}``, k the width of a term, n their number."""
    sums = [Fraction(0)]
    for i in range(terms):
        choices = [Fraction(0), *(Fraction(1, 2 ** (i + step * terms)) for step in range(2**width - 1))]
        sums = [total + choice for total in sums for choice in choices]
    return sums


@pytest.mark.parametrize("bits", [3, 5, 7])
def test_sums_of_two_powers(bits: int) -> None:
    """Li, Dong and Wang, Additive Powers-of-Two Quantization, ICLR 2020."""
    half, levels = 1 << (bits - 1), levels_of_equation_5((bits - 1) // 2)
    reals = FORMATS[f"apot{bits}"].reals
    assert [Fraction(number) for number in reals[:half]] == levels
    assert reals[half:].tolist() == [-float(level) for level in levels]
    assert np.signbit(reals[half])
    assert len(set(levels)) == half


def test_sums_of_two_powers_by_hand() -> None:
    assert two_powers(5).reals[:16].tolist() == [
        *(0, 0.5, 0.125, 0.03125),
        *(1, 1.5, 1.125, 1.03125),
        *(0.25, 0.75, 0.375, 0.28125),
        *(0.0625, 0.5625, 0.1875, 0.09375),
    ]


@pytest.mark.parametrize("bits", [3, 4, 5, 6])
def test_logarithms_against_fifty_digits(bits: int) -> None:
    half = 1 << (bits - 1)
    with mpmath.workdps(50):
        levels = [0, *(int(mpmath.nint(mpmath.sqrt(2) ** e * 256)) for e in range(half - 1))]
    assert FORMATS[f"log{bits}"].lsb == -8
    assert FORMATS[f"log{bits}"].values == (*levels, *(-level for level in levels))


def test_logarithms_by_hand() -> None:
    assert FORMATS["log3"].values == (0, 256, 362, 512, 0, -256, -362, -512)  # 256 * 1.41421356 = 362.04


def test_normal_float_is_made_of_quantiles() -> None:
    """QLoRA, as bitsandbytes computes it in fp32: 8 quantiles above 0 and 7 below, as parts of the largest, bit for bit.

    They go from 1/2 to 0.9677083, which is 1 - (1/32 + 1/30) / 2.
    """
    above, below = (torch.linspace(0.9677083, 0.5, count)[:-1].tolist() for count in (9, 8))
    quantiles = [*map(NormalDist().inv_cdf, above), 0.0, *(-NormalDist().inv_cdf(share) for share in below)]
    numbers = torch.tensor(quantiles).sort().values
    assert FORMATS["nf4"].reals.tolist() == (numbers / numbers.max()).tolist()
    assert tuple(FORMATS["nf4"].reals) == NORMAL_FLOAT_4


def test_normal_float_of_eight_binary_places() -> None:
    """0.6961928 * 256 = 178.2, 0.5250731 * 256 = 134.4, 0.3949175 * 256 = 101.1, 0.2844414 * 256 = 72.8, ..."""
    assert FORMATS["nf4_8"].lsb == -8
    assert FORMATS["nf4_8"].values == (-256, -178, -134, -101, -73, -47, -23, 0, 20, 41, 63, 87, 113, 144, 185, 256)


def test_a_codebook_rounds_ties_to_even() -> None:
    assert codebook("ties", [0.125, 0.375, 0.625, -0.375], 2).values == (0, 2, 2, -2)
    assert codebook("whole", [3.0, -4.0]).values == (3, -4)
    assert codebook("whole", [3.0, -4.0]).lsb == 0


def test_minifloats_by_hand() -> None:
    assert FORMATS["e2m1"].reals.tolist()[:8] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert FORMATS["e1m2"].reals.tolist()[:8] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    assert FORMATS["e3m0"].reals.tolist()[:8] == [0, 0.25, 0.5, 1, 2, 4, 8, 16]
    assert minifloat(2, 1, "fn").reals.tolist()[:7] == [0, 0.5, 1, 1.5, 2, 3, 4]
    assert minifloat(2, 2, "ieee").reals.tolist()[12] == float("inf")
