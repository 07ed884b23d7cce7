"""FPGA boards as data: what a design may take there, with sources. A figure that no source was found for is ``None``."""

from collections.abc import Mapping
from dataclasses import dataclass

from sim.design import DesignPoint

RESOURCES = ("lut", "ff", "dsp", "bram36", "uram")
"""LUT sites, flip-flops, DSP slices, block RAMs of 36 Kbit, UltraRAM blocks."""

INT8_BITS, INT4_BITS = 8, 4

DSPS: dict[str, dict[int, int]] = {
    "dsp48e2": {INT4_BITS: 4, INT8_BITS: 2},
    "dsp58": {INT4_BITS: 4, INT8_BITS: 3},
}
"""By kind of DSP slice, how many products of integers of at most so many bits it does at once: packed in one multiplication
(two of 8 bits: AMD WP486; four of 4 bits: AMD WP521; ports of a DSP58 are no narrower), or a DSP58's dot product of three
pairs of 8 bits (AMD AM004). Wider integers of up to 18 x 27 bits take a slice each."""


@dataclass(frozen=True)
class Device:
    """A board's FPGA and its memories.

    ``resources`` are counts of :data:`RESOURCES` of the whole device, ``slrs`` those of each super logic region, one where the
    device is one die, ``None`` where nobody states them. ``memories`` [byte/s] have their peak rates; ``port_bits``
    [bit/cycle] is what all ports of the fastest one take at the design's clock, where that limits it.
    """

    resources: Mapping[str, int | None]
    dsp: str
    memories: Mapping[str, float]
    source: str
    slrs: tuple[Mapping[str, int | None], ...] | None = None
    port_bits: int | None = None

    def dram_bits_per_second(self, clock_hz: float) -> float:
        """Peak rate of the fastest memory to a design of that clock [bit/s]."""
        peak = max(self.memories.values()) * 8
        return peak if self.port_bits is None else min(peak, self.port_bits * clock_hz)

    def dsp_macs_per_cycle(self, design: DesignPoint) -> int | None:
        """Products [MAC/cycle] that all DSP slices could do for a design's integers; none of floats."""
        dsps = self.resources["dsp"]
        if dsps is None or not (design.weight.is_integer and design.activation.is_integer):
            return None
        widest = max(design.weight.bits, design.activation.bits)
        return dsps * next((products for bits, products in DSPS[self.dsp].items() if widest <= bits), 1)


def _resources(lut: int | None, ff: int | None, dsp: int | None, bram36: int | None, uram: int | None) -> dict[str, int | None]:
    return {"lut": lut, "ff": ff, "dsp": dsp, "bram36": bram36, "uram": uram}


_VCK190 = _resources(899_840, 1_799_680, 1_968, 967, 463)
_ZCU102 = _resources(274_080, 548_160, 2_520, 912, 0)
_KV260 = _resources(117_120, 234_240, 1_248, 144, 64)

DEVICES: dict[str, Device] = {
    "u280": Device(
        resources=_resources(1_303_680, 2_607_360, 9_024, 2_016, 960),
        dsp="dsp48e2",
        memories={"hbm2": 460e9, "ddr4": 38e9},
        port_bits=32 * 256,
        slrs=(
            _resources(439_680, 879_360, 2_880, 672, 320),
            _resources(432_000, 864_000, 3_072, 672, 320),
            _resources(432_000, 864_000, 3_072, 672, 320),
        ),
        source="AMD Alveo U280 user guide (UG1314); 460 GB/s of HBM (UG1393) through 32 AXI ports of 256 bit (PG276); super "
        "logic regions: sums of clock regions of AutoBridge's class DeviceU280 (Guo et al., FPGA 2021), which give the totals",
    ),
    "vck190": Device(
        resources=_VCK190,
        dsp="dsp58",
        memories={"ddr4": 25.6e9},
        slrs=(_VCK190,),
        source="VC1902: AMD Versal architecture overview (DS950); board: VCK190 user guide (UG1366), DDR4 DIMM",
    ),
    "zcu102": Device(
        resources=_ZCU102,
        dsp="dsp48e2",
        memories={"ddr4": 19.2e9},
        slrs=(_ZCU102,),
        source="ZU9EG: AMD Zynq UltraScale+ overview (DS891); board: ZCU102 user guide (UG1182), 64-bit DDR4",
    ),
    "kv260": Device(
        resources=_KV260,
        dsp="dsp48e2",
        memories={"ddr4": 19.2e9},
        slrs=(_KV260,),
        source="AMD Kria K26 SOM data sheet (DS987), 64-bit DDR4 at 2400 Mb/s",
    ),
    "vhk158": Device(
        resources=_resources(1_750_000, None, 7_392, None, None),
        dsp="dsp58",
        memories={"hbm2e": 819e9},
        source="VH1582: AMD Versal architecture overview (DS950), about 1.75 million LUTs; board: VHK158 user guide (UG1611); "
        "of its flip-flops, block memories and super logic regions no figure was found",
    ),
}
"""Boards by name."""
