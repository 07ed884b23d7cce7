"""The DRAM devices against their standards, the cycles of a transfer, ports, and the scratchpads that are too small.

A channel's bandwidth is its pins times the rate of a pin, a burst its pins times the length of a burst, typed in by hand.
"""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sim.design import DesignPoint
from sim.errors import InputError
from sim.memory import DRAM_ENERGY_SWEEP, MEMORIES, Prices, Scratchpad
from sim.schedule import Product, check_buffers, run_product
from sim.schedule.pipeline import transfer_cycles

SMALL = DesignPoint("small", rows=4, columns=4, memory="hbm2_peak", memory_channels=1)


@pytest.mark.parametrize(
    ("name", "bits_per_second", "burst_bits", "efficiency", "energy_per_bit"),
    [
        # JESD209-4: 16 bit x 3200 Mb/s = 6.4 GB/s, BL16 = 32 B; refresh takes 280 of every 3904 ns.
        ("lpddr4", 51_200_000_000, 256, Fraction(3624, 3904), 8.0),
        # JESD79-4: 64 bit x 3200 Mb/s = 25.6 GB/s, BL8 = 64 B; 18.0 of 19.2 GB/s measured; 1300 pJ / 64 bit = 20.3.
        ("ddr4", 204_800_000_000, 512, Fraction(180, 192), 20.0),
        # JESD235: 128 bit x 2000 Mb/s = 32 GB/s, an eighth of a stack's 256; pseudo channels of 64 bit, BL4 = 32 B; 425 of
        # 460 GB/s measured.
        ("hbm2", 256_000_000_000, 256, Fraction(425, 460), 3.9),
        ("hbm2_peak", 256_000_000_000, 1, Fraction(1), 3.9),
        # JESD238: 64 bit x 6400 Mb/s = 51.2 GB/s, a 16th of a stack's 819.2; pseudo channels of 32 bit, BL8 = 32 B; refresh
        # takes 350 of every 3900 ns at 8 Gb a channel (Ramulator 2's HBM3.cpp: 160, 260, 350, 450 ns at 2, 4, 8, 16 Gb).
        ("hbm3", 409_600_000_000, 256, Fraction(3550, 3900), 4.0),
    ],
)
def test_one_channel(name: str, bits_per_second: int, burst_bits: int, efficiency: Fraction, energy_per_bit: float) -> None:
    dram = MEMORIES[name]
    assert (dram.bits_per_second, dram.burst_bits, dram.efficiency) == (bits_per_second, burst_bits, efficiency)
    assert dram.sustained_bits_per_second == bits_per_second * efficiency
    assert dram.energy_per_bit == energy_per_bit


def test_sustained_rates_in_numbers() -> None:
    """[Gb/s] 51.2 x 0.92828, 204.8 and 153.6 x 0.9375, 256, 230.4 and 409.6 x 0.92391, 409.6 x 0.91026."""
    sustained = {name: round(float(dram.sustained_bits_per_second / 10**9), 2) for name, dram in MEMORIES.items()}
    assert sustained == {
        "lpddr4": 47.53,
        "ddr4": 192.0,
        "ddr4_2400": 144.0,
        "hbm2": 236.52,
        "hbm2_1800": 212.87,
        "hbm2e": 378.43,
        "hbm2_peak": 256.0,
        "hbm3": 372.84,
    }


def test_each_names_its_source() -> None:
    assert all(re.search(r"JESD|hbm2 at its peak", d.source) and "pJ/bit" in d.source for d in MEMORIES.values())


def test_the_sweep_of_energies() -> None:
    assert DRAM_ENERGY_SWEEP == (4.0, 8.0, 19.0)


@pytest.mark.parametrize(
    ("name", "bits", "moved"),
    [
        ("hbm2", [0, 1, 255, 256, 257, 1024], [0, 256, 256, 256, 512, 1024]),
        ("ddr4", [0, 1, 512, 513], [0, 512, 512, 1024]),
        ("hbm2_peak", [0, 1, 257], [0, 1, 257]),
    ],
)
def test_whole_bursts(name: str, bits: list[int], moved: list[int]) -> None:
    assert [MEMORIES[name].moved(b) for b in bits] == moved
    assert MEMORIES[name].moved(np.array(bits)).tolist() == moved


