"""Integer formats against numpy's own integer types and hand calculations."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS, Format, signed_bits


@pytest.mark.parametrize("name", FORMATS)
def test_every_code_is_plain_binary_or_twos_complement(name: str) -> None:
    number_format = FORMATS[name]
    codes = np.arange(len(number_format.values), dtype=np.uint16)
    shift = 16 - number_format.bits
    expected = (codes << shift).view(np.int16) >> shift if name.startswith("int") else codes
    assert number_format.is_integer
    assert f"{'int' if number_format.signed else 'uint'}{number_format.bits}" == name
    assert np.array_equal(number_format.decode(codes), expected)
    assert np.array_equal(number_format.encode_integers(number_format.decode(codes)), codes)


def test_integers_beyond_the_range_saturate() -> None:
    assert FORMATS["int8"].encode_integers([-129, -128, 127, 128, 10**6]).tolist() == [0x80, 0x80, 0x7F, 0x7F, 0x7F]
    assert FORMATS["uint4"].encode_integers([-1, 0, 15, 16]).tolist() == [0, 0, 15, 15]


@pytest.mark.parametrize(
    ("smallest", "largest", "bits"),
    [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-128, 127, 8), (-129, 0, 9), (0, 128, 9), (-1920, 1905, 12), (-122880, 121920, 18)],
)
def test_signed_bits(smallest: int, largest: int, bits: int) -> None:
    assert signed_bits(smallest, largest) == bits


def test_a_format_with_three_codes_is_refused() -> None:
    with pytest.raises(InputError, match="not 3$"):
        Format("odd", (0, 1, 2))


def test_a_format_that_is_no_integer_encodes_no_integers() -> None:
    powers = Format("power", (1, 2, 4, 8))
    assert not powers.is_integer
    with pytest.raises(InputError, match="power"):
        powers.encode_integers([1])
