"""DRAM devices, each figure with its source, and the scratchpads on the chip."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Bits = TypeVar("Bits", int, NDArray[np.int64])


@dataclass(frozen=True)
class Dram:
    """One channel of a DRAM device.

    ``burst_bits`` is the least that it moves; ``efficiency`` the share of its peak rate that a long stream sustains.
    """

    bits_per_second: int
    burst_bits: int
    efficiency: Fraction
    energy_per_bit: float  # [pJ/bit]
    source: str

    @property
    def sustained_bits_per_second(self) -> Fraction:
        """What a long stream gets of a channel [bit/s]."""
        return self.bits_per_second * self.efficiency

    def moved(self, bits: Bits) -> Bits:
        """Bits that are moved for so many that lie one after the other: whole bursts."""
        return -(-bits // self.burst_bits) * self.burst_bits


@dataclass(frozen=True)
class Scratchpad:
    """A memory on the chip of ``kib`` KiB in banks, each with ``ports`` ports of ``width`` [bit/cycle]."""

    kib: int
    banks: int
    ports: int
    width: int

    @property
    def bits(self) -> int:
        """Capacity [bit]."""
        return self.kib * 1024 * 8

    @property
    def bits_per_cycle(self) -> int:
        """What one port of all banks together moves [bit/cycle]."""
        return self.banks * self.width

    def busy_cycles(self, array_bits: Bits, dram_bits: Bits) -> Bits:
        """Cycles in which so many bits pass to or from the array, and so many to or from the DRAM, side by side or not."""
        busiest: Bits = array_bits + dram_bits if self.ports == 1 else np.maximum(array_bits, dram_bits)
        return -(-busiest // self.bits_per_cycle)


def _refresh(busy_ns: int, interval_ns: int) -> Fraction:
    """What all-bank refresh leaves of the time."""
    return 1 - Fraction(busy_ns, interval_ns)


MEMORIES: dict[str, Dram] = {
    "lpddr4": Dram(
        bits_per_second=16 * 3_200_000_000,
        burst_bits=16 * 16,
        efficiency=_refresh(280, 3904),
        energy_per_bit=8.0,
        source="JESD209-4: x16 channel at 3200 Mb/s a pin, BL16; sustained: all-bank refresh, tRFCab 280 ns each tREFI "
        "3.904 us (8 Gb a channel); 8 pJ/bit as commonly published for LPDDR4",
    ),
    "ddr4": Dram(
        bits_per_second=64 * 3_200_000_000,
        burst_bits=64 * 8,
        efficiency=Fraction(1800, 1920),
        energy_per_bit=20.0,
        source="JESD79-4: x64 channel at 3200 Mb/s a pin, BL8; sustained: 18.0 of 19.2 GB/s a channel measured (Wang et al., "
        "Shuhai, FCCM 2020); 20 pJ/bit (Horowitz, ISSCC 2014: 1300 pJ per 64 bit)",
    ),
    "ddr4_2400": Dram(
        bits_per_second=64 * 2_400_000_000,
        burst_bits=64 * 8,
        efficiency=Fraction(1800, 1920),
        energy_per_bit=20.0,
        source="JESD79-4: as ddr4 at 2400 Mb/s a pin, at which 18.0 of 19.2 GB/s were measured (Wang et al., Shuhai, FCCM "
        "2020); 20 pJ/bit as ddr4",
    ),
    "hbm2": Dram(
        bits_per_second=128 * 2_000_000_000,
        burst_bits=64 * 4,
        efficiency=Fraction(425, 460),
        energy_per_bit=3.9,
        source="JESD235: 128-bit channel at 2000 Mb/s a pin, two pseudo channels of 64 bit, BL4; sustained: 425 of 460 GB/s "
        "measured (Wang et al., Shuhai, FCCM 2020); 3.9 pJ/bit (O'Connor et al., MICRO 2017)",
    ),
    "hbm2e": Dram(
        bits_per_second=128 * 3_200_000_000,
        burst_bits=64 * 4,
        efficiency=Fraction(425, 460),
        energy_per_bit=3.9,
        source="JESD235D: as hbm2 at 3200 Mb/s a pin; sustained share and 3.9 pJ/bit taken to be those of hbm2",
    ),
    "hbm2_1800": Dram(
        bits_per_second=128 * 1_800_000_000,
        burst_bits=64 * 4,
        efficiency=Fraction(425, 460),
        energy_per_bit=3.9,
        source="JESD235: as hbm2 at 1800 Mb/s a pin, as on AMD's U280, 460 GB/s of 16 channels (PG276); 3.9 pJ/bit as hbm2",
    ),
    "hbm2_peak": Dram(
        bits_per_second=128 * 2_000_000_000,
        burst_bits=1,
        efficiency=Fraction(1),
        energy_per_bit=3.9,
        source="hbm2 at its peak rate without bursts: a bare bandwidth, as studies state it; 3.9 pJ/bit "
        "(O'Connor et al., MICRO 2017)",
    ),
    "hbm3": Dram(
        bits_per_second=64 * 6_400_000_000,
        burst_bits=32 * 8,
        efficiency=_refresh(350, 3900),
        energy_per_bit=4.0,
        source="JESD238: 64-bit channel at 6400 Mb/s a pin, two pseudo channels of 32 bit, BL8; sustained: all-bank refresh, "
        "tRFCab 350 ns each tREFI 3.9 us of 8 Gb a channel, which is 8 dies of 16 Gb on 16 channels (Ramulator 2, "
        "CMU-SAFARI/ramulator2, src/dram/impl/HBM3.cpp at 525d045: tRFC_TABLE and nREFI); 4 pJ/bit as published for HBM3",
    ),
}

DRAM_ENERGY_SWEEP = (4.0, 8.0, 19.0)
"""[pJ/bit] Published figures differ this much; every energy report shows the DRAM's share at each."""


@dataclass(frozen=True)
class Prices:
    """Energy [pJ/bit] of the DRAM and of each scratchpad; without any, only the DRAM's traffic counts."""

    weight_buffer: float = 0.0
    activation_buffer: float = 0.0
    output_buffer: float = 0.0
    dram: float = 1.0

    def of(self, action: str) -> float:
        """Price of a scratchpad's action, such as ``weight_buffer_read``."""
        price: float = getattr(self, action.rpartition("_")[0])
        return price
