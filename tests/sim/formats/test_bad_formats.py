"""What is no format, and what a format has no code for: one sentence that ends with the value."""

from collections.abc import Callable

import pytest

from sim.errors import InputError
from sim.formats import FORMATS, Format, encode, encode_one
from sim.formats.families import (
    bipolar,
    codebook,
    exponent_only,
    logarithmic,
    minifloat,
    power_of_two,
    signed,
    two_powers,
    unsigned,
)

NAN, INFINITY = float("nan"), float("inf")

FIELDS: list[tuple[Callable[[], Format], str]] = [
    (lambda: unsigned(0), "between 1 and 16, not 0"),
    (lambda: unsigned(17), "between 1 and 16, not 17"),
    (lambda: signed(1), "between 2 and 16, not 1"),
    (lambda: signed(17), "between 2 and 16, not 17"),
    (lambda: bipolar(0), "between 1 and 8, not 0"),
    (lambda: bipolar(9), "between 1 and 8, not 9"),
    (lambda: minifloat(0, 3), "exponent bits is between 1 and 8, not 0"),
    (lambda: minifloat(9, 3), "exponent bits is between 1 and 8, not 9"),
    (lambda: minifloat(4, -1), "mantissa bits is between 0 and 10, not -1"),
    (lambda: minifloat(4, 11), "mantissa bits is between 0 and 10, not 11"),
    (lambda: minifloat(8, 10), "or 65536 codes, not 524288"),
    (lambda: minifloat(4, 3, "ocp"), "unknown special codes of a minifloat 'ocp'; known are none, fn, ieee"),  # type: ignore[arg-type]
    (lambda: exponent_only(1), "between 2 and 8, not 1"),
    (lambda: exponent_only(9), "between 2 and 8, not 9"),
    (lambda: power_of_two(1), "between 2 and 6, not 1"),
    (lambda: power_of_two(7), "between 2 and 6, not 7"),
    (lambda: two_powers(4), "is 3, 5 or 7, not 4"),
    (lambda: two_powers(9), "is 3, 5 or 7, not 9"),
    (lambda: logarithmic("log", 1, 2.0, 8), "between 2 and 8, not 1"),
    (lambda: logarithmic("log", 9, 2.0, 8), "between 2 and 8, not 9"),
    (lambda: logarithmic("log", 4, 2.0, -1), "binary places is between 0 and 53, not -1"),
    (lambda: logarithmic("log", 4, 1.0, 8), "a finite number above 1, not 1.0"),
    (lambda: logarithmic("log", 4, 0.5, 8), "a finite number above 1, not 0.5"),
    (lambda: logarithmic("log", 4, INFINITY, 8), "a finite number above 1, not inf"),
    (lambda: logarithmic("log", 4, NAN, 8), "a finite number above 1, not nan"),
    (lambda: logarithmic("log", 4, 1.001, 8), "only with more binary places, not with 8"),
    (lambda: logarithmic("log", 8, 1e300, 8), r"below 2\*\*1000, not \d+ bits from 2\*\*-8"),
    (lambda: codebook("book", [0.0, NAN]), "numbers of a codebook are finite, not nan"),
    (lambda: codebook("book", [0.0, -INFINITY]), "numbers of a codebook are finite, not -inf"),
    (lambda: codebook("book", []), "or 65536 codes, not 0"),
    (lambda: codebook("book", [1.0, 2.0, 3.0]), "or 65536 codes, not 3"),
    (lambda: codebook("book", [5e-324, 1.0]), r"below 2\*\*1000, not 1075 bits from 2\*\*-1074"),
    (lambda: codebook("book", [0.0, 1e308]), r"below 2\*\*1000, not 1024 bits from 2\*\*0"),
]


@pytest.mark.parametrize(("make", "message"), FIELDS, ids=[message for _, message in FIELDS])
def test_impossible_fields(make: Callable[[], Format], message: str) -> None:
    with pytest.raises(InputError, match=f"{message}$"):
        make()


@pytest.mark.parametrize(
    ("values", "lsb", "special", "message"),
    [
        ((0, 1, 2), 0, (), "not 3"),
        ((0,), 0, (), "not 1"),
        ((), 0, (), "not 0"),
        ((0,) * 2**17, 0, (), "not 131072"),
        ((0, None), 0, (), r"each code without a value, not \[1\]"),
        ((0, 1), 0, ((1, NAN),), r"each code without a value, not \[1\]"),
        ((0, None), 0, ((1, NAN), (2, INFINITY)), r"each code without a value, not \[2\]"),
        ((None, None), 0, ((0, NAN), (1, NAN)), r"needs a code that is a number, not \(None, None\)"),
        ((0, None), 0, ((1, 1.5),), "or -0.0 for a value 0, not 1.5"),
        ((0, 1), 0, ((1, -0.0),), "or -0.0 for a value 0, not -0.0"),
        ((0, 0), 0, ((1, 0.0),), "or -0.0 for a value 0, not 0.0"),
        ((0, 0), 0, ((2, -0.0),), "or -0.0 for a value 0, not -0.0"),
        ((0, 0), 0, ((-1, -0.0),), "or -0.0 for a value 0, not -0.0"),
        ((0, None), 0, ((1, NAN), (1, INFINITY)), r"names a special code once, not \[1, 1\]"),
        ((0, 2**53 + 1), 0, (), "at most 53 significant bits, not 54"),
        ((0, 1), -1001, (), r"not 1 bits from 2\*\*-1001"),
        ((0, 1), 1000, (), r"not 1 bits from 2\*\*1000"),
    ],
)
def test_impossible_tables(
    values: tuple[int | None, ...], lsb: int, special: tuple[tuple[int, float], ...], message: str
) -> None:
    with pytest.raises(InputError, match=rf"format bad .*{message}$"):
        Format("bad", values, lsb, special)


@pytest.mark.parametrize("values", [(-(2**53), 2**53), (0, (2**53 - 1) << 900), (1, 2**999)])
def test_tables_at_the_limits(values: tuple[int, int]) -> None:
    assert Format("wide", values).reals.tolist() == [float(value) for value in values]


@pytest.mark.parametrize("number", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("name", ["int8", "uint3", "bipolar2", "e2m1", "e4m3", "pot4", "apot5", "log4", "nf4"])
def test_nan_and_infinity_where_the_format_has_neither(name: str, saturate: bool, number: float) -> None:
    message = rf"^format {name} has finite numbers only, not {number}$"
    with pytest.raises(InputError, match=message):
        encode_one(FORMATS[name], number, saturate=saturate)
    with pytest.raises(InputError, match=message):
        encode(FORMATS[name], [1.0, number], saturate=saturate)


def test_nan_where_the_format_has_only_infinity() -> None:
    with pytest.raises(InputError, match="not nan$"):
        encode(minifloat(3, 0, "ieee"), [NAN])


def test_unknown_rounding() -> None:
    message = "^unknown rounding 'up'; known are nearest_even, toward_zero, stochastic$"
    with pytest.raises(InputError, match=message):
        encode(FORMATS["e2m1"], [1.0], "up")
    with pytest.raises(InputError, match=message):
        encode_one(FORMATS["e2m1"], 1.0, "up")
