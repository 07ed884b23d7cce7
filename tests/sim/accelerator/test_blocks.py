"""How products are cut, and what their streams carry."""

import dataclasses

import numpy as np
import pytest

from sim.accelerator import blocks_of, depths
from sim.accelerator.blocks import Command, largest_counts, quartered
from sim.accelerator.cycles import READS
from sim.accelerator.depths import word_bits
from sim.accelerator.streams import Operands, operand_words, packed, result_words
from sim.design import PRESETS, DesignPoint, load_design
from sim.epilogue import OUTPUT_BITS
from sim.errors import InputError

SMALL = DesignPoint("small", rows=2, columns=3, group_size=8, weight_buffer_kib=1, activation_buffer_kib=1, output_buffer_kib=1)
STATIONARY = dataclasses.replace(SMALL, rows=4, dataflow="weight_stationary")


def test_depths_by_hand() -> None:
    # Weights: half of 8192 bit. A group is 8 words of 3*4 bit and 3 scales of 16 + 4 bit: 156 bit, so 26 groups fit; 40 bit
    # are left, too few for three more scales.
    # Activations: 8 words of 2*8 bit and 2 scales of 16 bit: 160 bit, 25 groups, and 96 bit for two scales and 4 words.
    # Results: 3*32 bit a row.
    found = depths(SMALL)
    assert (found.weight, found.scale, found.activation, found.token_scale) == (208, 78, 204, 52)
    assert found.result == 4096 // 96


def test_depths_where_weights_stay_by_hand() -> None:
    # Weights as above. Activations: a group is 2 folds, a word of 4*8 bit each, and 16 bit of scale: 80 bit, 51 of them.
    # A row of results has 2*3*32 bit, 3 totals of 32 bit and sums of 15 bit, a row sum of 11 bit: 344 of 8192 bit.
    found = depths(STATIONARY)
    assert (found.weight, found.scale, found.activation, found.token_scale, found.result) == (208, 78, 102, 51, 23)
    # One fold is a group: 2*3*32 + 3*32 bit.
    assert depths(dataclasses.replace(STATIONARY, rows=8)).result == 28


@pytest.mark.parametrize("name", [name for name in PRESETS if load_design(name).dataflow in READS])
def test_halves_fit_into_the_scratchpads(name: str) -> None:
    design = load_design(name)
    found, bits = depths(design), word_bits(design)
    used = {field: count * bits[field] for field, count in dataclasses.asdict(found).items()}
    halves = {pad: scratchpad.bits // 2 for pad, scratchpad in design.scratchpads.items()}
    assert used["weight"] + used["scale"] <= halves["weight"]
    assert used["activation"] + used["token_scale"] <= halves["activation"]
    sums = 0 if design.dataflow == "output_stationary" else OUTPUT_BITS + design.accumulator_bits
    assert 2 * used["result"] + found.result * design.columns * sums <= 2 * halves["output"]


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (5, 19, 7), (85, 8, 300), (3, 700, 4), (200, 204, 3)])
@pytest.mark.parametrize("design", [SMALL, STATIONARY], ids=lambda design: design.dataflow)
def test_blocks_cover_the_product_once_and_fit(design: DesignPoint, m: int, k: int, n: int) -> None:
    covered = np.zeros((m, k, n), dtype=int)
    room, most = dataclasses.asdict(depths(design)), largest_counts(design)
    for block in blocks_of(design, m, k, n):
        covered[np.ix_(block.m, block.k, block.n)] += 1
        command = Command.of(design, block)
        words = dataclasses.asdict(command.words(design))
        assert all(words[name] <= room[name] for name in room)
        assert all(1 <= getattr(command, name) <= limit for name, limit in most.items())
        assert block.begins == (block.k[0] == 0) and block.ends == (block.k[-1] == k - 1)
        assert block.begins or block.k[0] % design.group_size == 0
        one = command.column_tiles == 1 and (design is STATIONARY or command.row_tiles == 1)
        assert one or (block.begins and block.ends)
    assert (covered == 1).all()