@pytest.mark.parametrize(
    ("memory", "clock_mhz", "bits", "cycles"),
    [
        ("hbm2_peak", 500, [0, 1, 512, 513], [0, 1, 1, 2]),
        # 256000/333 = 768.77 bit/cycle
        ("hbm2_peak", 333, [1, 768, 769, 1537, 1538, 256_000, 256_001], [1, 1, 2, 2, 3, 333, 334]),
        # 192 Gb/s: 384 bit/cycle
        ("ddr4", 500, [384, 385, 768, 769], [1, 2, 2, 3]),
        # 512 x 85/92 = 10880/23 = 473.04 bit/cycle: in 23 cycles 10880
        ("hbm2", 500, [473, 474, 946, 947, 10_880, 10_881], [1, 2, 2, 3, 23, 24]),
        # 102.4 x 453/488 = 95.056 bit/cycle: in 61 cycles 102.4 x 453/8 = 5798.4
        ("lpddr4", 500, [95, 96, 5798, 5799], [1, 2, 61, 62]),
    ],
)
def test_transfer_cycles_round_up(memory: str, clock_mhz: int, bits: list[int], cycles: list[int]) -> None:
    design = replace(SMALL, memory=memory, clock_mhz=clock_mhz)
    assert [transfer_cycles(design, b) for b in bits] == cycles
    assert transfer_cycles(design, np.array(bits)).tolist() == cycles
    assert transfer_cycles(replace(design, memory_channels=2), 2 * np.array(bits)).tolist() == cycles


def test_transfer_cycles_of_a_petabit() -> None:
    """51.2 x 453/488 Gb/s at 997 MHz is 2899200/60817 bit/cycle: 10**15 x 60817 is more than an int64 holds.

    10**15 x 60817 / 2899200 = 20977166114790.29
    """
    design = replace(SMALL, memory="lpddr4", clock_mhz=997)
    assert 60817 * design.dram_bits_per_cycle == 2899200
    assert transfer_cycles(design, np.array([10**15])).tolist() == [20_977_166_114_791]
    assert transfer_cycles(design, 10**15) == 20_977_166_114_791


@pytest.mark.parametrize(
    ("ports", "array_bits", "dram_bits", "cycles"),
    [
        # Four banks of 8 bit/cycle: 32 bits.
        (1, 0, 0, 0),
        (1, 32, 32, 2),  # one port: one after the other
        (1, 33, 31, 2),
        (1, 33, 32, 3),
        (2, 32, 32, 1),  # two: side by side
        (2, 33, 1, 2),
        (2, 1, 65, 3),
    ],
)
def test_ports(ports: int, array_bits: int, dram_bits: int, cycles: int) -> None:
    pad = Scratchpad(kib=2, banks=4, ports=ports, width=8)
    assert (pad.bits, pad.bits_per_cycle) == (16_384, 32)
    assert pad.busy_cycles(array_bits, dram_bits) == cycles
    assert pad.busy_cycles(np.array([array_bits]), np.array([dram_bits])).tolist() == [cycles]


def test_scratchpads_of_a_design() -> None:
    design = replace(SMALL, weight_buffer_kib=1, activation_buffer_banks=3, bank_ports=1, bank_width=48)
    assert design.scratchpads == {
        "weight": Scratchpad(1, 16, 1, 48),
        "activation": Scratchpad(256, 3, 1, 48),
        "output": Scratchpad(128, 32, 1, 48),
    }


