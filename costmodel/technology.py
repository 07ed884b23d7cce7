"""Technologies: energies of single operations as published, each table with its source.

What a design needs lies between the published operand widths and memory sizes, so each table also says how it is
read there: adders linear in width, multipliers proportional to the product of the operands' widths, memories on
straight lines of log energy over log size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sim.errors import InputError

SRAM_ACCESS_BITS = 64
"""[bit] Width of the memory access that both sources give an energy for."""


@dataclass(frozen=True)
class Uniform:
    """Every action costs the same: shows what the counts alone say."""

    energy: float  # [pJ]
    source: str


@dataclass(frozen=True)
class Operations:
    """Energies [pJ] of operations at published widths; ``sram`` [pJ] of an access of 64 bit by memory size [KiB].

    Registers, clock, wires between operations and leakage are in none of the sources.
    """

    add_int8: float
    add_int32: float
    multiply_int8: float
    add_fp16: float
    add_fp32: float
    multiply_fp32: float
    sram: Mapping[int, float]
    source: str

    def add(self, bits: int) -> float:
        """Energy [pJ] of an integer addition, on the straight line through the sums of 8 and 32 bits."""
        return self.add_int8 + (self.add_int32 - self.add_int8) * (bits - 8) / (32 - 8)

    def add_float(self, name: str) -> float:
        """Energy [pJ] of a float addition; that of fp16 for bf16, which has fewer significand bits and costs no more."""
        return self.add_fp32 if name == "fp32" else self.add_fp16

    def multiply(self, bits: int, by: int) -> float:
        """Energy [pJ] of an integer multiplication: one cell of a multiplier's grid for each pair of operand bits.

        Anchored at 8x8 bits. At 32x32 bits it gives 3.2 pJ in 45 nm, where 3.1 are published, and 1.12 pJ in 7 nm,
        where 1.48 are.
        """
        return self.multiply_int8 * (bits * by) / (8 * 8)

    def sram_bit(self, kib: int, what: str = "a scratchpad") -> float:
        """Energy [pJ/bit] of reading a scratchpad of ``kib`` KiB, called ``what``; writing is taken to cost the same.

        Raises ``InputError`` more than a factor of two outside the published sizes.
        """
        sizes = sorted(self.sram)
        if not sizes[0] / 2 <= kib <= sizes[-1] * 2:
            raise InputError(f"energy of {what} is known from {sizes[0] // 2} to {sizes[-1] * 2} KiB, not for {kib} KiB")
        position = next((i for i, size in enumerate(sizes[1:-1]) if kib <= size), len(sizes) - 2)
        low, high = sizes[position], sizes[position + 1]
        slope = math.log(self.sram[high] / self.sram[low]) / math.log(high / low)
        return self.sram[low] * math.pow(kib / low, slope) / SRAM_ACCESS_BITS


Technology = Uniform | Operations

TECHNOLOGIES: dict[str, Technology] = {
    "unit": Uniform(energy=1.0, source="every action costs 1 pJ"),
    "45nm": Operations(
        add_int8=0.03,
        add_int32=0.1,
        multiply_int8=0.2,
        add_fp16=0.4,
        add_fp32=0.9,
        multiply_fp32=3.7,
        sram={8: 10.0, 32: 20.0, 1024: 100.0},
        source="45 nm, 0.9 V: M. Horowitz, Computing's energy problem, ISSCC 2014, figure 1.1.9",
    ),
    "7nm": Operations(
        add_int8=0.007,
        add_int32=0.03,
        multiply_int8=0.07,
        add_fp16=0.16,
        add_fp32=0.38,
        multiply_fp32=1.31,
        sram={8: 7.5, 32: 8.5, 1024: 14.0},
        source="7 nm: N. P. Jouppi et al., Ten lessons from three generations shaped Google's TPUv4i, ISCA 2021, table 2",
    ),
}
"""Technologies by name."""
