"""What the simulator hands to the cost model: cycles, and how often each action happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ACTIONS: dict[str, str] = {
    "mac": "one product formed and added to its group's sum",
    "row_sum": "one activation added to its row's sum over the group",
    "group_epilogue": "one group sum corrected by the zero point, scaled and added to the output's fp32 sum",
    "token_scale": "one output scaled by its token's scale",
    "weight_buffer_read": "one bit read from the weight scratchpad",
    "weight_buffer_write": "one bit written to the weight scratchpad",
    "activation_buffer_read": "one bit read from the activation scratchpad",
    "activation_buffer_write": "one bit written to the activation scratchpad",
    "output_buffer_read": "one bit read from the output scratchpad",
    "output_buffer_write": "one bit written to the output scratchpad",
    "dram_read": "one bit read from DRAM",
    "dram_write": "one bit written to DRAM",
}


@dataclass(frozen=True)
class Trace:
    """Cycles (a count) and counts of actions; absent actions did not happen.

    Raises ``ValueError`` for an action that :data:`ACTIONS` does not name or a negative count.
    """

    cycles: int
    counts: Mapping[str, int]

    def __post_init__(self) -> None:
        for action, count in self.counts.items():
            if action not in ACTIONS or count < 0:
                raise ValueError(f"counts are non-negative and of the actions {', '.join(ACTIONS)}; got {action}: {count}")
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))

    def __add__(self, other: "Trace") -> "Trace":
        """One after the other."""
        actions = [a for a in ACTIONS if a in self.counts or a in other.counts]
        return Trace(self.cycles + other.cycles, {a: self.counts.get(a, 0) + other.counts.get(a, 0) for a in actions})


NOTHING = Trace(0, {})
