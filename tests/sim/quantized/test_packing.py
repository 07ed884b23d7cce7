"""Packed codes, by hand and against Python's own integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.quantized import pack_codes, packing, unpack_codes


def test_by_hand() -> None:
    assert pack_codes(np.uint8([1, 2, 3]), 4).tolist() == [0x21, 0x03]
    assert pack_codes(np.uint8([[0b101], [0b110], [0b011]]), 3).tolist() == [0b11_110_101, 0b0]
    assert pack_codes(np.uint8([1, 0, 0, 0, 0, 0, 0, 0, 1]), 1).tolist() == [1, 1]
    assert pack_codes(np.uint16([0x1234, 0xFFFE]), 16).tolist() == [0x34, 0x12, 0xFE, 0xFF]
    assert pack_codes(np.uint8([]), 5).tolist() == []


@given(bits=st.integers(1, 16), data=st.data())
def test_a_stream_is_one_long_integer(bits: int, data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=50))
    array = np.array(codes, dtype=np.uint8 if bits <= 8 else np.uint16)
    packed = pack_codes(array, bits)
    whole = sum(code << (index * bits) for index, code in enumerate(codes))
    assert packed.tobytes() == whole.to_bytes(-(-len(codes) * bits // 8), "little")
    unpacked = unpack_codes(packed, bits, len(codes))
    assert unpacked.dtype == array.dtype
    assert unpacked.tolist() == codes


@pytest.mark.parametrize("bits", range(1, 17))
def test_blocks_join(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    codes = rng.integers(0, 1 << bits, 1001).astype(np.uint8 if bits <= 8 else np.uint16)
    whole = pack_codes(codes, bits)
    monkeypatch.setattr(packing, "BLOCK", 16)
    assert np.array_equal(pack_codes(codes, bits), whole)
    assert np.array_equal(unpack_codes(whole, bits, 1001), codes)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="codes of 4 bits are at most 15, not 16$"):
        pack_codes(np.uint8([16]), 4)
    with pytest.raises(InputError, match="3 codes of 4 bits take 2 bytes, not 3$"):
        unpack_codes(np.uint8([0, 0, 0]), 4, 3)
    with pytest.raises(InputError, match="the last 4 bits of packed codes are 0, not 0x8$"):
        unpack_codes(np.uint8([0, 0x80]), 4, 3)
    for bits in (0, 17):
        with pytest.raises(InputError, match=f"1 to 16 bits, not {bits}$"):
            pack_codes(np.uint8([0]), bits)
        with pytest.raises(InputError, match=f"1 to 16 bits, not {bits}$"):
            unpack_codes(np.uint8([0]), bits, 1)
