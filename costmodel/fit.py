"""Sizes, delays and energies of designs that were not measured: a line through those that were, with a stated error.

The line is that of :mod:`costmodel.forms`, its coefficients found by least squares of relative errors among the rows of one
component, kind of PE and accumulator. Errors are those of rows that the fit has not seen (k-fold). Outside of the box of
what was measured nothing is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from costmodel.components import fields_of
from costmodel.forms import FORMS, Form
from costmodel.least_squares import held_out_errors, least_squares
from costmodel.measured import NUMBERS, Measured
from costmodel.synthesis.run import Area
from costmodel.synthesis.targets import TARGETS
from sim.design import DesignPoint
from sim.errors import InputError

FOLDS = 10

ROWS_PER_TERM = 2
"""Fewer rows are not fitted: held-out ones would be guessed from too little."""

ROUNDED = ("fp32", "fp16", "bf16", "aligned")
"""Families of accumulators with lines of their own; all others are integers of some width and share one."""


class OutsideError(InputError):
    """A design is outside of the box in which the fit was measured."""


@dataclass(frozen=True)
class Fit:
    """A line for one number of a component: the constant is the coefficient of the term ``""``, the first.

    ``box`` has the least and the greatest value of each axis; ``median_error`` and ``worst_error`` are relative ones of rows
    held out.
    """

    what: str
    form: Form
    coefficients: Mapping[str, float]
    box: Mapping[str, tuple[float, float]]
    rows: int
    median_error: float
    worst_error: float

    def at(self, design: DesignPoint) -> float:
        """The number of a design. Raises :class:`OutsideError`, which names the box."""
        for axis, (least, most) in self.box.items():
            value = self.form.axes[axis](design)
            if not least <= value <= most:
                raise OutsideError(
                    f"{axis} of a {self.what} that was characterised are {least:g} to {most:g}, not {value:g} of {design.name}"
                )
        constant, *terms = self.coefficients.items()
        return constant[1] + sum(coefficient * self.form.terms[name](design) for name, coefficient in terms)


def family_of(design: DesignPoint) -> str:
    """The accumulators that share a line with a design's."""
    family = design.element.accumulation.family
    return family if family in ROUNDED else "integer"


def estimated(design: DesignPoint, component: str, target: str, rows: Iterable[Measured]) -> Measured | None:
    """What a component of a design would measure, by fits to those of the same kind; ``None`` where too few are among ``rows``.

    Raises :class:`OutsideError`.
    """
    if component not in FORMS:
        return None
    alike = _alike(design, component, target, rows)
    fits = {number: found for number in NUMBERS if (found := fit(component, number, alike))}
    flow = TARGETS[target]
    if flow.total not in fits:
        return None
    numbers = MappingProxyType({number: found.at(design) for number, found in fits.items()})
    of_total = fits[flow.total]
    text = (
        f"{of_total.rows} measured on {target}, median error {of_total.median_error:.1%}, worst {of_total.worst_error:.1%} of "
        f"the {flow.total} of those held out"
    )
    area = Area(target, flow.unit, numbers[flow.total], numbers, "", "", "")
    return Measured(component, MappingProxyType(fields_of(design, component)), area, "", fitted=text)


def fit(component: str, number: str, rows: Sequence[Measured]) -> Fit | None:
    """The fit of a number to rows of one component, PE kind and family of accumulators; ``None`` if too few have it."""
    form = FORMS[component]
    found = [(row.design, row.area.numbers[number]) for row in rows if row.area.numbers.get(number, 0) > 0]
    names = varying(form, [design for design, _ in found])
    if len(found) < ROWS_PER_TERM * (1 + len(names)):
        return None
    kind, family = found[0][0].pe, family_of(found[0][0])
    return _fitted(f"{kind} {component} with {family} sums", form, names, found)


def _alike(design: DesignPoint, component: str, target: str, rows: Iterable[Measured]) -> list[Measured]:
    """Rows that share a line with a design."""
    of_kind = (row for row in rows if row.component == component and row.area.target == target)
    return [row for row in of_kind if row.design.pe == design.pe and family_of(row.design) == family_of(design)]


def varying(form: Form, designs: Sequence[DesignPoint]) -> list[str]:
    """Terms that are not the same for all designs, which a constant takes in."""
    return [name for name, term in form.terms.items() if len({term(design) for design in designs}) > 1]


def _fitted(what: str, form: Form, names: Sequence[str], found: Sequence[tuple[DesignPoint, float]]) -> Fit:
    designs, numbers = [design for design, _ in found], np.array([number for _, number in found])
    terms = np.array([[1.0, *(form.terms[name](design) for name in names)] for design in designs])
    values = {axis: [value(design) for design in designs] for axis, value in form.axes.items()}
    return Fit(
        what,
        form,
        dict(zip(("", *names), map(float, least_squares(terms, numbers)), strict=True)),
        {axis: (min(of_axis), max(of_axis)) for axis, of_axis in values.items()},
        len(found),
        *held_out_errors(terms, numbers, FOLDS),
    )
