"""What the form of a fit consists of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.design import DesignPoint

Term = Callable[[DesignPoint], float]


@dataclass(frozen=True)
class Form:
    """``terms`` by name, and the ``axes`` of the box: what a design may have no more and no less of than designs measured.

    ``alike`` names the designs that share coefficients. A form is of use where every term is a width that follows from the
    design's fields: then coefficients are the size of a bit.
    """

    alike: Callable[[DesignPoint], str]
    terms: Mapping[str, Term]
    axes: Mapping[str, Term]


def bits_of(count: int) -> int:
    """Width [bit] of a signal that holds the numbers from 0 to ``count - 1``."""
    return max(1, (count - 1).bit_length())


def sums_of(design: DesignPoint) -> str:
    """The kind of a design's group sums, for each of which the epilogue is another circuit."""
    if design.sums_are_integers:
        return "integer sums"
    if design.row_sums_are_integers:
        return "fixed-point sums"
    return "float sums" if design.element.accumulation.is_float else "aligned sums"
