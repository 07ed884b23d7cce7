"""DRAM devices: bandwidth and energy of one channel, each with its source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dram:
    """One channel of a DRAM device at its peak rate."""

    bits_per_second: int
    energy_per_bit: float  # [pJ/bit]
    source: str


MEMORIES: dict[str, Dram] = {
    "lpddr4": Dram(
        bits_per_second=16 * 3_200_000_000,
        energy_per_bit=8.0,
        source="JESD209-4: x16 channel at 3200 Mb/s a pin; 8 pJ/bit as commonly published for LPDDR4",
    ),
    "ddr4": Dram(
        bits_per_second=64 * 3_200_000_000,
        energy_per_bit=20.0,
        source="JESD79-4: x64 channel at 3200 Mb/s a pin; 20 pJ/bit (Horowitz, ISSCC 2014: 1300 pJ per 64 bit)",
    ),
    "hbm2": Dram(
        bits_per_second=128 * 2_000_000_000,
        energy_per_bit=3.9,
        source="JESD235: 128-bit channel at 2000 Mb/s a pin; 3.9 pJ/bit (O'Connor et al., MICRO 2017)",
    ),
    "hbm3": Dram(
        bits_per_second=64 * 6_400_000_000,
        energy_per_bit=4.0,
        source="JESD238: 64-bit channel at 6400 Mb/s a pin; 4 pJ/bit as published for HBM3",
    ),
}

DRAM_ENERGY_SWEEP = (4.0, 8.0, 19.0)
"""[pJ/bit] Published figures differ this much; every energy report shows the DRAM's share at each."""
