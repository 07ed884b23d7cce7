"""``encode`` against ``encode_one``, the definition: every format, rounding and mode of saturation."""

import numpy as np
import pytest

from sim.formats import FORMATS, ROUNDINGS, Format, encode, encode_one
from sim.formats.families import codebook, minifloat
from tests.sim.formats.cases import assert_same_codes, hard_numbers

pytestmark = pytest.mark.filterwarnings("error")

COUNT = 2200
NAN, INFINITY = float("nan"), float("inf")

ODD_TABLES = {
    f.name: f
    for f in (
        minifloat(2, 1, "fn", "fn_of_one_mantissa_bit"),
        minifloat(3, 0, "fn", "fn_of_no_mantissa_bit"),
        minifloat(3, 0, "ieee", "infinity_without_nan"),
        codebook("no_zero", [-3.0, -1.5, 0.25, 5.0]),
        codebook("far_apart", [-(2.0**60), -1.0, 1.0, 2.0**100]),
        codebook("all_negative", [-4.0, -1.0, -2.0, -0.75]),
        codebook("doubled", [1.0, 1.0, -1.0, -1.0]),
        codebook("powers_without_zero", [1.0, 2.0, -4.0, -8.0]),
        codebook("wide", [1 / 3, -1 / 3, 2 / 3, 1.0]),
        Format("unsigned_with_nan", (0, 1, 2, 3, 4, 6, 8, None), -1, ((7, NAN),)),
        Format("unsigned_with_infinity", (0, 1, 2, None), 0, ((3, INFINITY),)),
    )
}
ALL = FORMATS | ODD_TABLES


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", ALL)
def test_twins(name: str, rounding: str, saturate: bool, rng: np.random.Generator) -> None:
    format_ = ALL[name]
    numbers = hard_numbers(format_, rng, COUNT)
    if format_.special_code(NAN) is None:
        numbers = numbers[~np.isnan(numbers)]
    draws = np.random.default_rng(5).random(numbers.shape) if rounding == "stochastic" else np.zeros(numbers.shape)
    codes = encode(format_, numbers, rounding, saturate, seed=5)
    pairs = zip(numbers.tolist(), draws.tolist(), strict=True)
    assert_same_codes(numbers, codes, [encode_one(format_, number, rounding, saturate, draw) for number, draw in pairs])


@pytest.mark.parametrize("name", ALL)
def test_a_code_survives_decoding_and_encoding(name: str) -> None:
    format_ = ALL[name]
    finite = np.flatnonzero(np.isfinite(format_.reals))
    for rounding in ROUNDINGS:
        codes = encode(format_, format_.reals[finite], rounding, saturate=False, seed=1)
        again = format_.reals[codes]
        assert np.array_equal(again, format_.reals[finite])
        assert np.array_equal(np.signbit(again), np.signbit(format_.reals[finite]))


@pytest.mark.parametrize("name", ALL)
def test_nothing_lies_nearer_than_what_is_chosen(name: str, rng: np.random.Generator) -> None:
    format_ = ALL[name]
    values = np.unique(format_.reals[np.isfinite(format_.reals)])
    numbers = rng.uniform(values[0] * 1.2, values[-1] * 1.2, 500)
    chosen = format_.reals[encode(format_, numbers)]
    nearest = values[np.abs(numbers[:, None] - values).argmin(axis=1)] if values.size < 1000 else chosen
    assert np.array_equal(np.abs(numbers - chosen), np.abs(numbers - nearest))
    shrunk = np.abs(format_.reals[encode(format_, numbers, "toward_zero")])
    if 0 in values:
        assert (shrunk <= np.abs(numbers)).all()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4), (255,), (256,), (257,), (1000,)])
def test_codes_have_the_shape_of_the_numbers(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    numbers = rng.standard_normal(shape)
    for rounding in ROUNDINGS:
        codes = encode(FORMATS["e2m1"], numbers, rounding, seed=1)
        assert codes.shape == shape
        assert codes.dtype == np.uint16


def test_the_layout_of_the_numbers_in_memory_is_of_no_matter(rng: np.random.Generator) -> None:
    numbers = rng.standard_normal((40, 30)) * 3
    expected = encode(FORMATS["e3m2"], numbers)
    assert np.array_equal(encode(FORMATS["e3m2"], numbers.T).T, expected)
    assert np.array_equal(encode(FORMATS["e3m2"], numbers[::2, ::3]), expected[::2, ::3])
    assert np.array_equal(encode(FORMATS["e3m2"], numbers.tolist()), expected)


@pytest.mark.parametrize(
    ("name", "number", "rounding", "expected"),
    [
        ("bipolar1", 0.5, "toward_zero", 1.0),
        ("bipolar1", -0.5, "toward_zero", -1.0),
        ("bipolar1", 0.0, "nearest_even", 1.0),
        ("bipolar2", 2.5, "toward_zero", 1.0),
        ("pot4", 3.0, "nearest_even", 4.0),
        ("pot4", -0.5, "nearest_even", -0.0),
        ("far_apart", 2.0**99, "nearest_even", 1.0),  # the middle is 2**99 + 1/2
        ("far_apart", np.nextafter(2.0**99, np.inf), "nearest_even", 2.0**100),
        ("int4", -7.5, "nearest_even", -8.0),
        ("uint2", -0.3, "nearest_even", 0.0),
        ("nf4", 0.5, "toward_zero", 0.44070982933044434),
        ("e2m1", -0.25, "nearest_even", -0.0),
        ("e2m1", -0.3, "toward_zero", -0.0),
    ],
)
def test_by_hand(name: str, number: float, rounding: str, expected: float) -> None:
    format_ = ALL[name]
    for code in (encode_one(format_, number, rounding), int(encode(format_, number, rounding))):
        assert str(format_.reals[code]) == str(np.float64(expected))
