"""Cycles of a tile against a vector unit that is walked through multiplier by multiplier, and against hand calculations."""

from collections import deque
from itertools import product

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.elements import CHAINS
from sim.overlay.engine import DENSITIES, Engine
from sim.overlay.tile_cycles import map_cycles, tile_cycles

TREES = Engine(1, 1, 512, "fp16_tree", sparse=False, weight_formats=("fp16",))


def walked(engine: Engine, m: int, densities: np.ndarray, mode: str, group_size: int) -> int:
    """Cycles until the slowest vector unit has taken its last operand, kept weight by kept weight.

    A clock that ticks: in each cycle as many kept weights of one block are taken as there are multipliers. A group is given
    to the port in the cycle of its last operands, or later: not before 16 cycles after it began, as the sums of the one
    before leave column by column.
    """
    blocks_k, blocks_n = densities.shape
    side = engine.vector_units * (engine.units if mode == "mv" else 1)
    tokens = 2 * engine.units if mode == "mm" else 1
    # One activation for two weights needs both columns dense and whole.
    at_once = 2 * engine.chain * (2 if mode == "mv" and not engine.sparse and engine.chain >= 8 else 1)
    slowest = 0
    for unit in range(min(side, blocks_n)):
        clock = 0
        for column in range(unit, blocks_n, side):
            left = m
            while left > 0:
                left -= tokens
                k = 0
                while k < blocks_k:
                    began = clock
                    stop = min(blocks_k, k + group_size // 16) if group_size else blocks_k
                    for block in range(k, stop):
                        kept = deque((c, i) for c in range(16) for i in range(densities[block, column]))
                        while kept:
                            for _ in range(min(at_once, len(kept))):
                                kept.popleft()
                            clock += 1
                    while clock - began < 16:
                        clock += 1
                    k = stop
        slowest = max(slowest, clock)
    return slowest


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("chain", CHAINS)
def test_maps_as_walked(chain: int, sparse: bool, rng: np.random.Generator) -> None:
    for mode, group_size in product(("mm", "mv"), (0, 16, 32, 128)):
        engine = Engine(units=int(rng.integers(1, 4)), vector_units=int(rng.integers(1, 5)), chain=chain, sparse=sparse)
        densities = rng.choice(DENSITIES if sparse else [16], (int(rng.integers(1, 12)), int(rng.integers(1, 9))))
        m = int(rng.integers(1, 9))
        assert map_cycles(engine, m, densities, mode, group_size) == walked(engine, m, densities, mode, group_size)


@pytest.mark.parametrize("mode", ["mm", "mv"])
def test_arrays_of_uniform_tiles_as_walked(mode: str, rng: np.random.Generator) -> None:
    engine = Engine(units=2, vector_units=3, chain=4)
    m, k, n = rng.integers(1, 12, 40), rng.integers(1, 200, 40), rng.integers(1, 150, 40)
    density, group_size = rng.choice(DENSITIES, 40), rng.choice([0, 16, 64], 40)
    expected = [
        walked(engine, int(a), np.full((-(-b // 16), -(-c // 16)), d), mode, int(g))
        for a, b, c, d, g in zip(m, k, n, density, group_size, strict=True)
    ]
    assert tile_cycles(engine, m, k, n, density, mode, group_size).tolist() == expected


def _begins_again(steps: int, blocks: int) -> int:
    """The first cycle in which a tile can begin that goes on with this one's sums: an adder with 11 stages that tick."""
    to_come = deque((step, block) for step in range(steps) for block in range(blocks))
    to_come.append((steps, 0))  # of the next tile
    stages: deque[int | None] = deque([None] * 11)
    clock = 0
    while True:
        stages.pop()  # of these the sum is there
        block = to_come[0][1]
        if block in stages:
            stages.appendleft(None)
        elif len(to_come) == 1:
            return clock
        else:
            to_come.popleft()
            stages.appendleft(block)
        clock += 1


@pytest.mark.parametrize("blocks", [1, 2, 8, 10, 11, 12, 30])
def test_sums_of_fp16_numbers_wait_for_their_adder(blocks: int) -> None:
    """DFX's matrix unit takes 64 numbers along k of 16 columns a cycle."""
    for steps in (1, 2, 3, 16):
        assert tile_cycles(TREES, 1, 64 * steps, 16 * blocks, mode="mv") == _begins_again(steps, blocks)


def test_trees_of_fp16_numbers_by_hand() -> None:
    """A tile of 1,024 x 128 is 16 steps of 8 column blocks, each of which waits until cycle 11; with 256 blocks none waits.

    80 of k are two steps, 20 columns two blocks; with two vector units three blocks are two of one.
    """
    assert tile_cycles(TREES, 1, 1024, 128, 16, "mv", 64) == 16 * 11 == 176
    assert tile_cycles(TREES, 1, 1024, 4096, 16, "mv", 64) == 16 * 256
    assert tile_cycles(TREES, 3, 80, 20, 16, "mv", 64) == 3 * 2 * 11
    assert tile_cycles(TREES, 1, 128, 16, 16, "mv", 128) == 2 * 11
    two = Engine(1, 2, 128, "fp16_tree", sparse=False, weight_formats=("fp16",))
    assert (two.width, tile_cycles(two, 1, 64, 48, 16, "mv", 64)) == (16, 4 * 11)
    assert tile_cycles(two, 1, 64, 16 * 25, 16, "mv", 64) == 4 * 13


def test_maps_are_of_integers() -> None:
    with pytest.raises(InputError, match="blocks that keep some of their weights are those of integers, not of fp16_tree"):
        map_cycles(TREES, 1, np.full((4, 1), 16))


def test_hand_calculation() -> None:
    """A U280 of 6,144 slices: 4096 x 4096 weights for a token are 2**24 / 6144 products a slice, in whole passes.

    256 column blocks are one pass of 384 vector units; 256 blocks along k of 16 x 16 weights take 16 cycles each.
    """
    engine = Engine(units=6, vector_units=64, chain=8)
    assert engine.dsps == 6144
    assert tile_cycles(engine, 1, 4096, 4096, 16, "mv", 128) == 256 * 16
    assert tile_cycles(engine, 1, 4096, 4096, 4, "mv", 128) == 256 * 4
    # 12 tokens a pass, 256 / 64 passes of columns
    assert tile_cycles(engine, 12, 4096, 4096, 16, "mm", 128) == 4 * 256 * 16
    assert tile_cycles(engine, 13, 4096, 4096, 16, "mm", 128) == 2 * 4 * 256 * 16
    assert (engine.macs_per_cycle("mm"), engine.macs_per_cycle("mv")) == (12288, 6144)


def test_hand_calculation_of_two_columns() -> None:
    """Dense, of 128 vector units with 32 slices each, two weights a slice: 2**24 weights of a token in 2**24 / 8192 cycles.

    A block of 256 weights takes 4 cycles, so that a group of 64 takes the 16 in which sums leave; one of 16 takes them too.
    """
    engine = Engine(units=4, vector_units=32, chain=16, sparse=False)
    assert (engine.macs_per_cycle("mm"), engine.macs_per_cycle("mv")) == (8192, 8192)
    assert tile_cycles(engine, 1, 4096, 4096, 16, "mv", 64) == 2**24 // 8192
    assert tile_cycles(engine, 1, 4096, 4096, 16, "mv", 16) == 2 * 256 * 16
    assert tile_cycles(engine, 8, 4096, 4096, 16, "mm", 64) == 8 * 2**24 // 8192
    halves = [Engine(1, 1, chain, element, sparse=False).two_columns for chain in CHAINS for element in ("dsp", "shift_add")]
    assert halves == [False] * 6 + [True] * 4


@pytest.mark.parametrize(
    ("engine", "densities", "mode", "group_size", "message"),
    [
        (Engine(), [[3]], "mm", 0, "keeps are 0, 2, 4, 8, 16, not 3"),
        (Engine(sparse=False), [[8]], "mm", 0, "keeps are 16 without multiplexers, not 8"),
        (Engine(), [[8]], "mx", 0, "unknown mode of an engine 'mx'"),
        (Engine(), [[8]], "mv", 40, "a multiple of 16 such as 48, not 40"),
        (Engine(), [[8]], "mv", 1 << 20, "at most 131071 products, not 1048576"),
    ],
)
def test_wrong_tiles(engine: Engine, densities: list[list[int]], mode: str, group_size: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        map_cycles(engine, 1, np.array(densities), mode, group_size)
