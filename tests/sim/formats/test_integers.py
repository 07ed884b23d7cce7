"""Integer formats: plain binary and two's complement, saturated at both ends."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS, Format, encode

INTEGERS = [name for name in FORMATS if name.startswith(("int", "uint"))]


@pytest.mark.parametrize("name", INTEGERS)
def test_every_code_is_plain_binary_or_twos_complement(name: str) -> None:
    format_ = FORMATS[name]
    codes = np.arange(len(format_.values), dtype=np.uint16)
    shift = 16 - format_.bits
    expected = (codes << shift).view(np.int16) >> shift if name.startswith("int") else codes
    assert format_.is_integer
    assert f"{'int' if format_.signed else 'uint'}{format_.bits}" == name
    assert np.array_equal(format_.decode(codes), expected)
    assert np.array_equal(format_.encode_integers(format_.decode(codes)), codes)


def test_integers_beyond_the_range_saturate() -> None:
    assert FORMATS["int8"].encode_integers([-129, -128, 127, 128, 10**6]).tolist() == [0x80, 0x80, 0x7F, 0x7F, 0x7F]
    assert FORMATS["uint4"].encode_integers([-1, 0, 15, 16]).tolist() == [0, 0, 15, 15]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64, np.float32])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_any_type(name: str, dtype: type, rng: np.random.Generator) -> None:
    """Ends of the type among them, beyond what the format or int64 holds; encoding them as reals is the same."""
    format_ = FORMATS[name]
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else np.iinfo(np.int32)
    ends = np.array([limits.min, limits.max, 0, 1], dtype=dtype)
    numbers = np.concatenate([ends, rng.integers(0, min(limits.max, 2**17), 500).astype(dtype)])
    clipped = [min(max(int(number), format_.smallest), format_.largest) for number in numbers]
    expected = [number % 2**format_.bits for number in clipped]
    assert format_.encode_integers(numbers).tolist() == expected
    assert encode(format_, numbers).tolist() == expected


def test_a_format_that_is_no_integer_encodes_no_integers() -> None:
    powers = Format("power", (1, 2, 4, 8))
    assert not powers.is_integer
    with pytest.raises(InputError, match=r"not by power$"):
        powers.encode_integers([1])


@pytest.mark.parametrize(
    "table", [Format("half", (0, 1), -1), Format("order", (1, 0)), Format("sign", (0, 0), 0, ((1, -0.0),))]
)
def test_what_is_no_integer_format(table: Format) -> None:
    assert not table.is_integer
