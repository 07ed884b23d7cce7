"""Cycles, traffic and legality of every tiling against a walk over its blocks that keeps account of the scratchpads."""

import random

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim.array.events import simulate_events
from sim.design import DesignPoint
from sim.schedule import Product
from sim.schedule.pipeline import pipeline
from sim.schedule.tiling import Tilings, smallest_tilings, with_all_sizes
from tests.sim.schedule.replay import AXES, ORDERS, DoesNotFitError, Replay, candidates, designs, granules, products, replay

Tile = tuple[int, int, int]


def tilings(d: DesignPoint, p: Product, tiles: list[Tile]) -> Tilings:
    return Tilings(d, p, *(np.array(sizes) for sizes in zip(*tiles, strict=True)))


def goes_on(d: DesignPoint, p: Product, tile: Tile) -> bool:
    """Whether blocks cut the only group of an array whose sums stay in the PEs."""
    return tile[1] < p.k <= d.group_size and d.dataflow in ("output_stationary", "dot_product")


def model(d: DesignPoint, p: Product, tiles: list[Tile], order: tuple[str, ...]) -> list[Replay]:
    """What the program says of each tiling."""
    taken = pipeline(tilings(d, p, tiles), order)
    return [
        Replay(
            cycles=taken.cycles[i],
            work=taken.work[i],
            ports=taken.ports[i],
            sums=taken.sums[i],
            loads={tensor: bits[i] for tensor, bits in taken.loads.items()},
            stores={tensor: bits[i] for tensor, bits in taken.stores.items()},
            scratchpads={action: bits[i] for action, bits in taken.scratchpads.items()},
        )
        for i in range(len(tiles))
    ]


@seed(20261125)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_tiling_under_every_order_is_its_replay(data: st.DataObject) -> None:
    d = data.draw(designs())
    p = data.draw(products(d))
    legal = with_all_sizes(smallest_tilings(d, p))
    tiles = list(zip(*(getattr(legal, axis).tolist() for axis in AXES), strict=True))
    tiles = random.Random(20261125).sample(tiles, min(2, len(tiles)))
    for order in ORDERS:
        allowed = [tile for tile in tiles if order[-1] == "k" or not goes_on(d, p, tile)]
        if allowed:
            assert model(d, p, allowed, order) == [replay(d, p, tile, order) for tile in allowed]


@seed(20261125)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_legal_are_the_tilings_that_find_room(data: st.DataObject) -> None:
    """All numbers of blocks along all axes; whatever is left out overflows a scratchpad under any order of loops."""
    d = data.draw(designs())
    p = data.draw(products(d, most=6))
    legal = with_all_sizes(smallest_tilings(d, p))
    chosen = set(zip(*(getattr(legal, axis).tolist() for axis in AXES), strict=True))
    every = candidates(d, p)
    assert chosen <= set(every)
    assert tilings(d, p, every).fit.tolist() == [tile in chosen for tile in every]
    order = data.draw(st.sampled_from(ORDERS))
    for tile in random.Random(20261125).sample(every, min(12, len(every))):
        if tile in chosen:
            replay(d, p, tile, ("m", "n", "k") if goes_on(d, p, tile) else order)
        else:
            with pytest.raises(DoesNotFitError):
                replay(d, p, tile, order)


@pytest.mark.parametrize(
    ("dataflow", "m", "n"),
    [("weight_stationary", 1, 9), ("input_stationary", 9, 1)],
)
def test_the_last_fold_is_the_last_block_s(dataflow: str, m: int, n: int) -> None:
    """2 rows x 8 columns, groups of 2, blocks of k = 4 + 4 + 2; the operand that stays has a strip of 8 and one of 1.

    A fold takes 2 cycles: (2 + 2 + 1) x 2 strips x 2 = 20. The last block's strip of 8 begins one fold, 2 cycles, before
    its strip of 1, so the 8th column ends 7 - 2 = 5 cycles after the single one. Up to there it is 2 cycles of loading,
    1 of streaming instead of a fold's 2, and 1 of skew along k more: 2 + 1 - 2 + 1 + 5 = 7. Then product, sum, foot and
    6 registers of the epilogue: 9.
    """
    d = DesignPoint("d", rows=2, columns=8, group_size=2, dataflow=dataflow)
    for order in ORDERS:
        found = model(d, Product("p", m, 10, n), [(m, 4, n)], order)
        assert found == [replay(d, Product("p", m, 10, n), (m, 4, n), order)]
        assert found[0].work == 20 + 7 + 9