def test_prices_by_action() -> None:
    prices = Prices(dram=1.0, weight_buffer=2.0, activation_buffer=3.0, output_buffer=4.0)
    actions = ["dram_read", "weight_buffer_read", "weight_buffer_write", "activation_buffer_read", "output_buffer_write"]
    assert [prices.of(action) for action in actions] == [1.0, 2.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("fields", "buffer", "smallest"),
    [
        # Output-stationary: 16 x 16 results at once. 2 x 16 x (64 x 4 + 20) = 8832 bits
        ({}, "weight", 2),
        ({}, "activation", 3),  # 2 x 16 x (64 x 8 + 16) = 16896 bits
        ({}, "output", 2),  # 2 x 16 x 16 x 32 = 16384 bits, 2 KiB exactly
        ({"columns": 17}, "output", 3),
        # Weight-stationary: one row of 16 results; 18 bits of partial sum are beside each of them: 64 x 15 x -128.
        ({"dataflow": "weight_stationary"}, "weight", 2),
        ({"dataflow": "weight_stationary", "group_size": 512}, "activation", 2),  # 2 x (512 x 8 + 16) = 8224
        ({"dataflow": "weight_stationary", "columns": 82}, "output", 2),  # 2 x 82 x (32 + 18) = 8200
        ({"dataflow": "weight_stationary", "columns": 129, "rows": 64}, "output", 2),  # one fold: 2 x 129 x 32 = 8256
        # Input-stationary: one column of 16 results.
        ({"dataflow": "input_stationary", "group_size": 1024}, "weight", 2),  # 2 x (1024 x 4 + 20) = 8232
        ({"dataflow": "input_stationary"}, "activation", 3),
        ({"dataflow": "input_stationary", "columns": 82}, "output", 2),
        # Dot products: one row of 16 results.
        ({"dataflow": "dot_product"}, "weight", 2),
        ({"dataflow": "dot_product", "group_size": 512}, "activation", 2),
        ({"dataflow": "dot_product", "columns": 129}, "output", 2),  # 2 x 129 x 32
        # Two activations and two weights side by side: 32 x 32 results at once.
        ({"pe": "dsp_packed", "weight_format": "int4", "activation_format": "int4"}, "output", 8),
    ],
)
def test_a_scratchpad_too_small_is_refused(fields: dict[str, Any], buffer: str, smallest: int) -> None:
    """One sentence with the smallest size that would do; and that does do, for the smallest product and for a larger one."""
    design = replace(SMALL, **{"rows": 16, "columns": 16, **fields})
    enough = replace(design, **{f"{buffer}_buffer_kib": smallest})
    several_groups = design.group_size + 1
    check_buffers(enough, several_groups)
    assert run_product(enough, Product("p", 1, several_groups, 1)).trace.cycles > 0
    assert run_product(enough, Product("p", 40, 2 * design.group_size + 1, 100)).trace.cycles > 0
    short = replace(design, **{f"{buffer}_buffer_kib": smallest - 1})
    message = (
        f"{buffer}_buffer_kib of a {design.rows}x{design.columns} {design.dataflow} array with groups of "
        f"{design.group_size} is at least {smallest}, not {smallest - 1}"
    )
    product = Product("p", 1, several_groups, 1)
    for refused in (lambda: check_buffers(short, several_groups), lambda: run_product(short, product)):
        with pytest.raises(InputError, match=f"^{message}$"):
            refused()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("memory_channels", 0, "memory_channels of a design is between 1 and 65536, not 0"),
        ("bank_ports", 0, "bank_ports of a design is between 1 and 65536, not 0"),
        ("bank_ports", 3, "bank_ports of a design is 1 or 2, not 3"),
        ("bank_width", 0, "bank_width of a design is between 1 and 65536, not 0"),
        ("output_buffer_banks", -1, "output_buffer_banks of a design is between 1 and 65536, not -1"),
        ("weight_buffer_kib", 65537, "weight_buffer_kib of a design is between 1 and 65536, not 65537"),
        ("memory", "ddr5", "unknown memory 'ddr5'; known are lpddr4, ddr4, ddr4_2400, hbm2, hbm2e, hbm2_1800, hbm2_peak, hbm3"),
    ],
)
def test_memories_that_cannot_be_built(field: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        replace(SMALL, **{field: value})
