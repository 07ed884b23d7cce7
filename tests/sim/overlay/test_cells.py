"""Cells of weights as bytes: a layout by hand, and every format there and back."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.cells import CellLayout, Contents, aligned, has_zeros
from sim.overlay.dequantizer import EXPANDED, HALVES
from sim.overlay.sparsity import sparse

SEED = 11


def _contents(layout: CellLayout, cells: int) -> Contents:
    """Any codes, of which sparse cells keep so many of 16 that are not 0."""
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    codes = rng.integers(0, len(layout.format.values), (cells, layout.part, 16)).astype(np.uint8)
    if layout.kept < 16:
        places = rng.permuted(np.broadcast_to(np.arange(16)[:, None], (cells, layout.part // 16, 16, 16)), axis=2)
        pruned = places.reshape(cells, layout.part, 16) >= layout.kept
        codes[pruned | (layout.format.decode(codes) == 0)] = layout.format.values.index(0)
    groups = (cells, layout.groups, 16)
    zeros = rng.integers(0, len(layout.format.values), (cells, layout.groups * has_zeros(layout.format), 16)).astype(np.uint8)
    biases = rng.normal(size=(cells, int(layout.biased), 16)).astype(np.float16)
    densities = np.full((cells, layout.part // 16), layout.kept, np.uint8)
    return Contents(codes, densities, rng.uniform(0.1, 1, groups).astype(np.float16), zeros, biases)


@pytest.mark.parametrize("name", EXPANDED)
@pytest.mark.parametrize(("part", "group"), [(16, 16), (96, 32), (80, 64)])
@pytest.mark.parametrize("kept", [16, 8, 2])
def test_bytes_give_the_cells_back(name: str, part: int, group: int, kept: int) -> None:
    format_ = EXPANDED[name]
    if kept < 16 and (has_zeros(format_) or 0 not in format_.values):
        with pytest.raises(InputError):
            CellLayout(format_, part, kept, group, True)
        return
    layout = CellLayout(format_, part, kept, group, True)
    given = _contents(layout, 3)
    packed = layout.pack(given)
    assert packed.shape == (3, layout.size)
    found = layout.unpack(packed)
    for field in ("codes", "densities", "scales", "zeros", "biases"):
        assert np.array_equal(getattr(found, field), getattr(given, field)), field


def test_a_dense_cell_by_hand() -> None:
    """Two blocks along k: the second byte of a column is its third and fourth code, blocks are 16 x 16 / 2 bytes apart."""
    codes = np.zeros((1, 32, 16), np.uint8)
    codes[0, 2, 0], codes[0, 3, 0], codes[0, 1, 5], codes[0, 16, 1] = 0xA, 0xB, 0xC, 0xD
    scales, zeros = np.zeros((1, 2, 16), np.float16), np.zeros((1, 2, 16), np.uint8)
    scales[0, 1, 0], zeros[0, 0, 3], zeros[0, 1, 3] = 1, 7, 9
    biases = np.full((1, 1, 16), 2, np.float16)
    layout = CellLayout(EXPANDED["uint4"], 32, 16, 16, True)
    packed = layout.pack(Contents(codes, np.full((1, 2), 16, np.uint8), scales, zeros, biases))[0]
    wanted = np.zeros(aligned(256 + 64 + 32 + 32), np.uint8)
    wanted[1], wanted[40], wanted[136] = 0xBA, 0xC0, 0x0D
    wanted[256 + 33] = 0x3C  # fp16 1 is 0x3c00
    wanted[320 + 3], wanted[320 + 19] = 7, 9
    wanted[353:384:2] = 0x40
    assert np.array_equal(packed, wanted)
    integers = layout.numbers(layout.unpack(packed[None]))
    assert integers[0, [2, 3, 0, 16], [0, 0, 3, 3]].tolist() == [10, 11, -7, -9]


def test_a_cell_of_fp16_numbers_is_their_bits_by_columns() -> None:
    """Of a block a column is 32 bytes; then biases, and no scales."""
    numbers = np.zeros((1, 16, 16), np.float16)
    numbers[0, 1, 0], numbers[0, 0, 2] = 1.5, -2  # 0x3e00, 0xc000
    layout = CellLayout(HALVES["fp16"], 16, 16, 64, True)
    none = np.zeros((1, 0, 16))
    packed = layout.pack(
        Contents(
            numbers.view(np.uint16),
            np.full((1, 1), 16, np.uint8),
            none.astype(np.float16),
            none.astype(np.uint8),
            numbers[:, :1],
        )
    )[0]
    assert len(packed) == layout.size == 512 + 32
    assert {place: byte for place, byte in enumerate(packed.tolist()) if byte} == {3: 0x3E, 65: 0xC0, 517: 0xC0}
    found = layout.unpack(packed[None])
    assert layout.numbers(found).tolist() == numbers.tolist()
    assert found.scales.shape == found.zeros.shape == (1, 0, 16)


def test_a_sparse_cell_is_what_sparsity_packs_and_its_scales() -> None:
    layout = CellLayout(EXPANDED["int5"], 48, 4, 32, False)
    given = _contents(layout, 1)
    packed = layout.pack(given)[0]
    codes = sparse(given.codes[0], given.codes[0] != 0, layout.format, 4).pack()
    assert layout.code_bytes == len(codes) == 2 + 3 * 16 * 4 * (5 + 4) // 8  # 3 blocks, of 3 bits N each
    assert packed.tobytes() == codes.tobytes() + given.scales.tobytes() + bytes(layout.size - len(codes) - 64)


def test_a_cell_of_blocks_with_their_own_n_by_hand() -> None:
    """16, 0 and 8 of 16: no indices, nothing, indices; the rest of the room of three times 8 is zeros."""
    codes = np.zeros((1, 48, 16), np.uint8)
    codes[0, :16], codes[0, 32:40] = 3, 5
    layout = CellLayout(EXPANDED["int4"], 48, 8, 48, False)
    densities = np.array([[16, 0, 8]], np.uint8)
    nothing = np.zeros((1, 0, 16))
    given = Contents(codes, densities, np.ones((1, 1, 16), np.float16), nothing.astype(np.uint8), nothing.astype(np.float16))
    packed = layout.pack(given)[0]
    assert layout.code_bytes == 2 + 3 * 128
    assert packed[:2].tolist() == [0b11_000_100, 0b0]  # places 4, 0 and 3 of (0, 2, 4, 8, 16)
    assert packed[2 : 2 + 128].tolist() == [0x33] * 128
    assert packed[130 : 130 + 128].tolist() == [0x05 | index << 4 for index in range(8)] * 16
    assert not packed[258:386].any()
    assert packed[386:418].view(np.float16).tolist() == [1] * 16
    found = layout.unpack(packed[None])
    assert (found.codes == codes).all() and (found.densities == densities).all()


@pytest.mark.parametrize(
    ("head", "message"), [(0o777, "at most 4, not 7"), (0o444, r"8 of 16 in the mean, not \[16, 16, 16\]")]
)
def test_heads_that_no_cell_has(head: int, message: str) -> None:
    layout = CellLayout(EXPANDED["int8"], 48, 8, 48, False)
    packed = np.zeros((1, layout.size), np.uint8)
    packed[0, :2] = head & 255, head >> 8
    with pytest.raises(InputError, match=message):
        layout.unpack(packed)


def test_blocks_that_keep_more_are_refused() -> None:
    layout = CellLayout(EXPANDED["int4"], 16, 4, 16, False)
    nothing = np.zeros((1, 0, 16))
    full = Contents(
        np.ones((1, 16, 16), np.uint8),
        np.full((1, 1), 4, np.uint8),
        np.ones((1, 1, 16), np.float16),
        nothing.astype(np.uint8),
        nothing.astype(np.float16),
    )
    with pytest.raises(InputError, match="keep at most 4 of 16, not 16"):
        layout.pack(full)
    with pytest.raises(InputError, match="k of a cell is a multiple of 16, not 24"):
        CellLayout(EXPANDED["int4"], 24, 4, 16, False)
