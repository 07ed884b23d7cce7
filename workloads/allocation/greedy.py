"""The choice of a format for each unit that leaves least error within a budget, by marginal analysis.

Fox, "Discrete optimization via marginal analysis", Management Science 13 (1966): from the cheapest formats on, the step comes
first that takes away most error for its cost, along the lower convex hull of each unit's errors over its costs. What the steps
reach is the least error for the cost that is used; what a budget leaves after the last step that fits is given to steps that
fit it.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError

Reals = NDArray[np.float64]
Choice = NDArray[np.intp]
"""For each unit the place of its format."""


def greedy(errors: Reals, costs: Reals, budget: float) -> Choice:
    """Formats for ``errors [units, formats]`` and ``costs [units, formats]``, of which the chosen ones add up to the budget at
    most. Raises ``InputError`` if the cheapest do not fit.
    """
    hulls = [_hull(*unit) for unit in zip(errors, costs, strict=True)]
    chosen = np.array([hull[0] for hull in hulls], dtype=np.intp)
    left = budget - total(costs, chosen)
    if left < -TOLERANCE * abs(budget):
        raise InputError(
            f"a budget of at least {total(costs, chosen):.6g}, which the cheapest formats need, is given, not {budget:g}"
        )
    waiting: list[tuple[float, int, int]] = []

    def offer(unit: int, step: int) -> None:
        """The unit's next step waits for its turn."""
        hull = hulls[unit]
        if step + 1 < len(hull):
            heapq.heappush(waiting, (_slope(errors[unit], costs[unit], hull[step], hull[step + 1]), unit, step))

    for unit in range(len(hulls)):
        offer(unit, 0)
    while waiting:
        _, unit, step = heapq.heappop(waiting)
        before, after = hulls[unit][step], hulls[unit][step + 1]
        cost = costs[unit, after] - costs[unit, before]
        if cost <= left + TOLERANCE * abs(budget):
            chosen[unit], left = after, left - cost
            offer(unit, step + 1)
    return chosen


TOLERANCE = 1e-12
"""Of a budget: a mean of many widths is not exact."""


def total(values: Reals, chosen: Choice) -> float:
    """The sum over units of what each has in its format."""
    return float(values[np.arange(len(chosen)), chosen].sum())


def _hull(errors: Reals, costs: Reals) -> list[int]:
    """Places of the lower convex hull of a unit's formats from the cheapest one on, as long as errors fall."""
    hull: list[int] = []
    for place in np.lexsort((errors, costs)):
        if hull and errors[place] >= errors[hull[-1]]:
            continue
        while len(hull) > 1 and _slope(errors, costs, hull[-2], hull[-1]) >= _slope(errors, costs, hull[-2], place):
            hull.pop()
        hull.append(int(place))
    return hull


def _slope(errors: Reals, costs: Reals, one: int, other: int) -> float:
    return float((errors[other] - errors[one]) / (costs[other] - costs[one]))
