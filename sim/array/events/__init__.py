"""Arrays simulated event by event, every register of them in every cycle: the judge of the closed forms in ``sim.array``.

Slow on purpose, and written from the machines' descriptions, not from the formulas. One machine a file; each is one
loop over cycles that counts what must never happen (:data:`Machine`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sim import epilogue
from sim.array.events import dot_product, output_stationary, weight_stationary
from sim.array.events.run import Run
from sim.design import DesignPoint
from sim.errors import InputError

Machine = Callable[[DesignPoint, NDArray[np.int64], NDArray[np.int64]], Run]

MACHINES: Mapping[str, Machine] = {
    "output_stationary": output_stationary.simulate,
    "weight_stationary": weight_stationary.simulate,
    "input_stationary": weight_stationary.simulate_exchanged,
    "dot_product": dot_product.simulate,
}


@dataclass(frozen=True)
class ArrayEvents:
    """What was seen.

    ``group_sums[groups, m, n]``; ``result_cycles[m, n]``, the cycle in which each finished result is valid;
    ``busy[rows, columns]`` [MAC], what each PE did, paddings not counted; ``last_accumulation`` [cycle], how many there are
    from the first operand at the array up to the last one in which a PE has a pair of operands of a result;
    ``macs_per_cycle``, what a PE could do.
    """

    group_sums: NDArray[np.int64]
    result_cycles: NDArray[np.int64]
    busy: NDArray[np.int64]
    last_accumulation: int
    macs_per_cycle: Fraction

    @property
    def utilization(self) -> NDArray[np.float64]:
        """Share ``[rows, columns]`` of what each PE could have done up to the last accumulation."""
        share: NDArray[np.float64] = self.busy / float(self.last_accumulation * self.macs_per_cycle)
        return share


def simulate_events(design: DesignPoint, activations: NDArray[np.integer], weights: NDArray[np.integer]) -> ArrayEvents:
    """Run integers ``activations[m, k]`` and ``weights[k, n]`` through the design's array.

    Raises ``InputError`` for operands that are not of one product, ``RuntimeError`` if the machine met a hazard.
    """
    if activations.ndim != 2 or weights.ndim != 2 or 0 in activations.shape + weights.shape:
        raise InputError(
            f"operands are activations [m, k] and weights [k, n] that are not empty, not {activations.shape}, {weights.shape}"
        )
    if activations.shape[1] != weights.shape[0]:
        raise InputError(f"operands of one product have the same k, not {activations.shape[1]} and {weights.shape[0]}")
    run = MACHINES[design.dataflow](design, activations.astype(np.int64), weights.astype(np.int64))
    met = [f"{count} times {hazard}" for hazard, count in run.hazards.items() if count]
    if met:
        raise RuntimeError(f"the {design.dataflow} array met {' and '.join(met)}")
    return ArrayEvents(
        run.group_sums,
        run.sum_cycles + epilogue.LATENCY,
        run.busy,
        run.last_accumulation,
        design.element.macs_per_cycle,
    )
