"""Forms of processing elements."""

import math
from collections.abc import Mapping

from costmodel.forms.form import Form, Term
from sim.accumulators import FLOATS
from sim.design import DesignPoint
from sim.pe.dsp_packed import INT4, DspPacked
from sim.pe.fused import BRICK_BITS


def family_of(design: DesignPoint) -> str:
    """The accumulators that share a line with a design's: integers, floats, or those that align products in a group."""
    accumulation = design.element.accumulation
    if accumulation.is_float:
        return "float"
    return "aligned" if accumulation.family == "aligned" else "integer"


def _lanes(design: DesignPoint) -> int:
    return math.prod(design.element.lanes)


def _grid(design: DesignPoint) -> float:
    """Bits of partial products of all lanes."""
    return design.weight.significand_bits * design.activation.significand_bits * _lanes(design)


def _slice(design: DesignPoint) -> float:
    """Bits of the products of a slice's ports as gates: those of their bits that differ.

    Between two numbers on a port there is nothing, or the sign of the lower one.
    """
    element = design.element
    if not isinstance(element, DspPacked):
        return 0
    weight, activation, distance = design.weight.bits, design.activation.bits, element.packing.lane_bits
    if element.packing is not INT4:
        return weight * (distance + activation)
    weights = 2 * distance + weight if design.weight.signed else 2 * weight
    return weights * 2 * activation


def _partial(design: DesignPoint) -> float:
    """Bits of a register of what products are added up from: of ``fused`` the bricks' products."""
    if "partial" not in design.element.registers:
        return 0
    if design.pe != "fused":
        return design.element.product_bits * _lanes(design)
    bricks = (-(-operand.bits // BRICK_BITS) for operand in (design.weight, design.activation))
    return math.prod(bricks) * 2 * BRICK_BITS * _lanes(design)


def _registers(name: str) -> Term:
    """Bits of the products' registers of :data:`sim.pe.element.REGISTERS`, if they are there."""
    return lambda design: design.element.product_bits * _lanes(design) if name in design.element.registers else 0


def _alignment(design: DesignPoint) -> float:
    """Multiplexers of a barrel shifter: of a product's width, for each bit of the distance."""
    return design.element.product_bits * math.log2(1 + _distance(design))


def _distance(design: DesignPoint) -> int:
    """The largest distance by which a code shifts [bit]."""
    element = design.element
    codes = design.weight.fixed_bits - design.weight.significand_bits if element.kind == "shift_only" else 0
    return max(element.largest_exponent, codes)


def _significand(design: DesignPoint) -> float:
    """Bits of a float sum's significand."""
    accumulation = design.element.accumulation
    return FLOATS[accumulation.family][0] if accumulation.is_float else 0


def _waits(design: DesignPoint) -> int:
    """Cycles that a product waits for its group's largest exponent."""
    return design.pe_latency - design.element.latency


def _waiting(design: DesignPoint) -> float:
    """Bits of the buffers of products, with sign and exponent, of the groups' exponents, and of two flags."""
    if not _waits(design):
        return 0
    exponent = design.element.largest_exponent.bit_length()
    return _waits(design) * (sum(operand.significand_bits for operand in design.element.fields) + 2 * exponent + 3)


def _limited(design: DesignPoint) -> float:
    return design.accumulator_bits * _lanes(design) if design.element.accumulation.family == "saturate" else 0


TERMS: Mapping[str, Term] = {
    "partial product bits": _grid,
    "slice bits": _slice,
    "adder bits": lambda design: sum(design.element.product_adders()) * _lanes(design),
    "product bits": lambda design: design.element.product_bits * _lanes(design),
    "alignment bits": _alignment,
    "sum bits": lambda design: design.accumulator_bits * _lanes(design),
    "sum significand bits": _significand,
    "limited bits": _limited,
    "waiting bits": _waiting,
    "operand bits": lambda design: (
        design.weight.bits * design.element.lanes[1] + design.activation.bits * design.element.lanes[0]
    ),
    "lanes": _lanes,
    "partial register bits": _partial,
    **{f"{name} register bits": _registers(name) for name in ("product", "term")},
}

PE = Form(
    alike=lambda design: f"{design.pe}, {family_of(design)} sums",
    terms=TERMS,
    axes={
        "weight bits": lambda design: design.weight.bits,
        "activation bits": lambda design: design.activation.bits,
        "accumulator bits": lambda design: design.accumulator_bits,
        "bits of shifting": _distance,
        "pipeline": lambda design: design.pipeline,
        "cycles of waiting": _waits,
    },
)
