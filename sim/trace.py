"""What the simulator hands to the cost model: cycles, and how often each action happened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

ACTIONS: dict[str, str] = {
    "mac": "one product formed and added to its group's sum",
    "row_sum": "one activation added to its row's sum over the group",
    "partial_sum": "one sum of a fold added to that of its group's folds before it",
    "group_epilogue": "one group sum corrected by the zero point, scaled and added to the output's fp32 sum",
    "token_scale": "one output scaled by its token's scale",
    "vector_operation": "one fp32 operation in a lane of the vector unit",
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


def add(traces: Iterable[Trace]) -> Trace:
    """All of them, one after the other."""
    cycles, counts = 0, dict.fromkeys(ACTIONS, 0)
    for trace in traces:
        cycles += trace.cycles
        for action, count in trace.counts.items():
            counts[action] += count
    return Trace(cycles, {action: count for action, count in counts.items() if count})
