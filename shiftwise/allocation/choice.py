"""The choice of an allocation within a budget, greedy or by evolution, held to what its schedule really costs."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np

from shiftwise.allocation.asked import BUDGETS
from shiftwise.allocation.costs import Figures, UnitCosts, figures_of
from sim.design import DesignPoint
from sim.errors import InputError
from workloads.allocation.allocation import Allocation
from workloads.allocation.errors import ErrorTable
from workloads.allocation.evolution import evolved
from workloads.allocation.greedy import Choice, Reals, greedy
from workloads.model_trace import ModelTrace

ROUNDS = 8
"""Times that a budget is narrowed by what parts of layers cost beyond their shares."""

SLACK = 1e-9
"""Of a budget, for sums that are not exact."""


@dataclass(frozen=True)
class Choosing:
    """What is chosen from: units of a model on a design, their losses and costs, and what ``budget`` limits of them."""

    design: DesignPoint
    work: ModelTrace
    table: ErrorTable
    costs: UnitCosts
    budget: str
    limit: float

    def greedy(self) -> tuple[Choice, float]:
        """The greedy choice, and the sum of units' costs within which it is one.

        Raises ``InputError`` for a budget that nothing keeps within, which names the least that something does.
        """
        cheapest = self.costs.each.argmin(axis=1)
        least = self.cost(cheapest)
        if least > self.limit * (1 + SLACK):
            raise self._impossible(least)
        room, spent = self.limit, inf
        for _ in range(ROUNDS):
            try:
                chosen = self.within(room, np.ones(len(self.table.layers)))
            except InputError:
                break
            spent = self.cost(chosen)
            if spent <= self.limit * (1 + SLACK):
                return chosen, room
            room -= spent - self.limit
        return cheapest, least

    def evolved(self, loss: Callable[[Allocation], float], seed: int, tell: Callable[[int, int], None]) -> Choice:
        """The choice of least ``loss`` of a search that begins with the greedy one. Raises what :meth:`greedy` does."""
        _, room = self.greedy()

        def measure(chosen: Choice) -> float:
            return loss(self.table.allocation(chosen)) if self.cost(chosen) <= self.limit * (1 + SLACK) else inf

        return evolved(lambda factors: self.within(room, factors), measure, len(self.table.layers), seed, tell)

    def within(self, room: float, factors: Reals) -> Choice:
        """The greedy choice with losses of each layer times a factor, costs of units adding up to that at most."""
        units = [len(layer.weights) for layer in self.table.layers.values()]
        losses = self.table.losses * np.repeat(factors, units)[:, None]
        return greedy(losses, self.costs.each, room - self.costs.rest)

    def figures(self, chosen: Choice) -> Figures:
        """What the schedule of a choice has."""
        return figures_of(self.design, self.table.allocation(chosen), self.work)

    def cost(self, chosen: Choice) -> float:
        """What the budget limits of a choice, by its schedule where it is not the bits alone."""
        if self.budget == "bits":
            return float(self.costs.each[np.arange(len(chosen)), chosen].sum())
        return float(getattr(self.figures(chosen), self.budget))

    def _impossible(self, least: float) -> InputError:
        names = self.table.formats
        return InputError(
            f"{BUDGETS[self.budget]} of at most {self.limit:g} is not possible on design {self.design.name!r} with weights in "
            f"{', '.join(names)}; the nearest that is possible is {least:.6g}"
        )