@pytest.mark.parametrize(("m", "k", "n", "count"), [(1, 1, 1, 1), (5, 19, 7, 4), (3, 700, 4, 16)])
def test_quartered_blocks_cover_the_same(m: int, k: int, n: int, count: int) -> None:
    # 5 x 7 are 3 x 3 tiles in one block: two and one along each axis. A reduction that is cut is not cut further.
    covered = np.zeros((m, k, n), dtype=int)
    quarters = quartered(SMALL, blocks_of(SMALL, m, k, n))
    for block in quarters:
        covered[np.ix_(block.m, block.k, block.n)] += 1
    assert (covered == 1).all() and len(quarters) == count


def test_scratchpads_that_are_too_small() -> None:
    design = dataclasses.replace(SMALL, rows=32, columns=32, group_size=64)
    with pytest.raises(
        InputError, match="weight_buffer_kib of an accelerator with a 32x32 array .* at least 64 words, unlike 1"
    ):
        depths(design)


def test_command_word_by_hand() -> None:
    command = Command(groups=3, last_terms=5, row_tiles=2, last_rows=1, column_tiles=9, begins=True, ends=False)
    assert command.word == 2 | 4 << 16 | 1 << 32 | 0 << 48 | 8 << 64 | 1 << 80


def test_streams_of_a_small_product_by_hand() -> None:
    design = dataclasses.replace(SMALL, columns=2, group_size=2)
    activation = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)
    weight = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], dtype=np.uint8)
    scale = np.arange(8, dtype=np.uint16).view(np.float16).reshape(2, 4)
    zero_point = np.arange(8, 16, dtype=np.uint8).reshape(2, 4)
    operands = Operands(activation, weight, scale, zero_point, np.array([20, 21], np.uint16).view(np.float16))
    (block,) = blocks_of(design, 2, 3, 3)
    found = operand_words(design, block, operands)
    assert found["activation"] == [0x401, 0x502, 0x603]
    assert found["weight"] == [0x21, 0x65, 0xA9, 0x43, 0x87, 0xCB]
    assert found["token_scale"] == [20, 21]
    # Columns 0 and 1 of both groups, then columns 2 and 3, one of padding.
    order = [0, 1, 4, 5, 2, 3, 6, 7]
    assert found["scale"] == [place | (place + 8) << 16 for place in order]
    bits = np.arange(8).reshape(2, 4)
    assert result_words(design, [block], bits) == [0 | 1 << 32, 4 | 5 << 32, 2 | 3 << 32, 6 | 7 << 32]


def test_streams_where_weights_stay_by_hand() -> None:
    design = dataclasses.replace(STATIONARY, rows=2, columns=2, group_size=3)
    activation = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.uint8)
    operands = Operands(
        activation,
        np.arange(1, 9, dtype=np.uint8).reshape(4, 2),
        np.arange(4, dtype=np.uint16).view(np.float16).reshape(2, 2),
        np.zeros((2, 2), dtype=np.uint8),
        np.array([20, 21], np.uint16).view(np.float16),
    )
    (block,) = blocks_of(design, 2, 4, 2)
    found = operand_words(design, block, operands)
    # Three folds: of two, one and, in the next group, one.
    assert found["activation"] == [0x201, 0x605, 0x3, 0x7, 0x4, 0x8]
    assert found["weight"] == [0x21, 0x43, 0x65, 0x87]
    assert (found["scale"], found["token_scale"]) == ([0, 1, 2, 3], [20, 21])
    command = Command.of(design, block)
    assert command == Command(groups=2, last_terms=1, row_tiles=2, last_rows=1, column_tiles=1, begins=True, ends=True)


def test_packed_takes_the_low_bits() -> None:
    assert packed(np.array([[255, 1], [16, 3]]), 4) == [0x1F, 0x30]
