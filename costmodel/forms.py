"""What sizes, delays and energies of components are fitted to: widths of what a component holds, by the design's fields.

    y = c_0 + sum over terms of c_term x term(design)

The terms of a component are the same for all its numbers; its coefficients differ from kind to kind of PE and accumulator.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.design import DesignPoint

Term = Callable[[DesignPoint], float]


@dataclass(frozen=True)
class Form:
    """``terms`` by name, and the ``axes`` of the box: what a design may have no more and no less of than designs measured."""

    terms: Mapping[str, Term]
    axes: Mapping[str, Term]


def _grid(design: DesignPoint) -> float:
    """Bits of partial products."""
    return design.weight.significand_bits * design.activation.significand_bits


def _registers(name: str) -> Term:
    """Bits of a product's register of :data:`sim.pe.element.REGISTERS`, if it is there."""
    return lambda design: design.element.product_bits if name in design.element.registers else 0


def _alignment(design: DesignPoint) -> float:
    """Multiplexers of a barrel shifter: of a product's width, for each bit of the distance."""
    return design.element.product_bits * math.log2(1 + _distance(design))


def _distance(design: DesignPoint) -> int:
    """The largest distance by which a code shifts [bit]."""
    element = design.element
    codes = design.weight.fixed_bits - design.weight.significand_bits if element.kind == "shift_only" else 0
    return max(element.largest_exponent, codes)


def _limited(design: DesignPoint) -> float:
    return design.accumulator_bits if design.element.accumulation.family == "saturate" else 0


PE = Form(
    terms={
        "partial product bits": _grid,
        "adder bits": lambda design: sum(design.element.product_adders()),
        "product bits": lambda design: design.element.product_bits,
        "alignment bits": _alignment,
        "accumulator bits": lambda design: design.accumulator_bits * math.prod(design.element.lanes),
        "limited bits": _limited,
        "operand bits": lambda design: (
            design.weight.bits * design.element.lanes[1] + design.activation.bits * design.element.lanes[0]
        ),
        "lanes": lambda design: math.prod(design.element.lanes),
        **{f"{name} register bits": _registers(name) for name in ("partial", "product", "term")},
    },
    axes={
        "weight bits": lambda design: design.weight.bits,
        "activation bits": lambda design: design.activation.bits,
        "accumulator bits": lambda design: design.accumulator_bits,
        "bits of shifting": lambda design: _distance(design),
        "pipeline": lambda design: design.pipeline,
    },
)

FORMS: dict[str, Form] = {"pe": PE}
"""By component."""
