"""The points that no other one beats, kept while they are found: all that a search holds of what it has seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftwise.axes import Axis
from shiftwise.comparison.fronts import unbeaten
from shiftwise.exploration.objectives import Budgets

Row = Mapping[str, Any]
"""A point: its fields and its figures by name."""


@dataclass
class Front:
    """Rows within the budgets of which no other is at least as good in every objective; of equal ones the first.

    ``nearest`` is the row that breaks the budgets least, as long as none keeps within.
    """

    objectives: tuple[Axis, ...]
    budgets: Budgets
    rows: list[Row] = field(default_factory=list)
    nearest: Row | None = None
    _values: NDArray[np.float64] = field(init=False)
    _least: float = float("inf")

    def __post_init__(self) -> None:
        self._values = np.empty((0, len(self.objectives)))

    def add(self, rows: Sequence[Row]) -> None:
        """Rows that were found."""
        within = []
        for row in rows:
            broken = sum(self.budgets.broken(row).values())
            if not broken:
                within.append(row)
            elif broken < self._least:
                self._least, self.nearest = broken, row
        if within:
            new = np.array([[one.smaller(row[one.name]) for one in self.objectives] for row in within])
            values, all_rows = np.concatenate([self._values, new]), [*self.rows, *within]
            best = unbeaten(values)
            self._values, self.rows = values[best], [all_rows[place] for place in best]

    def spread(self, number: int) -> list[Row]:
        """So many of the rows, those furthest from each other: the ends of each objective first.

        By the distance of crowding (Deb et al., NSGA-II, IEEE TEC 6(2), 2002, section III-B).
        """
        order = np.argsort(-crowding(self._values), kind="stable")[:number]
        return [self.rows[place] for place in sorted(order)]


def crowding(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of crowding ``[rows]``: the sum over objectives of how far the neighbours on both sides are apart."""
    distance = np.zeros(len(values))
    for column in values.T if len(values) else ():
        order = np.argsort(column, kind="stable")
        ranked = column[order]
        span = (ranked[-1] - ranked[0]) or 1.0
        gaps = np.full(len(values), np.inf)
        gaps[1:-1] = (ranked[2:] - ranked[:-2]) / span
        distance[order] += gaps
    return distance
