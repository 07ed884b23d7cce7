"""The judge is judged by numpy's IEEE arithmetic, by ml_dtypes and by hand calculations."""

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from sim import reference

WITNESSES = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "ocp_e4m3": ml_dtypes.float8_e4m3fn,
    "ocp_e5m2": ml_dtypes.float8_e5m2,
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e8m0": ml_dtypes.float8_e8m0fnu,
}
CODE_BITS = {"fp16": 16, "bf16": 16, "e2m1": 4, "e2m3": 6, "e3m2": 6}


@pytest.mark.parametrize("name", WITNESSES)
def test_every_code_of_a_float(name: str) -> None:
    bits = CODE_BITS.get(name, 8)
    codes = np.arange(1 << bits, dtype=np.uint16 if bits == 16 else np.uint8)
    with np.errstate(invalid="ignore"):  # bf16 has signalling NaNs
        numbers = codes.view(WITNESSES[name]).astype(np.float64)
    for code, number in zip(codes.tolist(), numbers.tolist(), strict=True):
        judged = reference.number(name, code)
        assert judged == Fraction(number) if np.isfinite(number) else judged is None


@pytest.mark.parametrize(
    ("name", "code", "parts"),
    [
        ("uint8", 255, (255, 0)),
        ("int4", 0b1000, (-8, 0)),
        ("int16", 0xFFFF, (-1, 0)),
        ("bipolar1", 0, (-1, 0)),
        ("bipolar3", 0b101, (4 - 2 + 1, 0)),
        ("e4m3", 0b0_0000_001, (1, -9)),  # a subnormal has the exponent of the least normal
        ("e4m3", 0b0_0001_000, (8, -9)),
        ("e4m3", 0b1_1111_111, (-15, 5)),  # no code is reserved: -15/8 * 2**8
        ("e1m2", 0b1_1_11, (-7, -1)),
        ("e3m0", 0b0_111, (1, 4)),
        ("pot4", 0b0_101, (1, 4)),
        ("pot4", 0b1_001, (-1, 0)),
        ("apot5", 0b0_01_01, (48, -5)),  # 2**0 + 2**-1
        ("apot5", 0b1_11_00, (-2, -5)),  # field 3 counts 2**-4
        ("apot5", 0b0_00_11, (1, -5)),
        ("log4", 0b0_010, (362, -8)),  # sqrt(2) * 256 = 362.04
        ("log4", 0b1_011, (-512, -8)),
    ],
)
def test_codes_by_hand(name: str, code: int, parts: tuple[int, int]) -> None:
    assert reference.parts(name, code) == parts


def test_a_codebook_by_hand() -> None:
    assert reference.codebook_parts([-1.0, 0.626], 1, 3) == (5, -3)
    assert reference.codebook_parts([-1.0, 0.625], 0, 3) == (-8, -3)


@pytest.mark.parametrize("name", ["nf4", "float", "int", "e4m", "x4"])
def test_names_that_the_judge_cannot_read(name: str) -> None:
    with pytest.raises(ValueError, match=f"not {name}$"):
        reference.parts(name, 0)


def test_every_finite_half_precision_number() -> None:
    for bits in range(1 << 16):
        if (bits >> 10) & 31 != 31:
            assert float(reference.fp16_value(bits)) == float(np.uint16(bits).view(np.float16))


@pytest.mark.parametrize(("value", "bits"), [(reference.fp16_value, 0x7C00), (reference.bfloat16_value, 0x7F80)])
def test_infinity_is_refused(value: Any, bits: int) -> None:
    with pytest.raises(ValueError, match=f"{bits:#06x}"):
        value(bits)


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


@pytest.mark.parametrize(
    ("number", "name", "rounded"),
    [
        (Fraction(65519), "fp16", 65504),
        (Fraction(65520), "fp16", float("inf")),
        (Fraction(-65520), "fp16", float("-inf")),
        (Fraction(1, 2**25), "fp16", 0),
        (Fraction(3, 2**25), "fp16", Fraction(1, 2**23)),
        (Fraction(1, 2**149), "fp32", Fraction(1, 2**149)),
        (Fraction(1, 2**150), "fp32", 0),
        (Fraction(257), "bf16", 256),
        (Fraction(259), "bf16", 260),
        (2 ** Fraction(128) - 2 ** Fraction(119), "bf16", float("inf")),
    ],
)
def test_rounding_to_floats_by_hand(number: Fraction, name: str, rounded: Fraction | float) -> None:
    assert reference.round_to_float(number, name) == rounded


@pytest.mark.parametrize(("number", "integer"), [("1/2", 0), ("3/2", 2), ("5/2", 2), ("-1/2", 0), ("-3/2", -2), ("7/5", 1)])
def test_nearest_integers_by_hand(number: str, integer: int) -> None:
    assert reference.nearest_even(Fraction(number)) == integer


def test_rounding_against_numpy(rng: np.random.Generator) -> None:
    """float64 to float32 and float16 in numpy is IEEE's nearest even."""
    numbers = rng.normal(size=2000) * 2.0 ** rng.integers(-40, 60, size=2000)
    for number in numbers:
        assert float(reference.round_to_fp32(Fraction(number))) == float(np.float32(number))
    with np.errstate(over="ignore"):
        for number in numbers * 2.0 ** rng.integers(-60, 60, size=2000):
            assert float(reference.round_to_float(Fraction(number), "fp32")) == float(np.float32(number))
            assert float(reference.round_to_float(Fraction(number), "fp16")) == float(np.float16(number))


@pytest.mark.parametrize(
    ("accumulator", "terms", "total"),
    [
        ("exact", [(3, -2), (5, 0)], Fraction(23, 4)),
        ("wrap4", [(7, 0), (1, 0)], -8),
        ("wrap4", [(7, 0), (7, 0), (7, 0)], 5),
        ("saturate4", [(7, 0), (7, 0), (-1, 0)], 6),
        ("saturate4", [(-8, 0), (-8, 0), (1, 0)], -7),
        ("fp16", [(2047, 5), (1, 4), (-2047, 5)], float("inf")),
        ("aligned1", [(-5, 0), (3, 2)], 6),
    ],
)
def test_chains_by_hand(accumulator: str, terms: list[tuple[int, int]], total: Fraction | float) -> None:
    assert reference.chain(accumulator, terms, -2 if accumulator == "exact" else 0) == total


def test_an_accumulator_that_the_judge_does_not_know() -> None:
    with pytest.raises(ValueError, match="not kulisch$"):
        reference.chain("kulisch", [], 0)


def test_an_output_by_hand() -> None:
    """Two groups of two: 0.5*((1*3 + 2*5) - 4*(1+2)) + 2*((3*1 + -4*7) - 1*(3-4)) = 0.5*1 + 2*(-24); times 0.25."""
    half, two, quarter = (int(np.float16(x).view(np.uint16)) for x in (0.5, 2, 0.25))
    y = reference.output([1, 2, 3, -4], quarter, [3, 5, 1, 7], [half, two], [4, 1], 2)
    assert y == Fraction(-95, 8)
