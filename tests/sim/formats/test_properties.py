"""Widths, ends and other properties derived from a table, against hand calculations and the OCP specifications."""

import math
import pickle

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS, Format, signed_bits
from sim.formats.families import exponent_only, minifloat, signed, unsigned
from sim.formats.format import significand_bits


@pytest.mark.parametrize(
    ("name", "largest", "lsb", "emax"),
    [
        ("e2m1", 6.0, -1, 2),
        ("e2m3", 7.5, -3, 2),
        ("e3m2", 28.0, -4, 4),
        ("ocp_e4m3", 448.0, -9, 8),
        ("ocp_e5m2", 57344.0, -16, 15),
        ("e8m0", 2.0**127, -127, 127),
        ("fp16", 65504.0, -24, 15),
        ("bf16", (2 - 2.0**-7) * 2.0**127, -133, 127),
        ("e4m3", 480.0, -9, 8),
        ("e5m2", 114688.0, -16, 16),
        ("e1m2", 3.5, -1, 1),
        ("int8", 127.0, 0, 6),
        ("uint8", 255.0, 0, 7),
        ("pot4", 64.0, 0, 6),
        ("apot5", 1.5, -5, 0),
        ("nf4", 1.0, -27, 0),
    ],
)
def test_largest_lsb_and_emax(name: str, largest: float, lsb: int, emax: int) -> None:
    """OCP 8-bit floating point 1.0, OCP MX 1.0, IEEE 754-2019 table 3.5; all finite: ``(2 - 2**-m) * 2**(2**(e-1))``."""
    format_ = FORMATS[name]
    assert math.ldexp(format_.largest, format_.lsb) == largest
    assert (format_.lsb, format_.emax) == (lsb, emax)
    assert format_.reals[np.isfinite(format_.reals)].max() == largest


@pytest.mark.parametrize(
    ("name", "fixed", "significand"),
    [
        ("e2m1", 5, 2),  # 12 * 2**-1 and a sign
        ("e2m3", 7, 4),  # 60 * 2**-3
        ("e3m2", 10, 3),  # 448 * 2**-4
        ("e4m3", 19, 4),  # 15 * 2**14 * 2**-9
        ("ocp_e4m3", 19, 4),  # 14 * 2**14
        ("ocp_e5m2", 33, 3),  # 7 * 2**29
        ("e5m2", 34, 3),  # 7 * 2**30
        ("e8m0", 256, 1),  # 2**254
        ("fp16", 41, 11),  # 2047 * 2**29
        ("bf16", 262, 8),  # 255 * 2**253
        ("int4", 4, 3),
        ("uint4", 5, 4),
        ("int2", 2, 1),
        ("uint1", 2, 1),
        ("bipolar3", 4, 3),
        ("pot4", 8, 1),
        ("apot5", 7, 6),  # 33 * 2**-5 the widest, 48 * 2**-5 the largest
        ("log3", 11, 8),  # 362 = 2 * 181, 512
        ("nf4_8", 10, 8),  # 256 is 2**8, 185 has eight bits
    ],
)
def test_widths(name: str, fixed: int, significand: int) -> None:
    assert FORMATS[name].fixed_bits == fixed
    assert FORMATS[name].significand_bits == significand


@pytest.mark.parametrize("name", FORMATS)
def test_properties_follow_from_the_reals(name: str) -> None:
    format_ = FORMATS[name]
    reals = format_.reals[np.isfinite(format_.reals)]
    assert math.ldexp(format_.smallest, format_.lsb) == reals.min()
    assert math.ldexp(format_.magnitude, format_.lsb) == np.abs(reals).max()
    assert format_.signed == bool((reals < 0).any())
    assert format_.emax == math.floor(math.log2(reals.max()))
    assert 2**format_.bits == len(format_.values) == len(format_.reals)
    assert format_.has_special == bool(np.isnan(format_.reals).any() or np.isinf(format_.reals).any())
    assert format_.is_integer == name.startswith(("int", "uint"))


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].fixed_bits <= 64])
def test_decoded_integers_times_the_unit_are_the_reals(name: str) -> None:
    format_ = FORMATS[name]
    codes = np.arange(2**format_.bits).reshape(2, -1)
    integers = format_.decode(codes)
    finite = np.isfinite(format_.to_real(codes))
    assert integers.dtype == (np.int32 if format_.fixed_bits <= 32 else np.int64)
    assert np.array_equal((integers * 2.0**format_.lsb)[finite], format_.to_real(codes)[finite])
    assert not integers[~finite].any()


@pytest.mark.parametrize(("name", "bits"), [("e8m0", 256), ("bf16", 262)])
def test_integers_of_more_than_64_bits_are_not_decoded(name: str, bits: int) -> None:
    with pytest.raises(InputError, match=rf"at most 64 bits, not the {bits} of {name}$"):
        FORMATS[name].decode(np.array([1]))


def test_equal_formats_have_equal_tables_and_names() -> None:
    for made, name in ((minifloat(4, 3), "e4m3"), (signed(8), "int8"), (unsigned(16), "uint16"), (exponent_only(), "e8m0")):
        assert made == FORMATS[name]
        assert made is not FORMATS[name]
        assert hash(made) == hash(FORMATS[name])
    assert minifloat(4, 3, "fn") != minifloat(4, 3)
    assert minifloat(4, 3, name="other") != minifloat(4, 3)
    assert Format("f", (0, 1), 0) != Format("f", (0, 1), 1)
    assert Format("f", (0, 1)) != Format("f", (1, 0))
    assert Format("f", (0, 0), 0, ((1, -0.0),)) != Format("f", (0, 0))
    assert FORMATS["int8"] != "int8"
    assert len({*FORMATS.values(), minifloat(4, 3)}) == len(FORMATS)


@pytest.mark.parametrize("name", ["e2m1", "ocp_e5m2", "nf4", "bf16"])
def test_a_format_is_pickled_without_what_it_has_derived(name: str) -> None:
    assert FORMATS[name].reals is not None
    again = pickle.loads(pickle.dumps(FORMATS[name]))
    assert again == FORMATS[name]
    assert "reals" not in vars(again)
    assert np.array_equal(again.reals, FORMATS[name].reals, equal_nan=True)


def test_special_codes_by_hand() -> None:
    codes = {"ocp_e4m3": (0x7F, None, None, 0x80), "ocp_e5m2": (0x7E, 0x7C, 0xFC, 0x80), "e8m0": (0xFF, None, None, None)}
    for name, expected in codes.items():
        assert tuple(FORMATS[name].special_code(number) for number in (math.nan, math.inf, -math.inf, -0.0)) == expected
        assert FORMATS[name].special_code(0.0) is FORMATS[name].special_code(1.0) is None


def test_the_reals_are_not_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        FORMATS["e2m1"].reals[0] = 1.0


@pytest.mark.parametrize(("integer", "bits"), [(0, 0), (1, 1), (-1, 1), (6, 2), (-7, 3), (2**40, 1), (2**40 + 1, 41)])
def test_significand_bits(integer: int, bits: int) -> None:
    assert significand_bits(integer) == bits


@pytest.mark.parametrize(
    ("smallest", "largest", "bits"),
    [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-128, 127, 8), (-129, 0, 9), (0, 128, 9), (-1920, 1905, 12), (-122880, 121920, 18)],
)
def test_signed_bits(smallest: int, largest: int, bits: int) -> None:
    assert signed_bits(smallest, largest) == bits
