"""Technologies: energies of single operations as published, measured or estimated, each table with its source.

What a design needs lies between the published operand widths and memory sizes, so each table also says how it is
read there: adders linear in width, multipliers proportional to the product of the operands' widths, memories on
straight lines of log energy over log size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from costmodel.fpga.fabric import CLB_ENERGY, FABRIC_SOURCE
from costmodel.scaling import GENERALIZED, generalized_area, generalized_energy, stillmaker_area
from costmodel.sources import Source
from sim.errors import InputError
from sim.memory import Scratchpad


@dataclass(frozen=True)
class Uniform:
    """Every action costs the same: shows what the counts alone say."""

    energy: float  # [pJ]
    source: Source


@dataclass(frozen=True)
class Sram:
    """Energy [pJ/bit] of memories by size [KiB], through a port of the width that the figures are of.

    ``of_banks`` if they are of single arrays, as a scratchpad's bank is one; else they are of whole memories, whose banks
    and the wires to them are inside. Without ``write`` a bit that is written is taken to cost as much as one that is read.
    """

    read: Mapping[int, float]
    of_banks: bool
    source: Source
    write: Mapping[int, float] = field(default_factory=dict)

    def knows(self, pad: Scratchpad) -> bool:
        """Whether the scratchpad's size is published, or at most a factor of two away."""
        kib = pad.kib / pad.banks if self.of_banks else pad.kib
        return min(self.read) / 2 <= kib <= max(self.read) * 2

    def per_bit(self, pad: Scratchpad, what: str = "a scratchpad") -> tuple[float, float]:
        """Energy [pJ/bit] of reading and of writing a scratchpad, called ``what``.

        Raises ``InputError`` more than a factor of two outside the published sizes.
        """
        kib = pad.kib / pad.banks if self.of_banks else pad.kib
        sizes = sorted(self.read)
        if not self.knows(pad):
            part = f"a bank of {what}" if self.of_banks else what
            raise InputError(f"energy of {part} is known from {sizes[0] / 2:g} to {sizes[-1] * 2} KiB, not for {kib:g} KiB")
        read = _between(self.read, kib)
        return read, _between(self.write, kib) if self.write else read


def _between(known: Mapping[int, float], kib: float) -> float:
    """On the straight line of log energy over log size through the two sizes around ``kib``, or the two nearest ones."""
    sizes = sorted(known)
    position = next((i for i, size in enumerate(sizes[1:-1]) if kib <= size), len(sizes) - 2)
    low, high = sizes[position], sizes[position + 1]
    slope = math.log(known[high] / known[low]) / math.log(high / low)
    return known[low] * math.pow(kib / low, slope)


@dataclass(frozen=True)
class Operations:
    """Energies [pJ] of operations at published widths, and memories by the width [bit] of their port.

    ``macs`` has MACs of whole PEs as others synthesised them: by kind, formats of weight and activation, and accumulator;
    ``measured`` names the synthesis target whose rows say what a PE's MAC takes, in place of its operations. ``area`` is the
    factor from an area on sky130 to one in this technology, and says where it is from. Registers, clock, wires between
    operations and leakage are in none of the published operations.
    """

    add_int8: float
    add_int32: float
    multiply_int8: float
    add_fp16: float
    add_fp32: float
    multiply_fp32: float
    sram: Mapping[int, Sram]
    source: Source
    area: tuple[float, str]
    macs: Mapping[tuple[str, str, str, str], tuple[float, Source]] = field(default_factory=dict)
    measured: str | None = None

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

    def sram_of(self, pad: Scratchpad) -> Sram:
        """Of the tables that know its size that whose port is nearest in width, by their ratio; of two the wider one."""
        known = [width for width, table in self.sram.items() if table.knows(pad)] or self.sram
        return self.sram[min(known, key=lambda width: (abs(math.log(width / pad.width)), -width))]

    def scaled(self, factor: float, how: str) -> "Operations":
        """The same operations and memories at so many times the energy; ``how`` says by which method."""

        def times(known: Mapping[int, float]) -> dict[int, float]:
            return {size: energy * factor for size, energy in known.items()}

        def estimate(source: Source) -> Source:
            return Source("estimate", f"{source.text}; times {factor:.3g} by {how}")

        numbers = ("add_int8", "add_int32", "multiply_int8", "add_fp16", "add_fp32", "multiply_fp32")
        return replace(
            self,
            **{name: getattr(self, name) * factor for name in numbers},
            sram={
                width: replace(table, read=times(table.read), write=times(table.write), source=estimate(table.source))
                for width, table in self.sram.items()
            },
            source=estimate(self.source),
        )


