"""The search against brute force: every legal tiling under every order of loops, each walked block by block."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim.design import DesignPoint
from sim.errors import InputError
from sim.memory import Prices
from sim.schedule import Product, run_product, search
from sim.schedule.bounds import Bounds, least_totals, totals
from sim.schedule.tiling import Tilings, smallest_tilings, with_all_sizes
from tests.sim.schedule.replay import AXES, ORDERS, DoesNotFitError, Replay, candidates, designs, products, replay

PADS = ("weight", "activation", "output")

prices = st.builds(
    lambda dram, *pads: Prices(dram=dram, **{f"{pad}_buffer": price for pad, price in zip(PADS, pads, strict=True)}),
    *(st.sampled_from([0.0, 0.125, 1.0, 2.75, 19.0]) for _ in range(4)),
)
"""Binary fractions: all sums of products with them are exact."""


def tiles_of(tilings: Tilings) -> list[tuple[int, int, int]]:
    return list(zip(*(getattr(tilings, axis).tolist() for axis in AXES), strict=True))


def energy(taken: Replay, price: Prices) -> Fraction:
    """[pJ] Bits times the price of each memory."""
    total = Fraction(price.dram) * (sum(taken.loads.values()) + sum(taken.stores.values()))
    for pad in PADS:
        bits = taken.scratchpads[f"{pad}_buffer_read"] + taken.scratchpads[f"{pad}_buffer_write"]
        total += Fraction(getattr(price, f"{pad}_buffer")) * bits
    return total


def every_replay(d: DesignPoint, p: Product) -> dict[tuple[tuple[int, int, int], tuple[str, ...]], Replay]:
    """Blocks of every size along all axes, whether the program takes them for legal or not, under all orders."""
    found = {}
    for tile in candidates(d, p):
        for order in ORDERS:
            try:
                found[tile, order] = replay(d, p, tile, order)
            except DoesNotFitError:
                continue
    return found


@seed(20261125)
@settings(max_examples=80, deadline=None)
@given(data=st.data(), price=prices, chunk=st.sampled_from([1, 2, 3, 16]))
def test_the_best_of_all(data: st.DataObject, price: Prices, chunk: int) -> None:
    """Fewest cycles within one part in a thousand, and of those the least energy, to the last bit; any chunks at once."""
    d = data.draw(designs())
    p = data.draw(products(d, most=6))
    every = every_replay(d, p)
    fewest = min(taken.cycles for taken in every.values())
    within = [taken for taken in every.values() if 1000 * taken.cycles <= 1001 * fewest]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FIRST_CHUNK", chunk)
        patch.setattr(search, "LARGEST_CHUNK", 2 * chunk)
        found = search.best_tiling(smallest_tilings(d, p), price)
    (tile,) = tiles_of(found.tilings)
    chosen = every[tile, found.order]
    assert found.taken.cycles.tolist() == [chosen.cycles]
    assert 1000 * chosen.cycles <= 1001 * fewest
    assert energy(chosen, price) == min(energy(taken, price) for taken in within)


@pytest.mark.parametrize(
    ("order", "dataflow", "array", "group_size", "clock_mhz", "kib", "sizes"),
    [
        (("m", "k", "n"), "dot_product", (9, 4), 32, 8000, (2, 1, 1), (9, 128, 16, 1)),
        (("m", "n", "k"), "input_stationary", (2, 5), 16, 8000, (1, 1, 1), (25, 32, 9, 1)),
        (("k", "m", "n"), "dot_product", (8, 6), 64, 2000, (3, 1, 1), (6, 192, 36, 1)),
        (("k", "n", "m"), "output_stationary", (4, 5), 16, 8000, (1, 2, 2), (8, 48, 15, 1)),
        (("n", "m", "k"), "output_stationary", (8, 8), 32, 2000, (1, 1, 2), (40, 128, 56, 2)),
        (("n", "k", "m"), "output_stationary", (4, 3), 32, 8000, (2, 2, 1), (12, 64, 9, 1)),
    ],
)
def test_every_order_is_the_only_best_one_of_some_product(
    order: tuple[str, ...],
    dataflow: str,
    array: tuple[int, int],
    group_size: int,
    clock_mhz: int,
    kib: tuple[int, int, int],
    sizes: tuple[int, int, int, int],
) -> None:
    """Products that were searched for: under any other order they take more than one part in a thousand longer."""
    d = DesignPoint(
        "d",
        rows=array[0],
        columns=array[1],
        dataflow=dataflow,
        group_size=group_size,
        memory="hbm2_peak",
        memory_channels=1,
        clock_mhz=clock_mhz,
        **{f"{pad}_buffer_kib": size for pad, size in zip(PADS, kib, strict=True)},
    )
    p = Product("p", *sizes)
    every = every_replay(d, p)
    fewest = min(taken.cycles for (_, loops), taken in every.items() if loops == order)
    assert all(1000 * taken.cycles > 1001 * fewest for (_, loops), taken in every.items() if loops != order)
    found = search.best_tiling(smallest_tilings(d, p), Prices())
    assert found.order == order
    assert fewest <= found.taken.cycles[0] <= fewest * 1001 // 1000


@pytest.mark.parametrize(
    ("array", "kib", "sizes"),
    [
        ((6, 2), (2, 1, 1), (54, 160, 10, 2)),
        ((6, 5), (1, 1, 2), (48, 128, 35, 1)),
    ],
)
def test_the_first_that_is_fast_enough_is_not_the_one_of_least_energy(
    array: tuple[int, int], kib: tuple[int, int, int], sizes: tuple[int, int, int, int]
) -> None:
    """Products that were searched for: most of the tilings of little energy are slower than their bounds promise."""
    d = DesignPoint(
        "d",
        rows=array[0],
        columns=array[1],
        group_size=32,
        memory="hbm2_peak",
        memory_channels=1,
        clock_mhz=2000,
        **{f"{pad}_buffer_kib": size for pad, size in zip(PADS, kib, strict=True)},
    )
    p = Product("p", *sizes)
    every = every_replay(d, p)
    fewest = min(taken.cycles for taken in every.values())
    least = min(energy(taken, Prices()) for taken in every.values() if 1000 * taken.cycles <= 1001 * fewest)
    found = search.best_tiling(smallest_tilings(d, p), Prices())
    (tile,) = tiles_of(found.tilings)
    assert energy(every[tile, found.order], Prices()) == least


@seed(20261125)
@settings(max_examples=60, deadline=None)
@given(data=st.data(), price=prices)
def test_the_bounds(data: st.DataObject, price: Prices) -> None:
    """Never more than the true cycles, exactly the true energy; orders that are left out do what another one does."""
    d = data.draw(designs())
    p = data.draw(products(d, most=5))
    legal = with_all_sizes(smallest_tilings(d, p))
    sums = totals(legal)
    tiles = tiles_of(legal)
    for i in data.draw(st.lists(st.sampled_from(range(len(tiles))), min_size=1, max_size=3)):
        bounds = {order: Bounds(legal, order, sums) for order in ORDERS}
        taken = {}
        for order in ORDERS:
            try:
                taken[order] = replay(d, p, tiles[i], order)
            except DoesNotFitError:
                assert not bounds[order].distinct[i]
        assert taken
        for order in taken:
            assert bounds[order].cycles[i] <= taken[order].cycles
            assert Fraction(bounds[order].energy(price)[i]) == energy(taken[order], price)
            assert bounds[order].traffic[i] == sum(taken[order].loads.values()) + sum(taken[order].stores.values())
        kept = [taken[order] for order in taken if bounds[order].distinct[i]]
        assert all(replayed in kept for replayed in taken.values())


@seed(20261125)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_every_size_is_tried(data: st.DataObject) -> None:
    """Blocks that find room are among those that are tried, whatever their size; and each is there once."""
    d = data.draw(designs())
    p = data.draw(products(d, most=9))
    tiles = tiles_of(with_all_sizes(smallest_tilings(d, p)))
    assert len(set(tiles)) == len(tiles)
    tile = data.draw(st.sampled_from(candidates(d, p)))
    try:
        replay(d, p, tile, ("m", "n", "k"))
    except DoesNotFitError:
        assert tile not in tiles
    else:
        assert tile in tiles


def test_all_sizes() -> None:
    """Five granules of 4 by 4 and groups of 64, and all of a length of 18, 300 and 20: the last block is what is left."""
    legal = with_all_sizes(smallest_tilings(DesignPoint("d", rows=4, columns=4), Product("p", 18, 300, 20)))
    along = {"m": [4, 8, 12, 16, 18], "k": [64, 128, 192, 256, 300], "n": [4, 8, 12, 16, 20]}
    assert sorted(tiles_of(legal)) == [(m, k, n) for m in along["m"] for k in along["k"] for n in along["n"]]


def test_a_very_long_axis() -> None:
    """2**38 tokens in tiles of 4: two blocks of results of 4 columns x 32 bits fit into 128 KiB up to 4096 rows."""
    legal = with_all_sizes(smallest_tilings(DesignPoint("d", rows=4, columns=4), Product("p", 1 << 38, 1, 4)))
    assert legal.m.tolist() == list(range(4, 4096 + 1, 4))


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (Prices(dram=0.0, weight_buffer=1.0), {"weight_buffer_write": 8832}),
        (Prices(dram=0.0, activation_buffer=1.0), {"activation_buffer_write": 16640}),
        (Prices(dram=0.0, output_buffer=1.0), {"output_buffer_write": 8192, "output_buffer_read": 8192}),
        (Prices(), {"weight_buffer_write": 2 * 8832, "activation_buffer_write": 16640}),
    ],
)
def test_prices_decide_between_equal_cycles(price: Prices, expected: dict[str, int]) -> None:
    """64 channels of 512 bit/cycle and banks as wide load any block in a cycle: all tilings take 4 x 4 x 128 + 14 + 2 cycles.

    Weights: 16 columns of 128 x 4 + 2 x 20 bits = 8832, more than 1 KiB, in blocks of at most 4096; activations: 16 rows of
    128 x 8 + 16 = 16640, more than 2 KiB, in blocks of at most 8192. With k = 128 these are 4 columns and 4 rows.

    If only the weight scratchpad costs anything, each weight is loaded once; if only that of activations, each of these; if
    only that of results, k is not cut, and each of the 256 results is written and read once. DRAM: k cut in two makes blocks
    of 8 or 12 rows and columns, two of each; activations once and weights twice, 16640 + 2 x 8832 = 34304, is less than once
    and twice the other way round, 42112, and than once and four times with k whole, 51968.
    """
    d = DesignPoint(
        "d",
        rows=4,
        columns=4,
        weight_buffer_kib=1,
        activation_buffer_kib=2,
        bank_width=2048,
        memory="hbm2_peak",
        memory_channels=64,
    )
    taken = search.best_tiling(smallest_tilings(d, Product("p", 16, 128, 16)), price).taken
    assert taken.cycles.tolist() == [1 + 2048 + 14 + 1]
    assert {action: taken.scratchpads[action].tolist() for action in expected} == {a: [bits] for a, bits in expected.items()}


@seed(20261125)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), price=prices)
def test_what_follows_from_the_numbers_of_blocks(data: st.DataObject, price: Prices) -> None:
    """No size of blocks has fewer cycles or takes less energy than the bound of all with as many of them."""
    d = data.draw(designs())
    smallest = smallest_tilings(d, data.draw(products(d, most=7)))
    sums = totals(smallest)
    least = least_totals(smallest, sums)
    chosen = data.draw(st.integers(0, len(smallest.m) - 1))
    sizes = with_all_sizes(smallest.chosen(np.array([chosen])))
    assert {tuple(sizes.count(axis).tolist()) for axis in AXES} == {
        (int(smallest.count(axis)[chosen]),) * len(sizes.m) for axis in AXES
    }
    exact = totals(sizes)
    for order in ORDERS:
        bound, found = Bounds(smallest, order, least), Bounds(sizes, order, exact)
        assert bound.distinct[chosen] == found.distinct.any() == found.distinct.all()
        assert bound.cycles[chosen] <= found.cycles.min()
        assert bound.energy(price)[chosen] <= found.energy(price).min()


@pytest.mark.parametrize(
    ("fields", "sizes", "message"),
    [
        # Some 2 * 2**8 numbers of blocks along each axis.
        ({"rows": 1, "columns": 1}, (1 << 16, 1 << 16, 1 << 16), "at most 5000000 numbers of blocks"),
        # Each of 1500001 x 2**31 groups waits until 65536 rows have their weights; 2 + 1 + 6 cycles are PE, foot, epilogue.
        (
            {"rows": 65536, "columns": 1, "dataflow": "weight_stationary"},
            (1, 1_500_001, 1 << 31),
            f"at most {1 << 58} cycles or bits in blocks as small as they can be, not {(1_500_001 << 31) * (65536 + 9)}",
        ),
    ],
)
def test_products_beyond_reach_are_refused(fields: dict[str, Any], sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_product(DesignPoint("d", **fields, group_size=1), Product("p", *sizes))
