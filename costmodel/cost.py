"""Cost of a run: time from the trace's cycles, energy as the sum of count times energy per action."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from costmodel.energy import energy_per_action
from costmodel.technology import TECHNOLOGIES, Uniform
from sim.design import DesignPoint
from sim.memory import DRAM_ENERGY_SWEEP
from sim.trace import Trace

PICOJOULE = 1e-12
"""[J]"""

SHARES: dict[str, tuple[str, ...]] = {
    "pe": ("mac", "row_sum", "partial_sum", "group_epilogue", "token_scale"),
    "vector": ("vector_operation",),
    "sram": (
        "weight_buffer_read",
        "weight_buffer_write",
        "activation_buffer_read",
        "activation_buffer_write",
        "output_buffer_read",
        "output_buffer_write",
    ),
    "dram": ("dram_read", "dram_write"),
}
"""Which actions make up each share of the energy."""


@dataclass(frozen=True)
class Energy:
    """Energy [J] and its shares; ``static`` is zero where the technology's source has no leakage and no clock."""

    pe: float
    vector: float
    sram: float
    dram: float
    static: float

    @property
    def total(self) -> float:
        return self.pe + self.vector + self.sram + self.dram + self.static


@dataclass(frozen=True)
class Cost:
    """What a run of a trace costs.

    ``per_action`` [pJ]; ``dram_sweep`` maps each energy of :data:`sim.memory.DRAM_ENERGY_SWEEP` [pJ/bit] to the
    DRAM's share [J] at it; ``sources`` says for each share where its constants come from.
    """

    time_s: float
    energy_j: Energy
    per_action: Mapping[str, float]
    dram_sweep: Mapping[float, float]
    sources: Mapping[str, str]

    @property
    def power_w(self) -> float:
        """Mean power [W]; zero for a run without cycles."""
        return self.energy_j.total / self.time_s if self.time_s else 0.0


def evaluate(design: DesignPoint, trace: Trace) -> Cost:
    """Cost of a trace on a design in the design's technology. Raises ``InputError`` as :func:`energy_per_action` does."""
    per_action = energy_per_action(design, design.technology)
    share = {
        name: sum(trace.counts.get(action, 0) * per_action[action] for action in actions) * PICOJOULE
        for name, actions in SHARES.items()
    }
    dram_bits = sum(trace.counts.get(action, 0) for action in SHARES["dram"])
    return Cost(
        time_s=trace.cycles / design.clock_hz,
        energy_j=Energy(**share, static=0.0),
        per_action=MappingProxyType(per_action),
        dram_sweep=MappingProxyType({energy: dram_bits * energy * PICOJOULE for energy in DRAM_ENERGY_SWEEP}),
        sources=MappingProxyType(_sources(design)),
    )


def _sources(design: DesignPoint) -> dict[str, str]:
    technology = TECHNOLOGIES[design.technology]
    if isinstance(technology, Uniform):
        return dict.fromkeys((*SHARES, "static"), technology.source)
    return {
        "pe": f"{technology.source}; additions linear in width, multiplications proportional to the product of widths; "
        "registers, clock and wires are not in the source",
        "vector": f"{technology.source}; every operation as an fp32 multiplication",
        "sram": f"{technology.source}; log-log between its memory sizes, writing as reading",
        "dram": design.dram.source,
        "static": "0: the source has neither leakage nor clock",
    }
