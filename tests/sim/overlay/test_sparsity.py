"""Sparse weights there and back, and their bytes by hand."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.overlay.dequantizer import EXPANDED, NF4_INT8
from sim.overlay.engine import DENSITIES
from sim.overlay.sparsity import SparseCodes, sparse, unpack

TAKEN = [format_ for format_ in EXPANDED.values() if 0 in format_.values]


def random_weights(rng: np.random.Generator, format_: object, k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes, and a mask whose columns keep at most a random N of each block, some of them fewer."""
    most = np.kron(rng.choice(DENSITIES, (k // 16, n // 16)), np.ones((16, 16), int))
    rank = rng.random((k // 16, 16, n)).argsort(axis=1).argsort(axis=1).reshape(k, n)
    return rng.integers(len(format_.values), size=(k, n)), rank < most - rng.integers(0, 2, (k, n)) * (most > 2)


@pytest.mark.parametrize("format_", TAKEN, ids=lambda f: f.name)
def test_there_and_back(format_: object, rng: np.random.Generator) -> None:
    codes, mask = random_weights(rng, format_, 96, 64)
    made = sparse(codes, mask, format_)
    assert made.shape == (96, 64)
    assert (made.dense() == np.where(mask, codes, format_.values.index(0))).all()
    packed = made.pack()
    assert packed.dtype == np.uint8 and (made.bits + 7) // 8 == packed.size
    again = unpack(packed, format_, 96, 64)
    for name in ("densities", "codes", "indices"):
        assert (getattr(made, name) == getattr(again, name)).all()


def test_each_block_by_the_least_n(rng: np.random.Generator) -> None:
    codes, mask = random_weights(rng, FORMATS["int4"], 160, 80)
    made = sparse(codes, mask, FORMATS["int4"])
    for i in range(10):
        for j in range(5):
            most = mask[16 * i : 16 * i + 16, 16 * j : 16 * j + 16].sum(axis=0).max()
            assert made.densities[i, j] == min(n for n in DENSITIES if n >= most)


def test_bytes_by_hand() -> None:
    """Two blocks along k, 2:16 and empty: 3 bits 1 and 3 bits 0, then 16 times code 5 at 3 and code 9 at 14."""
    codes = np.zeros((32, 16), int)
    codes[3], codes[14] = 5, 9
    made = sparse(codes, codes > 0, FORMATS["int4"])
    assert made.densities.tolist() == [[2], [0]]
    assert made.pack().tolist() == [0b000_001, *[0x35, 0xE9] * 16]
    assert made.bits == 6 + 32 * 4 + 32 * 4
    assert made.density == 2 / 32


def test_storage_by_hand() -> None:
    """A dense block needs no indices: 256 codes of 3 bits; 8:16 has 128 codes of 3 and 4 bits; and 3 bits for each N."""
    everything = np.ones((16, 16), bool)
    half = np.arange(16)[:, None] % 2 == everything
    made = sparse(np.ones((16, 48), int), np.concatenate([everything, half, ~everything], axis=1), FORMATS["int3"])
    assert made.densities.tolist() == [[16, 8, 0]]
    assert made.bits == 256 * 3 + 128 * 7 + 3 * 3


def test_columns_with_fewer_are_filled_up() -> None:
    codes = np.zeros((16, 16), int)
    codes[9, 0] = 7
    made = sparse(codes, codes > 0, NF4_INT8)
    assert made.indices[:2].tolist() == [0, 9]
    assert made.codes[:2].tolist() == [NF4_INT8.values.index(0), 7]


def test_tiles(rng: np.random.Generator) -> None:
    codes, mask = random_weights(rng, FORMATS["int4"], 96, 64)
    made = sparse(codes, mask, FORMATS["int4"])
    part = made.part(slice(1, 4), slice(2, 4))
    assert (part.dense() == made.dense()[16:64, 32:64]).all()
    assert (unpack(part.pack(), FORMATS["int4"], 48, 32).dense() == part.dense()).all()


def test_wrong_weights() -> None:
    int4, zeros = FORMATS["int4"], np.zeros((16, 16), int)
    every = np.ones((16, 16), bool)
    for call, message in (
        (lambda: sparse(zeros[:10], every[:10], int4), "k of N:16 sparse weights is a multiple of 16 such as 16, not 10"),
        (lambda: sparse(np.zeros((16, 40), int), np.ones((16, 40), bool), int4), "n of .* such as 48, not 40"),
        (lambda: sparse(zeros, every, int4, 3), "N of N:16 is 0, 2, 4, 8, 16, such as 4, not 3"),
        (lambda: sparse(zeros, every, int4, 4), "columns of blocks keep at most 4 of 16, not 16"),
        (lambda: sparse(zeros + 16, every, int4), "codes of int4 are 0 to 15, not 16"),
        (lambda: sparse(zeros, every, FORMATS["bipolar2"]), "pruned weights are 0, which bipolar2 does not have"),
        (lambda: sparse(zeros, every[:5], int4), "codes and mask have one shape"),
        (lambda: unpack(np.zeros(3, np.uint8), int4, 16, 16), "take 1 bytes, not 3"),
        (lambda: unpack(np.full(1, 7, np.uint8), int4, 16, 16), "places of densities are at most 4, not 7"),
        (
            lambda: SparseCodes(int4, np.array([[2]], np.uint8), np.zeros(32, np.uint8), np.zeros(32, np.uint8)),
            r"indices of a column ascend, not \[0, 0\]",
        ),
    ):
        with pytest.raises(InputError, match=message):
            call()
