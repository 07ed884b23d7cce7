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


def _powers(design: DesignPoint) -> tuple[int, ...]:
    """Of each power of two that a weight is a sum of: how many there are to choose from, none among them."""
    exponents = [_places(abs(value or 0)) for value in design.weight.values]
    return tuple(
        len({found[place] if place < len(found) else None for found in exponents}) for place in range(max(map(len, exponents)))
    )


def _places(magnitude: int) -> list[int]:
    """Places of the ones of a number, the highest first."""
    return [place for place in reversed(range(magnitude.bit_length())) if magnitude >> place & 1]


def _grid(design: DesignPoint) -> float:
    """Bits of partial products of all lanes; of sums of powers, of all shifted activations that codes choose from."""
    if design.pe == "shift_only":
        return sum(_powers(design)) * design.activation.bits
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


def _product_bits(design: DesignPoint) -> int:
    """Bits of a product before it is shifted: significands of both operands, and the exponent; of integers all there is."""
    element = design.element
    if not (element.has_exponents or family_of(design) != "integer"):
        return element.product_bits
    return sum(operand.significand_bits for operand in element.fields) + element.largest_exponent.bit_length()


def _placed_bits(design: DesignPoint) -> int:
    """Bits of a product at its place in the sum: float and aligned sums have none in fixed point."""
    return design.element.product_bits if family_of(design) == "integer" else _product_bits(design)


