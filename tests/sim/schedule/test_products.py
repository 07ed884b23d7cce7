"""Products calculated by hand: cycles and where they go, actions, traffic by tensor.

Weights are uint4 unless said otherwise: k x 4 bits of codes, and 16 + 4 of scale and zero point a group and column;
activations int8: k x 8 and 16 of scale a row; results 32. Registers: 2 of the PE, 6 of the epilogue.
"""

from dataclasses import replace
from typing import Any

import pytest

from sim.design import DesignPoint
from sim.errors import InputError
from sim.schedule import Product, ProductCycles, run_product
from sim.schedule.products import Blocking

SMALL = DesignPoint("small", rows=4, columns=4, memory="hbm2_peak", memory_channels=1)
"""256 Gb/s at 500 MHz: 512 bit/cycle."""

SLOW = replace(SMALL, clock_mhz=16_000, weight_buffer_kib=1, activation_buffer_kib=2, output_buffer_kib=1)
"""16 bit/cycle; 1 KiB is 8192 bits."""

FAST = replace(SMALL, memory_channels=64, bank_width=2048)
"""32768 bit/cycle, as wide as the banks together: any transfer below takes one cycle."""

WIDE = replace(SLOW, rows=8, columns=8, group_size=120)


def split(run: ProductCycles) -> tuple[int, int, int, int]:
    assert run.compute_cycles == run.ideal_cycles + run.edge_cycles + run.fill_cycles
    return run.ideal_cycles, run.edge_cycles, run.fill_cycles, run.stall_cycles


