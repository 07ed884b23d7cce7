"""The DRAM devices against their standards, the cycles of a transfer, and the scratchpads that are too small.

A channel's bandwidth is its pins times the rate of a pin, typed in by hand.
"""

import dataclasses

import numpy as np
import pytest

from sim.design import DesignPoint
from sim.errors import InputError
from sim.memory import DRAM_ENERGY_SWEEP, MEMORIES
from sim.schedule import Product, run_product, transfer_cycles

SMALL = DesignPoint("small", rows=4, columns=4, memory="hbm2", memory_channels=1)


@pytest.mark.parametrize(
    ("name", "bits_per_second", "energy_per_bit"),
    [
        ("lpddr4", 51_200_000_000, 8.0),  # JESD209-4: 16 bit x 3200 Mb/s = 51.2 Gb/s = 6.4 GB/s
        ("ddr4", 204_800_000_000, 20.0),  # JESD79-4: 64 bit x 3200 Mb/s = 204.8 Gb/s = 25.6 GB/s; 1300 pJ / 64 bit = 20.3
        ("hbm2", 256_000_000_000, 3.9),  # JESD235: 128 bit x 2000 Mb/s = 256 Gb/s = 32 GB/s, an eighth of a stack's 256
        ("hbm3", 409_600_000_000, 4.0),  # JESD238: 64 bit x 6400 Mb/s = 409.6 Gb/s = 51.2 GB/s, a 16th of a stack's 819.2
    ],
)
def test_one_channel(name: str, bits_per_second: int, energy_per_bit: float) -> None:
    assert MEMORIES[name].bits_per_second == bits_per_second
    assert MEMORIES[name].energy_per_bit == energy_per_bit


def test_these_are_all_and_each_names_its_source() -> None:
    assert sorted(MEMORIES) == ["ddr4", "hbm2", "hbm3", "lpddr4"]
    assert all("JESD" in dram.source and "pJ/bit" in dram.source for dram in MEMORIES.values())


def test_the_sweep_of_energies() -> None:
    assert DRAM_ENERGY_SWEEP == (4.0, 8.0, 19.0)


@pytest.mark.parametrize(
    ("buffer", "rows", "columns", "smallest"),
    [
        ("weight", 16, 16, 2),  # 2 x 16 x (64 x 4 + 20) = 8832 bits
        ("activation", 16, 16, 3),  # 2 x 16 x (64 x 8 + 16) = 16896 bits
        ("output", 16, 16, 2),  # 2 x 16 x 16 x 32 = 16384 bits, 2 KiB exactly
        ("output", 16, 17, 3),
    ],
)
def test_a_scratchpad_too_small_is_refused(buffer: str, rows: int, columns: int, smallest: int) -> None:
    design = dataclasses.replace(SMALL, rows=rows, columns=columns)
    enough = dataclasses.replace(design, **{f"{buffer}_buffer_kib": smallest})
    assert run_product(enough, Product("p", 1, 1, 1)).trace.cycles > 0
    message = f"^{buffer}_buffer_kib of a {rows}x{columns} array with groups of 64 is at least {smallest}, not {smallest - 1}$"
    with pytest.raises(InputError, match=message):
        run_product(dataclasses.replace(design, **{f"{buffer}_buffer_kib": smallest - 1}), Product("p", 1, 1, 1))


@pytest.mark.parametrize(
    ("clock_mhz", "bits", "cycles"),
    [
        (500, [0, 1, 512, 513], [0, 1, 1, 2]),
        # 256000/333 = 768.77 bit/cycle
        (333, [1, 768, 769, 1537, 1538, 256_000, 256_001], [1, 1, 2, 2, 3, 333, 334]),
    ],
)
def test_transfer_cycles_round_up(clock_mhz: int, bits: list[int], cycles: list[int]) -> None:
    design = dataclasses.replace(SMALL, clock_mhz=clock_mhz)
    assert [transfer_cycles(design, b) for b in bits] == cycles
    assert transfer_cycles(design, np.array(bits)).tolist() == cycles
    assert transfer_cycles(dataclasses.replace(design, memory_channels=2), 2 * np.array(bits)).tolist() == cycles
