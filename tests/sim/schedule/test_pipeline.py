"""Cycles, traffic and legality of every tiling against a walk over its blocks that keeps account of the scratchpads."""

import random

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim.design import DesignPoint
from sim.schedule import Product
from sim.schedule.pipeline import pipeline
from sim.schedule.tiling import Tilings, legal_tilings
from tests.sim.schedule.replay import AXES, ORDERS, DoesNotFitError, Replay, candidates, designs, products, replay

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
    legal = legal_tilings(d, p)
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
    legal = legal_tilings(d, p)
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
