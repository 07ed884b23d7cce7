"""Sizes, delays and energies of designs that were not measured: a line through those that were, with a stated error.

The line is that of :mod:`costmodel.forms`, its coefficients found by least squares of relative errors among the rows of one
component that are alike. Errors are those of rows that the fit has not seen: all rows of a pair of formats are held out
together, each pair in turn. Outside of what was measured nothing is said: of its box, and of the hull of its terms.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from costmodel.components import fields_of
from costmodel.forms import FORMS, axes_of, terms_of
from costmodel.least_squares import Hull, held_out_errors, least_squares
from costmodel.measured import NUMBERS, Measured, Rows
from costmodel.synthesis.run import Area
from costmodel.synthesis.targets import TARGETS
from sim.design import DesignPoint
from sim.errors import InputError

ROWS_PER_COEFFICIENT = 2
"""Fewer rows are not fitted: held-out ones would be guessed from too little."""


class OutsideError(InputError):
    """A design is outside of the box in which the fit was measured."""


@dataclass(frozen=True)
class FittedLine:
    """A line for one number of a component: ``coefficients[term]``, that of the constant first.

    ``box`` has the least and the greatest value of each axis, ``hull`` is that of all terms; ``median_error`` and
    ``worst_error`` are relative ones of rows held out.
    """

    component: str
    number: str
    alike: str
    coefficients: NDArray[np.floating]
    box: Mapping[str, tuple[float, float]]
    hull: Hull
    rows: int
    median_error: float
    worst_error: float

    def at(self, design: DesignPoint) -> float:
        """The number of a design, which is not negative. Raises :class:`OutsideError`, which names the box."""
        places, terms = axes_of(self.component, design), np.array([1.0, *terms_of(self.component, design).values()])
        what = f"{self.component} ({self.alike})" if self.alike else self.component
        for axis, (least, most) in self.box.items():
            if not least <= places[axis] <= most:
                range_ = f"{least:g} to {most:g}, not {places[axis]:g} of {design.name}"
                raise OutsideError(f"{axis} of the {what} that was characterised are {range_}")
        leverage = self.hull.leverage(terms)
        if not leverage <= self.hull.most:
            raise OutsideError(
                f"the {what} of {design.name} differs from the {self.rows} that were characterised more than they do from each "
                f"other: its leverage is {leverage:.2g}, at most {self.hull.most:.2g}"
            )
        return max(0.0, float(self.coefficients @ terms) / _per(self.number, design))


def estimated(design: DesignPoint, component: str, target: str, rows: Rows) -> Measured | None:
    """What a component of a design would measure, by fits to those that are alike; ``None`` where too few are among ``rows``.

    Raises :class:`OutsideError`.
    """
    fits = _fits(rows, component, target, FORMS[component].alike(design))
    flow = TARGETS[target]
    if flow.total not in fits:
        return None
    numbers = MappingProxyType({number: found.at(design) for number, found in fits.items()})
    fitted = {
        number: f"{found.rows} measured on {target}, median error {found.median_error:.1%}, worst {found.worst_error:.1%} "
        f"of the {number} of those held out"
        for number, found in fits.items()
    }
    area = Area(target, flow.unit, numbers[flow.total], numbers, "", "", "")
    return Measured(component, MappingProxyType(fields_of(design, component)), area, "", fitted=MappingProxyType(fitted))


@lru_cache(maxsize=256)
def _fits(rows: Rows, component: str, target: str, alike: str) -> Mapping[str, FittedLine]:
    """Fits by number."""
    found = groups(rows, component, target).get(alike, [])
    return {number: line for number in NUMBERS if (line := fit(component, number, found))}


@lru_cache(maxsize=64)
def groups(rows: Rows, component: str, target: str) -> Mapping[str, Sequence[Measured]]:
    """Rows of a component that share a line, by what they are alike in."""
    found = defaultdict(list)
    for row in rows.by_key.values():
        if (row.component, row.area.target) == (component, target):
            found[FORMS[component].alike(row.design)].append(row)
    return found


def fit(component: str, number: str, rows: Sequence[Measured]) -> FittedLine | None:
    """The fit of a number to rows of one component that are alike; ``None`` if too few have it."""
    found = [(row.design, row.area.numbers[number]) for row in rows if number in row.area.numbers]
    if len(found) < ROWS_PER_COEFFICIENT:
        return None
    designs = [design for design, _ in found]
    terms = np.array([[1.0, *terms_of(component, design).values()] for design in designs])
    hull = Hull.of(terms)
    if len(found) < ROWS_PER_COEFFICIENT * len(hull.sizes):
        return None
    numbers = np.array([value * _per(number, design) for design, value in found])
    places = [axes_of(component, design) for design in designs]
    of_axes = {axis: [place[axis] for place in places] for axis in FORMS[component].axes}
    return FittedLine(
        component,
        number,
        FORMS[component].alike(designs[0]),
        least_squares(terms, numbers),
        {axis: (min(of_axis), max(of_axis)) for axis, of_axis in of_axes.items()},
        hull,
        len(found),
        *held_out_errors(terms, numbers, [design.weight_format + design.activation_format for design in designs]),
    )


def _per(number: str, design: DesignPoint) -> float:
    """What makes of a number one that sizes add up to: rows have the energy of a MAC, of which a cycle may have several."""
    return float(design.element.macs_per_cycle) if number.endswith("_fj") else 1.0