def test_sums_of_a_cut_group_wait_between_its_blocks() -> None:
    """4 x 8 x 1, one group on 2 rows: four blocks of a fold each, and a bank of 4 bit/cycle for outputs.

    8 products of uint4 and int8 need 15 bits (test_products). 4 sums are 60 bits, 15 cycles to write after each fold but the
    last, and as many to read before each but the first; 4 results are 128 bits, 32 cycles to write and again to store. The
    other scratchpads' 256 bit/cycle and the DRAM take a cycle each, the array at most 4 + 12.
    """
    banks = {"weight_buffer_banks": 64, "activation_buffer_banks": 64, "output_buffer_banks": 1, "bank_width": 4}
    d = DesignPoint(
        "d",
        rows=2,
        columns=1,
        group_size=8,
        dataflow="weight_stationary",
        memory="hbm2_peak",
        memory_channels=64,
        **banks,
    )
    (found,) = model(d, Product("p", 4, 8, 1), [(4, 2, 1)], ("m", "n", "k"))
    assert found.cycles == found.ports == 1 + 15 + (15 + 15) + (15 + 15) + (15 + 32) + 32
    assert found.sums == 4 * 3
    assert (found.scratchpads["output_buffer_write"], found.scratchpads["output_buffer_read"]) == (180 + 128, 180 + 128)
    assert found == replay(d, Product("p", 4, 8, 1), (4, 2, 1), ("m", "n", "k"))


def test_what_is_not_overlapped_comes_after_a_group_that_is_cut() -> None:
    """Two tiles of 2 x 2, a group of 8 in two blocks each, without double buffering; 16 bit/cycle from the DRAM.

    A block takes 4 cycles, and at the end of a tile 2 + 2 - 2 more, until the last PE has had its operands; the last one
    then 8 registers. Loads: 2 x 16 bits of weights and 2 x 32 of activations, 6 cycles; with scales 72 + 96 bits, 11; the
    second tile's weights alone, 2; with scales and beside the first tile's results 72 + 128 bits, 13. Store: 128 bits, 8.
    """
    d = DesignPoint(
        "d",
        rows=2,
        columns=2,
        group_size=16,
        double_buffered=False,
        memory="hbm2_peak",
        memory_channels=1,
        clock_mhz=16_000,
    )
    p, tile, order = Product("p", 2, 8, 4), (2, 4, 2), ("m", "n", "k")
    (found,) = model(d, p, [tile], order)
    assert (found.cycles, found.work) == (6 + 11 + (4 + 2) + 13 + (4 + 2 + 8) + 8, 2 * (4 + 4 + 2) + 8)
    assert found == replay(d, p, tile, order)


@seed(20261125)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_work_of_a_cut_group_is_that_of_the_machine(data: st.DataObject) -> None:
    """The blocks' work, up to the last result, of whole tiles of one group: as the array simulated register by register.

    With double buffering, as the convention of what is without counts more than there is.
    """
    d = data.draw(designs().filter(lambda d: d.group_size >= 16 and d.double_buffered))
    step = granules(d, d.group_size)
    m, n = (data.draw(st.integers(1, 2)) * step[axis] for axis in ("m", "n"))
    # Strips of a stationary array follow each other within a block, but in the machine with all of k.
    if d.dataflow == "weight_stationary":
        m, n = data.draw(st.integers(1, 9)), step["n"]
    elif d.dataflow == "input_stationary":
        m, n = step["m"], data.draw(st.integers(1, 9))
    k = data.draw(st.integers(1, d.group_size))
    size = min(k, data.draw(st.integers(1, 3)) * step["k"])
    tile = (min(m, step["m"]), size, min(n, step["n"])) if d.dataflow in ("output_stationary", "dot_product") else (m, size, n)
    (found,) = model(d, Product("p", m, k, n), [tile], ("m", "n", "k"))
    seen = simulate_events(d, np.ones((m, k), dtype=np.int64), np.ones((k, n), dtype=np.int64))
    assert found.work == seen.result_cycles.max() + 1
