"""Cycles and counts of a product by hand, and what must hold for any."""

import dataclasses

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim.design import DesignPoint, load_design
from sim.errors import InputError
from sim.schedule import Product, run_product, transfer_cycles
from sim.trace import ACTIONS

SMALL = DesignPoint("small", rows=4, columns=4, memory="hbm2", memory_channels=1)


def test_one_tile_by_hand() -> None:
    """HBM2 channel: 32 GB/s at 500 MHz is 512 bit/cycle.

    Load 4 x 64 weights of 4 bits + 4 groups of 20 bits + 4 x 64 activations of 8 bits + 4 scales of 16 bits =
    3216 bits: 7 cycles. Compute 64 + 3 + 3 + 8 = 78 (see test_array). Store 16 results of 32 bits: 1 cycle.
    """
    run = run_product(SMALL, Product("p", 4, 64, 4))
    assert run.trace.cycles == 7 + 78 + 1
    assert (run.compute_cycles, run.stall_cycles, run.ideal_cycles) == (78, 8, 64)
    assert run.dram_cycles == -(-(3216 + 512) // 512)
    assert run.bound == "compute"
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


def test_operands_are_read_once_per_tile_and_loaded_once() -> None:
    run = run_product(SMALL, Product("p", 8, 64, 12))
    counts = run.trace.counts
    assert counts["weight_buffer_read"] == 3 * 1104 * 2  # each column of tiles for both rows of tiles
    assert counts["activation_buffer_read"] == 2 * 2112 * 3
    assert counts["row_sum"] == 8 * 64 * 3
    assert counts["dram_read"] == 3 * 1104 + 2 * 2112


def test_a_slow_memory_stalls_the_array() -> None:
    """51.2 bit/cycle from one LPDDR4 channel at 1 GHz: six tiles, whose loads and stores take longer than 64 cycles."""
    slow = dataclasses.replace(SMALL, memory="lpddr4", clock_mhz=1000)
    run = run_product(slow, Product("p", 4, 64, 24))
    first, weights, store = -(-3216 * 10 // 512), -(-1104 * 10 // 512), 10
    overlapped = max(64, weights) + 4 * max(64, weights + store) + max(64, store)
    assert run.trace.cycles == first + overlapped + (3 + 3 + 8) + store
    memory_bound = run_product(dataclasses.replace(slow, rows=4, columns=64), Product("p", 1, 64, 6400))
    assert memory_bound.bound == "memory"
    assert memory_bound.stall_cycles > 0


def test_activations_that_do_not_fit_are_loaded_again() -> None:
    """64 x 1024 activations of 8 bits are 64 KiB: half of 128 KiB holds all but the scales, half of 256 KiB all."""
    product = Product("p", 64, 1024, 512)
    roomy = DesignPoint("d", weight_buffer_kib=16)
    tight = dataclasses.replace(roomy, activation_buffer_kib=64)
    once = run_product(roomy, product).trace.counts["activation_buffer_write"]
    assert once == 64 * 1024 * 8 + 64 * 16
    again = run_product(tight, product).trace.counts
    assert again["activation_buffer_write"] + again["weight_buffer_write"] > once + (1024 * 512 * 4 + 16 * 512 * 20)


@pytest.mark.parametrize(("bits", "cycles"), [(0, 0), (1, 1), (512, 1), (513, 2)])
def test_transfer_cycles_round_up(bits: int, cycles: int) -> None:
    assert transfer_cycles(SMALL, bits) == cycles


@seed(20261122)
@settings(max_examples=200, deadline=None)
@given(
    m=st.integers(1, 300),
    k=st.integers(1, 700),
    n=st.integers(1, 300),
    count=st.integers(1, 4),
    kib=st.sampled_from([1, 8, 128]),
)
def test_what_holds_for_any_product(m: int, k: int, n: int, count: int, kib: int) -> None:
    design = dataclasses.replace(load_design("edge-w4a8"), weight_buffer_kib=kib, activation_buffer_kib=kib)
    run = run_product(design, Product("p", m, k, n, count))
    assert run.trace.cycles == run.compute_cycles + run.stall_cycles
    assert run.trace.cycles >= max(run.ideal_cycles, run.dram_cycles)
    assert run.stall_cycles > 0
    assert 0 < run.utilization <= 1
    assert set(run.trace.counts) == set(ACTIONS)
    assert run.trace.counts["mac"] == m * k * n * count
    assert run.trace.counts["dram_read"] >= count * (k * n * 4 + m * k * 8)


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(InputError, match="not 4x0x4"):
        Product("p", 4, 0, 4)