def test_one_tile() -> None:
    """One group, so k may be cut in steps of 4: 4 x 16 + 4 x 32 = 192 bits come first, in a cycle.

    In all 4 x (256 + 20) + 4 x (512 + 16) = 1104 + 2112 bits, the others in a cycle while 4 are computed: 192 each, and with
    the scales 336 the last time. Compute 64, 3 + 3 of skew, and 8 registers: 78. Store 16 x 32 bits: 1. Ports: a cycle for
    each of 16 blocks, for the first load and for the store.
    """
    run = run_product(SMALL, Product("p", 4, 64, 4))
    assert run.trace.cycles == 1 + 78 + 1
    assert split(run) == (64, 0, 14, 2)
    assert (run.dram_cycles, run.port_cycles, run.bound) == (8, 18, "compute")  # 3728 bits / 512
    assert run.utilization == 1024 / (16 * 80)
    assert (run.blocking.m, run.blocking.k, run.blocking.n) == (4, 4, 4)
    assert dict(run.dram_bits) == {"weights": 1104, "activations": 2112, "totals": 0, "results": 512}
    assert dict(run.trace.counts) == {
        "mac": 1024,
        "row_sum": 256,
        "partial_sum": 0,
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


def test_whole_bursts() -> None:
    """HBM2 moves 256 bits at a time, and a long stream gets 425/460 of 512 = 473.04 bit/cycle.

    Blocks of k = 16: three times 4 x 64 = 256 and 4 x 128 = 512 bits, as they are, in 1.6 cycles; at last with scales
    4 x (64 + 20) = 336 and 4 x (128 + 16) = 576, moved as 512 + 768. Blocks of 8 would move 8 x 256 of weights and
    as much of activations, blocks of 12 more of both; of 20, the first would take another cycle. 512 bits of results take
    1.1 cycles, all 1280 + 2304 + 512 take 8.7.
    """
    run = run_product(replace(SMALL, memory="hbm2"), Product("p", 4, 64, 4))
    assert (run.trace.cycles, run.dram_cycles) == (2 + 78 + 2, 9)
    assert dict(run.dram_bits) == {"weights": 1280, "activations": 2304, "totals": 0, "results": 512}
    assert (run.trace.counts["dram_read"], run.trace.counts["dram_write"]) == (3584, 512)
    assert (run.trace.counts["weight_buffer_write"], run.trace.counts["activation_buffer_write"]) == (1104, 2112)


def test_a_short_last_group() -> None:
    """k = 65: a group of 64 and a group of one, which takes as long as the array is high.

    Weights 4 x (65 x 4 + 2 x 20) = 1200 bits, activations 4 x (65 x 8 + 16) = 2144 bits: 3344 bits in 7 cycles.
    """
    run = run_product(SMALL, Product("p", 4, 65, 4))
    assert run.trace.cycles == 7 + (64 + 4 + 3 + 3 + 8) + 1
    assert split(run) == (65, 0, 17, 8)
    assert run.trace.counts["group_epilogue"] == 32
    assert (run.trace.counts["weight_buffer_read"], run.trace.counts["activation_buffer_read"]) == (1200, 2144)


def test_one_product_of_two_numbers() -> None:
    """One PE of 16 for one cycle, rounded up to one cycle of all; the first group of one does not wait for the array."""
    run = run_product(SMALL, Product("p", 1, 1, 1))
    assert run.trace.cycles == 1 + (1 + 8) + 1
    assert split(run) == (1, 0, 8, 2)
    assert run.utilization == 1 / (16 * 11)


def test_repetitions_follow_each_other() -> None:
    """Three times one tile: while the last block of one is computed (4), the next is loaded (1); of one before, stored (1)."""
    run = run_product(SMALL, Product("p", 4, 64, 4, count=3))
    assert run.trace.cycles == 1 + 64 + 64 + 78 + 1
    assert split(run) == (192, 0, 14, 2)
    assert (run.dram_cycles, run.utilization) == (22, 3072 / (16 * 208))  # 3 x 3728 / 512 = 21.8
    once = run_product(SMALL, Product("p", 4, 64, 4)).trace.counts
    assert dict(run.trace.counts) == {action: 3 * count for action, count in once.items()}


def test_cut_along_all_axes() -> None:
    """8 x 8 PEs, groups of 120, 16 x 240 x 24 in blocks of 8 x 120 x 8: no other fits, and nothing can stay.

    A block of weights has 8 x (480 + 20) = 4000 bits of the 4096 of half a KiB, of activations 8 x 960 = 7680 of 8192, and
    with the scales that come with the last one 7808; results are 16 x 24 x 32 = 12288, more than 8192, so totals of 2048
    bits a block go out and come back unless k is innermost. With k innermost, all 12 blocks load both operands. With n
    innermost, activations are loaded once, and 12 x 4000 + 2 x 15488 + 2 x 12288 of totals + 12288 of results = 115840
    bits are the fewest.

    At 16 bit/cycle and with m outermost, blocks load 730, 250, 250, 866 (with totals), 378, 378, and again; each stores 128;
    each computes 120, the last one 14 of skew and 8 registers more.
    """
    run = run_product(WIDE, Product("p", 16, 240, 24))
    overlapped = [250, 250 + 128, 866 + 128, 378 + 128, 378 + 128, 730 + 128, 250 + 128, 250 + 128, 866 + 128]
    overlapped += [378 + 128, 378 + 128, 142]
    assert run.trace.cycles == 730 + sum(overlapped) + 128
    assert (run.blocking.m, run.blocking.k, run.blocking.n, run.blocking.order[2]) == (8, 120, 8, "n")
    assert split(run) == (1440, 0, 22, 7254 - 1462)
    assert (run.dram_cycles, run.bound) == (7240, "memory")
    assert run.port_cycles == 13 * 8 + 1  # 7680 or 7808 bits at 1024 a cycle, in the first load too; 2048 at 2048 at last
    assert dict(run.dram_bits) == {"weights": 48000, "activations": 30976, "totals": 24576, "results": 12288}
    assert dict(run.trace.counts) == {
        "mac": 92160,
        "row_sum": 16 * 240 * 3,
        "partial_sum": 0,
        "group_epilogue": 16 * 24 * 2,
        "token_scale": 16 * 24,
        "weight_buffer_read": 48000,
        "weight_buffer_write": 48000,
        "activation_buffer_read": 3 * 2 * (7808 + 7680),
        "activation_buffer_write": 30976,
        "output_buffer_read": 12288 + 12288 + 12288,  # by the array at the second block of k; totals; results
        "output_buffer_write": 2 * 12288 + 12288,  # by the array; totals that came back
        "dram_read": 48000 + 30976 + 12288,
        "dram_write": 12288 + 12288,
    }


def test_an_operand_that_is_kept() -> None:
    """Groups of 250, 8 x 250 x 12: activations, 8 x 2016 = 16128 bits, stay in 2 KiB; weights, 12 x 1020, not in 1 KiB.

    16 bit/cycle: 4 columns of weights take 255 cycles, 4 rows of activations 504, results of 4 x 4 32. With n outermost,
    blocks of 250 cycles load 759, 504, 255, 0, 255, 0. With m outermost they would load weights twice; with one
    block of 8 rows, the first would load 1263.
    """
    run = run_product(replace(SLOW, group_size=250), Product("p", 8, 250, 12))
    assert run.trace.cycles == 759 + 504 + (255 + 32) + 250 + (255 + 32) + 250 + (250 + 14) + 32
    assert split(run) == (1500, 0, 14, 2633 - 1514)
    assert (run.blocking.m, run.blocking.n) == (4, 4)
    assert run.blocking.order.index("n") < run.blocking.order.index("m")
    assert (run.dram_cycles, run.bound) == (1965, "memory")  # (12240 + 16128 + 96 x 32) / 16
    assert dict(run.dram_bits) == {"weights": 12240, "activations": 16128, "totals": 0, "results": 3072}
    counts = run.trace.counts
    assert (counts["weight_buffer_write"], counts["weight_buffer_read"]) == (12240, 2 * 12240)
    assert (counts["activation_buffer_write"], counts["activation_buffer_read"]) == (16128, 3 * 16128)


def test_an_operand_that_is_kept_while_the_next_comes() -> None:
    """The same twice, with room for both: the last block of the first loads the first block of the second and stores."""
    d = replace(SLOW, group_size=250, activation_buffer_kib=4)
    run = run_product(d, Product("p", 8, 250, 12, count=2))
    first = 759 + 504 + (255 + 32) + 250 + (255 + 32) + 250
    assert run.trace.cycles == first + (759 + 32) + (504 + 32) + (255 + 32) + 250 + (255 + 32) + 250 + (250 + 14) + 32
    assert dict(run.dram_bits) == {"weights": 24480, "activations": 32256, "totals": 0, "results": 6144}


def test_an_operand_that_could_be_kept_but_for_the_next() -> None:
    """The same twice, with room for one: weights come again for each row of blocks, as activations are the longer ones.

    Blocks load 759, 255, 255, 759, 255, 255, and again.
    """
    run = run_product(replace(SLOW, group_size=250), Product("p", 8, 250, 12, count=2))
    rows = [255, 255 + 32, 759 + 32] + [255 + 32, 255 + 32, 759 + 32] * 2 + [255 + 32, 255 + 32, 250 + 14]
    assert run.trace.cycles == 759 + sum(rows) + 32
    assert dict(run.dram_bits) == {"weights": 48960, "activations": 32256, "totals": 0, "results": 6144}


@pytest.mark.parametrize(
    ("ports", "cycles"),
    [
        # One port: all weights pass it twice; whether at once or in pieces, the array's 4 cycles of each are hidden.
        (1, 276 + 276 + 2),
        # Two: the next block passes the DRAM's port while the array reads the one before, so the smallest first block wins.
        (2, 8 + 14 * 8 + 18 + 18 + 14 * 8 + 18 + 18 + 2),
    ],
)
def test_ports_of_a_narrow_scratchpad(ports: int, cycles: int) -> None:
    """A bank of 8 bit/cycle for weights: 4 x 4 take 8 cycles, with scales 18, and all 8 columns 2208 / 8 = 276.

    The array takes 4 cycles for a block of k = 4, the last time 18, so ports are what all time goes to. Nothing overlaps with
    the first load, which the DRAM does in a cycle, nor with the last store of 512 bits, one cycle of the DRAM and two of 32
    banks; 8 columns at once would store in four. With two ports, loads and reads of a column of blocks are 15 times 8 and
    once 18; a load of 18 overlaps with a read of 8, then the read of 18 with a load of 8.
    """
    d = replace(SMALL, weight_buffer_banks=1, bank_width=8, bank_ports=ports)
    run = run_product(d, Product("p", 4, 64, 8))
    assert (run.trace.cycles, run.blocking.n, run.port_cycles) == (cycles, 4, cycles)
    assert split(run) == (128, 0, 14, cycles - 142)
    assert run.bound == "memory"
    assert run.dram_cycles < run.compute_cycles


@pytest.mark.parametrize(
    ("dataflow", "ideal", "edges", "fill", "partial_sums"),
    [
        # 16 tiles of 64 cycles, of which one row in four is at work; 3 of skew, 8 registers.
        ("output_stationary", 256, 768, 3 + 8, 0),
        # 16 folds x 16 strips, each one cycle of stream, but 4 of loading the next; 4 before the first, 1 of stream less
        # the 4 of its fold, 3 + 3 of skew; 9 registers with the foot's. Of a group, 15 sums wait in the scratchpad.
        ("weight_stationary", 256, 0, 768 + 4 + 1 - 4 + 6 + 9, 15 * 64),
        # 16 folds with a stream of 64, one column in four at work; 4 of loading, 3 of skew; 9 registers.
        ("input_stationary", 256, 768, 4 + 3 + 9, 15 * 64),
        # 16 results a unit of 16 steps; 2 registers, 2 levels of the tree, 6 of the epilogue.
        ("dot_product", 256, 0, 10, 0),
    ],
)
def test_a_row_of_activations(dataflow: str, ideal: int, edges: int, fill: int, partial_sums: int) -> None:
    """Decoding, 1 x 64 x 64 on 4 x 4 PEs, one group: 4096 MACs / 16. A cycle to load the first block, one to store."""
    run = run_product(replace(FAST, dataflow=dataflow), Product("p", 1, 64, 64))
    assert split(run) == (ideal, edges, fill, 2)
    assert run.trace.cycles == ideal + edges + fill + 2
    assert run.utilization == 256 / run.trace.cycles
    assert run.trace.counts["partial_sum"] == partial_sums


def test_edges_of_repetitions() -> None:
    """Three heads of 1 x 64 x 4: each a tile of 64 cycles with one row in four at work; 3 of skew, 8 registers."""
    run = run_product(FAST, Product("p", 1, 64, 4, count=3))
    assert split(run) == (48, 144, 11, 2)


def test_sums_between_folds() -> None:
    """8 rows of weights in folds of 4, 3 x 8 x 4: one of two folds' sums a result is written and read, beside the total.

    A sum of 8 products of uint4 and int8 is at least 8 x 15 x -128 = -15360: 15 bits. 12 results x (32 + 15) written by the
    array, 12 x 15 read, 12 x 32 stored.
    """
    run = run_product(replace(FAST, dataflow="weight_stationary", group_size=8), Product("p", 3, 8, 4))
    counts = run.trace.counts
    assert counts["partial_sum"] == 12
    assert counts["output_buffer_write"] == 12 * 47
    assert counts["output_buffer_read"] == 12 * 47
    assert counts["row_sum"] == 3 * 8
    assert (counts["weight_buffer_read"], counts["activation_buffer_read"]) == (4 * (32 + 20), 3 * (64 + 16))


@pytest.mark.parametrize(
    ("fields", "sizes", "ideal", "fill", "loads", "stores"),
    [
        # Four cycles a MAC; 6 of skew, 4 + 6 registers of which 3 are the last MAC's own; loads as of one tile.
        ({"pe": "bit_serial"}, (4, 64, 4), 256, 6 + 7, 1, 1),
        # 2 x 2 products a PE: 8 x 8 at once; 6 + 6 registers. First 8 x 16 bits of each operand: 256; 2048 of results.
        ({"pe": "dsp_packed", "weight_format": "int4", "activation_format": "int4"}, (8, 64, 8), 64, 6 + 12, 1, 4),
        # 2 x 1 products a PE: 8 x 4. First 4 x 32 of weights, 8 x 32 of activations: 384 bits; 1024 of results.
        ({"pe": "dsp_packed", "weight_format": "int8"}, (8, 64, 4), 64, 6 + 12, 1, 2),
    ],
)
def test_rates_of_pes(
    fields: dict[str, Any], sizes: tuple[int, int, int], ideal: int, fill: int, loads: int, stores: int
) -> None:
    run = run_product(replace(SMALL, **fields), Product("p", *sizes))
    assert split(run) == (ideal, 0, fill, loads + stores)
    assert run.trace.cycles == loads + ideal + fill + stores


@pytest.mark.parametrize(("kind", "tensor"), [("scores", "keys"), ("values", "values")])
def test_a_cache_with_a_format_of_its_own(kind: Any, tensor: str) -> None:
    """int8 without zero points: 4 x (512 + 16) = 2112 bits, of both operands 2 x 4 x 32 first; weights stay uint4."""
    d = replace(SMALL, kv_format="int8")
    run = run_product(d, Product("p", 4, 64, 4, kind=kind))
    assert dict(run.dram_bits) == {tensor: 2112, "activations": 2112, "totals": 0, "results": 512}
    assert run.trace.cycles == 1 + 78 + 1
    assert dict(run_product(d, Product("p", 4, 64, 4)).dram_bits)["weights"] == 1104


def test_floats_have_neither_row_sums_nor_scales_of_tokens() -> None:
    """fp16 by fp16: no zero point to correct, and 16-bit activations are the numbers themselves: 4 x 64 x 16 bits."""
    d = replace(SMALL, pe="multiplier", weight_format="fp16", activation_format="fp16", accumulator="fp32")
    counts = run_product(d, Product("p", 4, 64, 4)).trace.counts
    assert (counts["row_sum"], counts["token_scale"]) == (0, 0)
    assert (counts["activation_buffer_write"], counts["weight_buffer_write"]) == (4096, 4 * (64 * 16 + 16))


def test_a_product_is_remembered_by_its_sizes_and_keeps_its_name() -> None:
    first, second = run_product(SMALL, Product("first", 4, 64, 4)), run_product(SMALL, Product("second", 4, 64, 4))
    assert (first.product.name, second.product.name) == ("first", "second")
    assert first.trace == second.trace


@pytest.mark.parametrize(
    ("blocking", "block_pieces", "row_pieces"),
    [
        # 8 x 128 x 12, twice: 2 blocks along m, 2 along k, 3 along n.
        ((4, 64, 4, ("m", "n", "k")), 2 * 6, 2 * 2),
        ((4, 64, 4, ("n", "m", "k")), 2 * 6, 2 * 1),  # the last column of blocks completes every row
        ((4, 64, 4, ("m", "k", "n")), 2 * 2, 2 * 2),  # rows complete with the last k, n after n
        ((4, 64, 4, ("n", "k", "m")), 2 * 3, 2 * 1),
        ((4, 64, 4, ("k", "m", "n")), 2 * 1, 2 * 1),
        ((4, 64, 4, ("k", "n", "m")), 2 * 1, 2 * 1),
        ((4, 128, 4, ("k", "m", "n")), 2 * 6, 2 * 2),  # k whole: its place does not matter
        ((4, 128, 4, ("k", "n", "m")), 2 * 6, 2 * 1),
        ((4, 64, 12, ("n", "m", "k")), 2 * 2, 2 * 2),  # n whole
        ((4, 64, 12, ("n", "k", "m")), 2 * 1, 2 * 1),
        ((8, 64, 4, ("m", "n", "k")), 2 * 3, 2 * 1),  # m whole
        ((8, 128, 12, ("m", "k", "n")), 2, 2),
    ],
)
def test_pieces(blocking: tuple[int, int, int, Any], block_pieces: int, row_pieces: int) -> None:
    """Results are complete, block after block, as far as no block of k comes again; rows only if no block of n does."""
    run = run_product(SMALL, Product("p", 8, 128, 12, count=2))
    cut = replace(run, blocking=Blocking(*blocking))
    assert (cut.block_pieces, cut.row_pieces) == (block_pieces, row_pieces)


def test_a_blocking_in_words() -> None:
    assert str(Blocking(8, 64, 12, ("n", "m", "k"))) == "n12 m8 k64"


def test_sizes_below_one_are_refused() -> None:
    for sizes in ((0, 4, 4, 1), (4, 0, 4, 1), (4, 4, 0, 1), (4, 4, 4, 0)):
        with pytest.raises(InputError, match=f"not {sizes[0]}x{sizes[1]}x{sizes[2]}, {sizes[3]} times"):
            Product("p", *sizes)


def test_blocks_of_both_operands_have_their_scales_beside_them() -> None:
    """70 k are three blocks of at most 32: 4 x 70 bits of codes and 3 x 8 of scales, a row of activations or a column."""
    formats = {"pe": "minifloat", "weight_format": "e2m1", "activation_format": "e2m1", "group_size": 32, "scaling": "mx"}
    design = replace(SMALL, **formats)
    run = run_product(design, Product("p", 5, 70, 6))
    assert (run.dram_bits["activations"], run.dram_bits["weights"]) == (5 * (280 + 24), 6 * (280 + 24))
    assert (run.trace.counts["row_sum"], run.trace.counts["token_scale"]) == (0, 0)