def _partial(design: DesignPoint) -> float:
    """Bits of a register of what products are added up from: of ``fused`` the bricks' products."""
    if "partial" not in design.element.registers:
        return 0
    if design.pe != "fused":
        return _product_bits(design) * _lanes(design)
    bricks = (-(-operand.bits // BRICK_BITS) for operand in (design.weight, design.activation))
    return math.prod(bricks) * 2 * BRICK_BITS * _lanes(design)


def _distance(design: DesignPoint) -> int:
    """The largest distance by which a code shifts [bit]."""
    element = design.element
    codes = design.weight.fixed_bits - design.weight.significand_bits if element.kind == "shift_only" else 0
    return max(element.largest_exponent, codes)


def _levels(design: DesignPoint) -> float:
    """Levels of a barrel shifter, of all of them together if there are several."""
    if design.pe == "shift_only":
        return sum(map(math.log2, _powers(design)))
    return math.log2(1 + _distance(design))


def _fours(design: DesignPoint) -> int:
    """Bits of a shifter of one power in levels that choose one of four, as a look-up table of six inputs does."""
    if not is_of_powers(design, 1):
        return 0
    return design.activation.bits * math.ceil(math.log2(*_powers(design)) / 2)


def _trees(design: DesignPoint) -> int:
    """Look-up tables of six inputs that choose by a code's bits one power of all, if each bit has a tree of its own."""
    if not is_of_powers(design, 1):
        return 0
    (count,) = _powers(design)
    inputs = count - 1 + math.ceil(math.log2(count))
    return design.activation.bits * math.ceil((inputs - 1) / 5)


def _significands(design: DesignPoint) -> int:
    """Bits of a product before it is shifted."""
    if design.pe == "shift_only":
        return design.activation.bits
    return design.weight.significand_bits + design.activation.significand_bits


def _lone_rows(design: DesignPoint) -> int:
    """A row without a partner, which has no adder of its own to be masked in."""
    return design.weight.bits % 2 if design.pe == "shift_add" else 0


def _subtracted(design: DesignPoint) -> float:
    """Bits of an adder that subtracts the row of a signed weight's top bit: the sum's, or that of a row without a partner."""
    if not (design.weight.is_integer and design.weight.signed):
        return 0
    if design.pe == "bit_serial":
        return design.accumulator_bits
    return design.element.product_bits * _lanes(design) if design.weight.bits % 2 else 0


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


def is_of_powers(design: DesignPoint, count: int) -> bool:
    """Whether weights are sums of at most so many powers of two, each of which a shifter chooses."""
    return design.pe == "shift_only" and len(_powers(design)) == count


def _shifted_bits(design: DesignPoint) -> float:
    """Bits of a product at its place in the sum, at each level of the shifter; of one power its choices say it already."""
    return 0 if is_of_powers(design, 1) else _placed_bits(design) * _levels(design)


def activation_bits(design: DesignPoint) -> int:
    """Bits of activations; of ``mixed`` those of its products say it already."""
    return 0 if design.pe == "mixed" else design.activation.bits * design.element.lanes[0]


def _unregistered(design: DesignPoint) -> int:
    """Bits of activations whose choice goes into the sum without a register between, where Yosys makes one circuit of both."""
    return design.activation.bits if design.pe == "shift_only" and not design.element.registers else 0


def _rows(design: DesignPoint) -> int:
    """Rows that Yosys's multiplier adds up: one for each bit of the weight, and one more to subtract that of its sign."""
    if design.pe != "multiplier" or not design.weight.is_integer:
        return 0
    return design.weight.bits + (design.weight.signed and design.weight.bits > 2)


def _product_width(design: DesignPoint) -> int:
    return design.weight.bits + design.activation.bits


def _compressors(design: DesignPoint) -> float:
    """Bits of the multiplier's carry-save adders: of a product's width, in as many levels as a tree has."""
    levels, most = 0, 2
    while most < _rows(design):  # L. Dadda, Some schemes for parallel multipliers, Alta Frequenza 34, 1965
        levels, most = levels + 1, most * 3 // 2
    return levels * _product_width(design)


def _shifted_grid(design: DesignPoint) -> float:
    """Bits of a minifloat's partial products at each level of the shifter, with which gates of many inputs merge them."""
    if design.pe != "minifloat" or family_of(design) != "integer":
        return (
            0  # float and aligned sums were characterised with few formats, which do not tell it from what else they differ in
        )
    return _grid(design) * _levels(design)


def _zeros(design: DesignPoint) -> float:
    """Share of the codes of a signed integer weight that is zero, which moves nothing: of few bits it is large."""
    return 2.0**-design.weight.bits if design.weight.is_integer and design.weight.signed else 0


TERMS: Mapping[str, Term] = {
    "partial product bits": _grid,
    "slice bits": _slice,
    "shifted partial product bits": _shifted_grid,
    "row bits": lambda design: _rows(design) * _product_width(design),
    "sign bits": lambda design: _product_width(design) if _rows(design) and design.weight.signed else 0,
    "compressor bits": _compressors,
    "bricks' weight bits": lambda design: design.weight.bits if design.pe == "fused" else 0,
    "adders": lambda design: len(design.element.product_adders()) * _lanes(design),
    "adder bits": lambda design: sum(design.element.product_adders()) * _lanes(design),
    "lone rows": _lone_rows,
    "subtracted bits": _subtracted,
    "product bits": lambda design: _placed_bits(design) * _lanes(design),
    "shifter bits": lambda design: _significands(design) * _levels(design),
    "shifted bits": _shifted_bits,
    "bits of choices of four": _fours,
    "tables of choices": _trees,
    "unregistered bits": _unregistered,
    "sum bits": lambda design: design.accumulator_bits * _lanes(design),
    "sum significand bits": _significand,
    "limited bits": _limited,
    "waiting bits": _waiting,
    "weight bits": lambda design: 0 if design.pe == "shift_only" else design.weight.bits * design.element.lanes[1],
    "activation bits": lambda design: 0 if is_of_powers(design, 2) else activation_bits(design),
    "lanes": _lanes,
    "zero weights": _zeros,
    "partial register bits": _partial,
    "product register bits": lambda design: _product_bits(design) * _lanes(design) * ("product" in design.element.registers),
    "term register bits": lambda design: _placed_bits(design) * ("term" in design.element.registers),
}


def _alike(design: DesignPoint) -> str:
    """Kind of PE, of weights that are powers apart from those that are sums of two, and family of accumulators."""
    sums = " of two powers" if design.pe == "shift_only" and len(_powers(design)) > 1 else ""
    return f"{design.pe}{sums}, {family_of(design)} sums"


PE = Form(
    alike=_alike,
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