@dataclass(frozen=True)
class Fabric:
    """Energy [pJ] that a configurable logic block of an FPGA takes in a cycle in which it works: an estimate.

    ``measured`` names the synthesis target whose rows say how many of them a component is. ``low`` and ``high`` are what
    other assumptions give.
    """

    low: float
    mid: float
    high: float
    measured: str
    source: Source


Technology = Uniform | Operations | Fabric

_HOROWITZ = "M. Horowitz, Computing's energy problem, ISSCC 2014, figure 1.1.9"
_SWEEP = "one port to read and one to write, bitfusion/sram/cacti_sweep.csv of hsharma35/bitfusion at 0246bc4 (ISCA 2018)"
_JOUPPI = "N. P. Jouppi et al., Ten lessons from three generations shaped Google's TPUv4i, ISCA 2021, table 2"


def _accesses(energies: Mapping[int, float], bits: int = 64) -> dict[int, float]:
    """Energy [pJ/bit] by size, of accesses of so many bits [pJ]."""
    return {kib: energy / bits for kib, energy in energies.items()}


_45NM = Operations(
    add_int8=0.03,
    add_int32=0.1,
    multiply_int8=0.2,
    add_fp16=0.4,
    add_fp32=0.9,
    multiply_fp32=3.7,
    sram={
        64: Sram(
            read=_accesses({8: 10.0, 32: 20.0, 1024: 100.0}),
            of_banks=False,
            source=Source("cited", f"45 nm, port of 64 bit: {_HOROWITZ}; log-log between its sizes, writing as reading"),
        ),
        32: Sram(
            read=_accesses({1: 1.13324, 2: 1.90318, 4: 3.42953, 8: 6.39163, 16: 9.9817}, 32),
            write=_accesses({1: 3.29596, 2: 3.63853, 4: 4.31011, 8: 5.56268, 16: 8.4209}, 32),
            of_banks=True,
            source=Source("cited", f"45 nm, port of 32 bit, single arrays: CACTI, {_SWEEP}; wires between banks are not in it"),
        ),
    },
    source=Source("cited", f"45 nm, 0.9 V: {_HOROWITZ}"),
    area=(stillmaker_area(130, 45), "the factor of Stillmaker and Baas (Integration 58, 2017) from 130 to 45 nm"),
)

_7NM = Operations(
    add_int8=0.007,
    add_int32=0.03,
    multiply_int8=0.07,
    add_fp16=0.16,
    add_fp32=0.38,
    multiply_fp32=1.31,
    sram={
        64: Sram(
            read=_accesses({8: 7.5, 32: 8.5, 1024: 14.0}),
            of_banks=False,
            source=Source("cited", f"7 nm, port of 64 bit: {_JOUPPI}; log-log between its sizes, writing as reading"),
        )
    },
    source=Source("cited", f"7 nm: {_JOUPPI}"),
    area=(stillmaker_area(130, 7), "the factor of Stillmaker and Baas (Integration 58, 2017) from 130 to 7 nm"),
)

_28NM = replace(
    _45NM.scaled(generalized_energy(45, 28, 0.9, 0.9), f"{GENERALIZED}, from 45 to 28 nm at the same supply"),
    sram={
        512: Sram(
            read={4: 0.033, 8: 0.035},
            write={4: 0.040, 8: 0.049},
            of_banks=True,
            source=Source("cited", "28 nm, lines of 512 bit, single arrays: CACTI; wires between banks are not in it"),
        )
    },
    macs={
        ("multiplier", "fp16", "fp16", "fp16"): (
            0.77,
            Source(
                "cited", "28 nm, 1 GHz, 0.77 mW with registers: fp16 FMA of BitMoD (Chen et al., HPCA 2025), synthesis table"
            ),
        )
    },
    area=(generalized_area(130, 28), f"{GENERALIZED}, from 130 to 28 nm"),
)

TECHNOLOGIES: dict[str, Technology] = {
    "unit": Uniform(energy=1.0, source=Source("cited", "every action costs 1 pJ, by definition")),
    "sky130": replace(
        _45NM.scaled(generalized_energy(45, 130, 0.9, 1.8), f"{GENERALIZED}, from 45 nm, 0.9 V to 130 nm, 1.8 V"),
        area=(1.0, "as synthesised"),
        measured="sky130",
    ),
    "45nm": _45NM,
    "28nm": _28NM,
    "7nm": _7NM,
    "fpga": Fabric(**CLB_ENERGY, measured="xcup", source=FABRIC_SOURCE),
}
"""Technologies by name."""
