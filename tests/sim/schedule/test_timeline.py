"""Blocks drawn in time: one product by hand, and others against the walk over their blocks."""

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim.design import DesignPoint
from sim.schedule import Product, run_product, timeline
from tests.sim.schedule.replay import designs, products, replay
from tests.sim.schedule.test_products import WIDE


def drawn(d: DesignPoint, p: Product, blocks: int) -> list[tuple[str, int, int, int]]:
    return [(i.lane, i.block, i.start, i.end) for i in timeline(d, run_product(d, p), blocks)]


def test_what_leaves_makes_room_for_what_comes() -> None:
    """16 x 240 x 24 of test_products: totals of 2048 bits go to the DRAM and come back, two of them at a time on the chip.

    The fourth block, the first with k = 120 again, is loaded with 866 - 128 cycles of weights and activations and 128 of
    totals; before, the second one's totals are stored, in whose place they come.
    """
    expected = [
        ("load", 0, 0, 730),
        ("compute", 0, 730, 850),
        ("load", 1, 730, 980),
        ("compute", 1, 980, 1100),
        ("store", 0, 980, 1108),
        ("load", 2, 1108, 1358),
        ("compute", 2, 1358, 1478),
        ("store", 1, 1358, 1486),
        ("load", 3, 1486, 1486 + 866),
    ]
    assert drawn(WIDE, Product("p", 16, 240, 24), 3) == expected


def test_the_last_store_waits_for_the_ports() -> None:
    """1 x 1 x 1: a weight with its scale and zero point has 24 bits, 5 cycles of a bank of 5 bit; the result has 32, 7 cycles.

    An activation with its scale, 24 bits too, is written beside the weight. The DRAM takes a cycle each, the array 1 + 8.
    """
    narrow = {f"{pad}_buffer_banks": 1 for pad in ("weight", "activation", "output")}
    d = DesignPoint("d", rows=1, columns=1, memory="hbm2_peak", memory_channels=64, bank_width=5, **narrow)
    expected = [("load", 0, 0, 5), ("compute", 0, 5, 14), ("store", 0, 14, 21)]
    assert drawn(d, Product("p", 1, 1, 1), 1) == expected


@seed(20261125)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_timeline_is_its_replay(data: st.DataObject) -> None:
    d = data.draw(designs())
    p = data.draw(products(d, most=4))
    run = run_product(d, p)
    b = run.blocking
    seen = replay(d, p, (b.m, b.k, b.n), b.order)
    count = p.count * int(np.prod([-(-getattr(p, axis) // getattr(b, axis)) for axis in "mkn"]))
    assert sorted(drawn(d, p, count)) == sorted(seen.lanes)
    assert max(end for _, _, _, end in seen.lanes) == run.trace.cycles


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_the_first_blocks_alone(blocks: int) -> None:
    p = Product("p", 16, 240, 24)
    whole = drawn(WIDE, p, 12)
    part = drawn(WIDE, p, blocks)
    assert {i[1] for i in part if i[0] == "compute"} == set(range(blocks))
    assert part == whole[: len(part)]
