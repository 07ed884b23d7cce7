"""What a pass of the vector unit takes: its lanes at work, and the DRAM traffic of the numbers that go in and out."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from sim.design import FP32_BITS, DesignPoint
from sim.operators import VectorWork
from sim.schedule.pipeline import transfer_cycles
from sim.trace import Trace

QUANTIZE_OPERATIONS = 3
"""For each number: compared with the largest magnitude so far, scaled, rounded."""


@dataclass(frozen=True)
class VectorCycles:
    """What one piece of vector work costs.

    ``trace.cycles`` = ``lane_cycles`` (operations divided by lanes, rounded up, and the latency) + ``stall_cycles``.
    """

    work: VectorWork
    trace: Trace
    lane_cycles: int
    stall_cycles: int
    dram_cycles: int
    dram_bits: Mapping[str, int]

    @property
    def bound(self) -> Literal["compute", "memory"]:
        """What it waits for: memory if its DRAM traffic takes longer than its operations."""
        return "memory" if self.dram_cycles > self.lane_cycles else "compute"


def run_vector(design: DesignPoint, work: VectorWork, write_bits: int) -> VectorCycles:
    """Cycles and actions of vector work whose numbers come in as fp32 and go out with so many bits in all.

    Numbers stream through: reading, operations and writing overlap. What goes out as codes, alone or beside fp32, is
    quantized on the way.
    """
    d = design
    operations = work.operations + (QUANTIZE_OPERATIONS * work.writes if write_bits != work.writes * FP32_BITS else 0)
    bits = {"vector_reads": d.dram.moved(work.reads * FP32_BITS), "vector_writes": d.dram.moved(write_bits)}
    lanes = -(-operations // d.vector_lanes) + d.vector_latency
    dram = int(transfer_cycles(d, sum(bits.values())))
    cycles = max(lanes, dram)
    counts = {"vector_operation": operations, "dram_read": bits["vector_reads"], "dram_write": bits["vector_writes"]}
    return VectorCycles(work, Trace(cycles, counts), lanes, cycles - lanes, dram, MappingProxyType(bits))
