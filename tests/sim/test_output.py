"""Results in every output format against the judge: ordinary ones, ties, ends, infinities, and NaN."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from sim import reference
from sim.errors import InputError
from sim.formats import FORMATS
from sim.output import output_format, requantize

INFINITIES = np.array([np.inf, -np.inf], dtype=np.float32)


def results(rng: np.random.Generator, exponents: tuple[int, int]) -> NDArray[np.float32]:
    """fp32 numbers of many magnitudes, small integers and halves, zeros, subnormals and the largest."""
    significands = rng.integers(-(1 << 24) + 1, 1 << 24, 1500).astype(np.float64)
    random = np.ldexp(significands, rng.integers(*exponents, 1500) - 23)
    halves = np.arange(-300, 300) / 2
    tiny, largest = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
    numbers = np.r_[random, halves, 0.0, -0.0, tiny, -tiny, largest, -largest]
    with np.errstate(over="ignore"):
        rounded = numbers.astype(np.float32)
    return rounded[np.isfinite(rounded)]


def test_fp16(rng: np.random.Generator) -> None:
    """All midpoints between fp16 numbers and their fp32 neighbours as well."""
    finite = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = ((finite[1:].astype(np.float64) + finite[:-1]) / 2).astype(np.float32)[rng.integers(0, 0x7BFF, 2000)]
    ends = np.array([65519.996, 65520.0, 65504.0, 1e30], dtype=np.float32)
    near = np.concatenate([ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(1e9)), ends])
    y = np.concatenate([near, -near, results(rng, (-30, 20))])
    converted = output_format("fp16").convert(y)
    assert converted.dtype == np.float16
    for number, half in zip(y.tolist(), converted.tolist(), strict=True):
        assert reference.to_fp16(number) == half
    assert np.array_equal(output_format("fp16").convert(INFINITIES), INFINITIES)
    assert np.isnan(output_format("fp16").convert(np.array([np.nan], dtype=np.float32))).all()


def test_fp32_is_the_result(rng: np.random.Generator) -> None:
    y = results(rng, (-30, 30))
    assert output_format("fp32").convert(y) is y


@pytest.mark.parametrize(("bits", "fraction"), [(2, 0), (8, 0), (8, 1), (16, 8), (16, 15), (24, 0), (32, 16), (32, 32)])
def test_fixed_point(rng: np.random.Generator, bits: int, fraction: int) -> None:
    y = np.concatenate([results(rng, (-fraction - 4, bits - fraction + 2)), INFINITIES])
    ties = np.ldexp(np.arange(-500, 500) + 0.5, -fraction).astype(np.float32)
    edges = np.ldexp(np.array([-1.0, 1.0]) * (2.0 ** (bits - 1) - 0.5), -fraction).astype(np.float32)
    numbers = np.concatenate([y, ties, edges])
    converted = output_format(f"fixed{bits}.{fraction}").convert(numbers)
    for number, integer in zip(numbers.tolist(), converted.tolist(), strict=True):
        assert reference.fixed_point(number, bits, fraction) == integer


@pytest.mark.parametrize(
    ("y", "expected"), [(0.5, 0), (1.5, 2), (-0.5, 0), (-1.5, -2), (126.5, 126), (127.5, 127), (-128.5, -128), (1e9, 127)]
)
def test_fixed_point_by_hand(y: float, expected: int) -> None:
    assert output_format("fixed8.0").convert(np.array([y], dtype=np.float32)).tolist() == [expected]


REQUANTIZED = ["int4", "int8", "uint4", "e2m1", "e3m2", "ocp_e4m3", "ocp_e5m2"]
SCALES = [1.0, 3.0, 0.1, 2.0**-24]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", REQUANTIZED)
def test_requantized(rng: np.random.Generator, name: str, scale: float) -> None:
    """Multiples of half a step times the scale: exact ties where the scale is a power of two, near ones elsewhere."""
    fp16 = np.float16(scale)
    format_ = FORMATS[name]
    points = np.unique(format_.reals[np.isfinite(format_.reals)])
    every = np.concatenate([(points[1:] + points[:-1]) / 2, points * 1.5])
    ties = rng.choice(every, 100) * float(fp16)
    with np.errstate(over="ignore"):
        others = results(rng, (-6, 8))[::20] * np.float32(fp16)
    numbers = np.concatenate([ties.astype(np.float32), others, INFINITIES])
    near = np.concatenate([numbers, np.nextafter(numbers, np.float32(0))])
    codes = requantize(near, format_, fp16)
    table = reference.numbers(name, format_.bits)
    for number, code in zip(near.tolist(), codes.tolist(), strict=True):
        assert reference.requantize(number, Fraction(float(fp16)), table) == code, number


def test_requantized_to_16_bits_by_hand() -> None:
    y = np.array([32766.5, 32767.5, 40000, -32768.5, -np.inf, 1e-30], dtype=np.float32)
    assert requantize(y, FORMATS["int16"], 1.0).astype(np.int16).tolist() == [32766, 32767, 32767, -32768, -32768, 0]


def test_one_scale_a_row() -> None:
    y = np.array([[6.0, 2.0], [6.0, 2.0]], dtype=np.float32)
    assert requantize(y, FORMATS["int8"], np.array([[1.0], [4.0]], dtype=np.float16)).tolist() == [[6, 2], [2, 0]]


def test_the_quotient_is_not_a_product_with_a_rounded_reciprocal() -> None:
    """5/10 is a tie and becomes 0; in fp16 and in fp32 a tenth is more than 1/10, and 5 of it would become 1."""
    assert requantize(np.array([5.0], dtype=np.float32), FORMATS["int8"], 10.0).tolist() == [0]


def test_nan_has_no_integer() -> None:
    y = np.array([1.0, np.nan], dtype=np.float32)
    for refuse in (output_format("fixed8.0").convert, lambda y: requantize(y, FORMATS["ocp_e4m3"], 1.0)):
        with pytest.raises(InputError, match="not nan$"):
            refuse(y)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_scales_are_positive_numbers(scale: float) -> None:
    with pytest.raises(InputError, match=f"not {scale}$"):
        requantize(np.ones(3, dtype=np.float32), FORMATS["int8"], scale)


@pytest.mark.parametrize(
    "text", ["", "fp64", "fixed", "fixed8", "fixed1.0", "fixed33.0", "fixed8.33", "fixed 8.0", "fixed8.-1"]
)
def test_unknown_output_formats(text: str) -> None:
    with pytest.raises(InputError) as caught:
        output_format(text)
    assert str(caught.value).endswith(f"not {text!r}")


def test_widths() -> None:
    assert [output_format(text).bits for text in ("fp32", "fp16", "fixed12.4")] == [32, 16, 12]
