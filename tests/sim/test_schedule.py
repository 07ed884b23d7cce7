"""Cycles and counts of a product: by hand, and against a replay that walks the tiles and keeps account of the scratchpads."""

import dataclasses
from bisect import bisect_right

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim.design import DesignPoint
from sim.errors import InputError
from sim.schedule import LOOP_ORDERS, Product, ProductCycles, run_product

CHANNEL = {"lpddr4": 51_200, "ddr4": 204_800, "hbm2": 256_000, "hbm3": 409_600}  # [Mb/s] of one channel, see test_memory
FORMATS = [("uint3", "int16"), ("int4", "int16"), ("uint4", "int8"), ("uint8", "int4"), ("int8", "int8"), ("int2", "int4")]

SMALL = DesignPoint("small", rows=4, columns=4, memory="hbm2", memory_channels=1)
SLOW = dataclasses.replace(SMALL, clock_mhz=16_000, weight_buffer_kib=1)
"""16 bit/cycle; 1 KiB is 8192 bits."""


def test_one_tile_by_hand() -> None:
    """HBM2 channel: 256 Gb/s at 500 MHz is 512 bit/cycle.

    Load 4 x 64 weights of 4 bits + 4 groups of 20 bits + 4 x 64 activations of 8 bits + 4 scales of 16 bits =
    1104 + 2112 = 3216 bits: 7 cycles. Compute 64 + 3 + 3 + 8 = 78 (see test_array). Store 16 results of 32 bits: 1.
    """
    run = run_product(SMALL, Product("p", 4, 64, 4))
    assert run.trace.cycles == 7 + 78 + 1
    assert (run.compute_cycles, run.stall_cycles, run.ideal_cycles) == (78, 8, 64)
    assert (run.dram_cycles, run.bound, run.utilization) == (8, "compute", 1024 / (16 * 86))  # 3728 bits / 512
    assert dict(run.trace.counts) == {
        "mac": 1024,
        "row_sum": 256,
        "group_epilogue": 16,
        "token_scale": 16,
        "weight_buffer_read": 1104,
        "weight_buffer_write": 1104,
        "activation_buffer_read": 2112,
        "activation_buffer_write": 2112,
        "output_buffer_read": 512,
        "output_buffer_write": 512,
        "dram_read": 3216,
        "dram_write": 512,
    }


def test_bound_compares_the_traffic_with_the_computation() -> None:
    """The same tile at 51.2 bit/cycle: 3728 bits take 73 cycles, more than the ideal 64, fewer than the 78 of the array."""
    run = run_product(dataclasses.replace(SMALL, memory="lpddr4", clock_mhz=1000), Product("p", 4, 64, 4))
    assert (run.ideal_cycles, run.dram_cycles, run.compute_cycles, run.bound) == (64, 73, 78, "compute")
    assert run.trace.cycles == 63 + 78 + 10


def test_a_short_last_group_by_hand() -> None:
    """k = 65: a group of 64 and a group of one, which takes as long as the array is high.

    Weights 4 x (65 x 4 + 2 x 20) = 1200 bits, activations 4 x (65 x 8 + 16) = 2144 bits: 3344 bits in 7 cycles.
    """
    run = run_product(SMALL, Product("p", 4, 65, 4))
    assert run.trace.cycles == 7 + (64 + 4 + 3 + 3 + 8) + 1
    assert (run.ideal_cycles, run.trace.counts["group_epilogue"]) == (65, 32)
    assert (run.trace.counts["weight_buffer_read"], run.trace.counts["activation_buffer_read"]) == (1200, 2144)


def test_columns_outer_wins_by_hand() -> None:
    """Activations (8 x 2048 bits) fill 2 KiB exactly, of weights (8 x 1096) 1 KiB holds a strip but not both.

    16 bit/cycle: a strip of weights takes 274 cycles, of activations 512, a tile's results 32; a tile takes 254.
    Tiles load 786, 512, 274, 0 cycles. With rows outermost, weights are loaded again: 786, 274, 786, 274.
    """
    run = run_product(dataclasses.replace(SLOW, activation_buffer_kib=2), Product("p", 8, 254, 8, count=2))
    once = 786 + 512 + (274 + 32) + 254 + 254 + (3 + 3 + 8) + 32
    assert once == 2158
    assert (run.loop_order, run.trace.cycles) == ("columns_outer", 2 * once)
    assert (run.compute_cycles, run.stall_cycles) == (2 * (4 * 254 + 14), 2 * (once - 1030))
    assert run.dram_cycles == 2 * 1700  # (8768 + 16384 + 64 x 32) / 16
    assert (run.ideal_cycles, run.bound) == (2 * 8 * 254 * 8 // 16, "memory")
    assert run.utilization == 1016 / 2158
    counts = run.trace.counts
    assert (counts["mac"], counts["row_sum"], counts["group_epilogue"]) == (2 * 8 * 254 * 8, 2 * 8 * 254 * 2, 2 * 64 * 4)
    assert (counts["weight_buffer_read"], counts["weight_buffer_write"]) == (2 * 8768 * 2, 2 * 8768)
    assert (counts["activation_buffer_read"], counts["activation_buffer_write"]) == (2 * 16384 * 2, 2 * 16384)
    assert (counts["dram_read"], counts["dram_write"]) == (2 * (8768 + 16384), 2 * 2048)


def test_rows_outer_wins_by_hand() -> None:
    """Weights (8 x 1024 bits) fill 1 KiB exactly, of activations (16 x 1904) 2 KiB holds a strip but not all four.

    32 bit/cycle: a strip of weights takes 128 cycles, of activations 238, a tile's results 16; a tile takes 236.
    Tiles load 366, 128, 238, 0, 238, 0, 238, 0 cycles. With columns outermost all but two would load 238, those two 366.
    """
    run = run_product(dataclasses.replace(SLOW, clock_mhz=8000, activation_buffer_kib=2), Product("p", 16, 236, 8))
    overlapped = 236 + (238 + 16) + 236 + (238 + 16) + 236 + (238 + 16) + 236 + 236
    assert (run.loop_order, run.trace.cycles) == ("rows_outer", 366 + overlapped + (3 + 3 + 8) + 16)
    assert (run.dram_cycles, run.bound) == (1336, "compute")  # (8192 + 30464 + 128 x 32) / 32


@pytest.mark.parametrize(
    ("weight_kib", "activation_kib", "m", "k", "n", "weights", "activations"),
    [
        # A strip of weights and two groups, 16 x 344 + 6 x 80 + 2208 = 8192: beyond, each row of tiles loads them again.
        (1, 64, 8, 344, 8, 8 * (344 * 4 + 6 * 20), 8 * (344 * 8 + 16)),
        (1, 64, 8, 345, 8, 2 * 8 * (345 * 4 + 6 * 20), 8 * (345 * 8 + 16)),
        # A strip of activations and two groups, 4 x (122 x 8 + 16) + 4224 = 8192: beyond, so does each column of tiles.
        (64, 1, 12, 122, 8, 8 * (122 * 4 + 2 * 20), 12 * (122 * 8 + 16)),
        (64, 1, 12, 123, 8, 8 * (123 * 4 + 2 * 20), 2 * 12 * (123 * 8 + 16)),
        # All weights, 8 x (236 x 4 + 4 x 20) = 8192, while 2 KiB holds one strip of activations in four: beyond, it
        # costs fewer bits to load the activations once and the weights for each of four rows of tiles.
        (1, 2, 16, 236, 8, 8192, 16 * (236 * 8 + 16)),
        (1, 2, 16, 237, 8, 4 * 8 * (237 * 4 + 4 * 20), 16 * (237 * 8 + 16)),
        # All activations, 16 x (62 x 8 + 16) = 8192, while 1 KiB holds one strip of weights in 16: beyond, likewise.
        (1, 1, 16, 62, 64, 64 * (62 * 4 + 20), 8192),
        (1, 1, 16, 63, 64, 4 * 64 * (63 * 4 + 20), 16 * (63 * 8 + 16)),
    ],
)
def test_what_stays_at_the_boundary_and_one_operand_beyond(
    weight_kib: int, activation_kib: int, m: int, k: int, n: int, weights: int, activations: int
) -> None:
    design = dataclasses.replace(SMALL, weight_buffer_kib=weight_kib, activation_buffer_kib=activation_kib)
    counts = run_product(design, Product("p", m, k, n)).trace.counts
    assert (counts["weight_buffer_write"], counts["activation_buffer_write"]) == (weights, activations)
    assert counts["dram_read"] == weights + activations


def test_sizes_below_one_are_refused() -> None:
    for sizes in ((0, 4, 4, 1), (4, 0, 4, 1), (4, 4, 0, 1), (4, 4, 4, 0)):
        with pytest.raises(InputError, match=f"not {sizes[0]}x{sizes[1]}x{sizes[2]}, {sizes[3]} times"):
            Product("p", *sizes)


def width(format_name: str) -> int:
    return int(format_name.removeprefix("u").removeprefix("int"))


def weight_size(d: DesignPoint, k: int, columns: int) -> int:
    """[bit] Codes, and for each group a 16-bit scale and, where codes are unsigned, a zero point."""
    zero_point = width(d.weight_format) if d.weight_format.startswith("u") else 0
    return columns * (k * width(d.weight_format) + -(-k // d.group_size) * (16 + zero_point))


def activation_size(d: DesignPoint, rows: int, k: int) -> int:
    return rows * (k * width(d.activation_format) + 16)


def kept_sizes(d: DesignPoint, p: Product, order: str) -> tuple[int, int]:
    """[bit] What the scratchpads of weights and activations must hold: a strip and two groups (outer), or all."""
    if order == "columns_outer":
        strip = weight_size(d, p.k, min(p.n, d.columns)) + 2 * weight_size(d, d.group_size, d.columns)
        return min(strip, weight_size(d, p.k, p.n)), activation_size(d, p.m, p.k)
    strip = activation_size(d, min(p.m, d.rows), p.k) + 2 * activation_size(d, d.rows, d.group_size)
    return weight_size(d, p.k, p.n), min(strip, activation_size(d, p.m, p.k))


def replay(d: DesignPoint, p: Product, order: str) -> dict[str, int]:
    """Cycles, compute cycles and counts of one repetition, tile after tile, with the contents of the scratchpads."""
    tiles = [(r, c) for c in range(0, p.n, d.columns) for r in range(0, p.m, d.rows)]
    if order == "rows_outer":
        tiles.sort()
    kept = kept_sizes(d, p, order)
    room = (d.weight_buffer_kib * 8192, d.activation_buffer_kib * 8192)
    held: tuple[set[int], set[int]] = (set(), set())
    moved: dict[str, int] = dict.fromkeys(("weight_write", "weight_read", "activation_write", "activation_read", "row_sum"), 0)
    loads, stores = [], []
    for r, c in tiles:
        sizes = weight_size(d, p.k, min(d.columns, p.n - c)), activation_size(d, min(d.rows, p.m - r), p.k)
        load = 0
        for operand, strip in enumerate((c, r)):
            name = ("weight", "activation")[operand]
            moved[f"{name}_read"] += sizes[operand]
            if strip not in held[operand]:
                moved[f"{name}_write"] += sizes[operand]
                load += sizes[operand]
                if (operand == 0) == (order == "columns_outer"):
                    held[operand].clear()  # the outer operand's next strip takes the place of the one before
                if kept[operand] <= room[operand]:
                    held[operand].add(strip)
        moved["row_sum"] += min(d.rows, p.m - r) * p.k
        loads.append(load)
        stores.append(min(d.rows, p.m - r) * min(d.columns, p.n - c) * 32)
    lengths = [min(d.group_size, p.k - start) for start in range(0, p.k, d.group_size)]
    interval = sum(max(length, d.rows, d.columns) for length in lengths)
    no_wait = max(lengths[0], d.rows, d.columns) - lengths[0]  # the first group follows no other
    tail = (p.m - 1) % d.rows + (p.n - 1) % d.columns + 2 + 6 - no_wait
    now = move(d, loads[0])
    for i in range(len(tiles)):
        transfers = (move(d, loads[i + 1]) if i + 1 < len(tiles) else 0) + (move(d, stores[i - 1]) if i else 0)
        work = interval + (tail if i == len(tiles) - 1 else 0)
        now = max(now + work, now + transfers)
    return {"cycles": now + move(d, stores[-1]), "compute": len(tiles) * interval + tail, "store": sum(stores), **moved}


def move(d: DesignPoint, bits: int) -> int:
    return -(-bits * d.clock_mhz // (CHANNEL[d.memory] * d.memory_channels))


def check(d: DesignPoint, p: Product, run: ProductCycles) -> None:
    """The order that was chosen is a best one, and everything said of it is what its replay says."""
    replays = {order: replay(d, p, order) for order in LOOP_ORDERS}
    traffic = {o: move(d, p.count * (r["weight_write"] + r["activation_write"] + r["store"])) for o, r in replays.items()}
    r = replays[run.loop_order]
    assert (r["cycles"], traffic[run.loop_order]) == min((r["cycles"], traffic[o]) for o, r in replays.items())
    assert (run.trace.cycles, run.compute_cycles) == (r["cycles"] * p.count, r["compute"] * p.count)
    assert (run.stall_cycles, run.dram_cycles) == ((r["cycles"] - r["compute"]) * p.count, traffic[run.loop_order])
    assert run.bound == ("memory" if traffic[run.loop_order] > r["compute"] * p.count else "compute")
    macs = p.m * p.k * p.n
    assert run.ideal_cycles == -(-macs * p.count // (d.rows * d.columns))
    assert run.utilization == macs * p.count / (d.rows * d.columns * run.trace.cycles)
    counts = {
        "mac": macs,
        "row_sum": r["row_sum"],
        "group_epilogue": p.m * p.n * len(range(0, p.k, d.group_size)),
        "token_scale": p.m * p.n,
        "dram_read": r["weight_write"] + r["activation_write"],
        **dict.fromkeys(("output_buffer_read", "output_buffer_write", "dram_write"), r["store"]),
        **{f"{o}_buffer_{way}": r[f"{o}_{way}"] for o in ("weight", "activation") for way in ("read", "write")},
    }
    assert dict(run.trace.counts) == {action: many * p.count for action, many in counts.items()}


@st.composite
def designs(draw: st.DrawFn) -> DesignPoint:
    """Arrays so small that 1 KiB is enough for two groups, on slow and fast memories."""
    kib = st.one_of(st.integers(1, 3), st.integers(1, 16))
    return DesignPoint(
        "d",
        **dict(zip(("weight_format", "activation_format"), draw(st.sampled_from(FORMATS)), strict=True)),
        group_size=draw(st.sampled_from([4, 7, 16, 32])),
        rows=draw(st.integers(1, 7)),
        columns=draw(st.integers(1, 7)),
        weight_buffer_kib=draw(kib),
        activation_buffer_kib=draw(kib),
        memory=draw(st.sampled_from(sorted(CHANNEL))),
        memory_channels=draw(st.integers(1, 2)),
        clock_mhz=draw(st.sampled_from([100, 333, 500, 2000, 16_000])),
    )


@seed(20261122)
@settings(max_examples=400, deadline=None)
@given(d=designs(), m=st.integers(1, 30), n=st.integers(1, 30), count=st.integers(1, 3), data=st.data())
def test_every_product_is_its_replay(d: DesignPoint, m: int, n: int, count: int, data: st.DataObject) -> None:
    """At any k, and at the longest with which an operand stays, one less and one more."""
    order, operand = data.draw(st.sampled_from(LOOP_ORDERS)), data.draw(st.sampled_from([0, 1]))
    room = (d.weight_buffer_kib, d.activation_buffer_kib)[operand] * 8192
    longest = bisect_right(range(1, 1 << 16), room, key=lambda k: kept_sizes(d, Product("p", m, k, n), order)[operand])
    for k in {data.draw(st.integers(1, 400)), max(1, longest - 1), max(1, longest), longest + 1}:
        p = Product("p", m, k, n, count)
        check(d, p, run_product(d, p))


def test_the_memory_is_never_faster_than_its_traffic() -> None:
    """Tiles shorter than the array and a slow memory: the last tile's wait is not cut by what the first group did not wait."""
    d = DesignPoint("d", rows=16, columns=16, memory="lpddr4", memory_channels=1, clock_mhz=4000)
    run = run_product(d, Product("p", 1, 1, 33))
    assert run.trace.cycles >= run.dram_cycles
    assert run.trace.cycles >= run.compute_cycles
