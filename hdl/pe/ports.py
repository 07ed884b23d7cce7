"""Ports that all processing elements have."""

from amaranth import Shape, Value, signed, unsigned
from amaranth.lib.wiring import In, Member, Out

from sim.design import DesignPoint

FORWARDED = ("weight", "activation", "valid", "last")
"""Inputs that are outputs too, one cycle later, for the neighbours."""


MEANINGS = {
    "weight": "code of the weight; of lanes side by side, the first lowest",
    "activation": "code of the activation; of lanes side by side, the first lowest",
    "valid": "this cycle holds an operand",
    "last": "it is its group's last",
    "sum": "the group's sum while `sum_valid`: an integer, or a float's bits; of `aligned` with the group's exponent above it; "
    "of lanes those of the first activation with all weights lowest",
    "sum_valid": "high for one cycle a group",
}
"""What the ports of a PE are; ``*_out`` are the inputs of these names, one cycle later, for the neighbours."""


def pe_ports(design: DesignPoint) -> dict[str, Member]:
    """Ports of a design's PE, :data:`MEANINGS` and what it forwards.

    Operands are codes of numbers and stand at least the PE's interval apart; a group has ``group_size`` of them at most.
    Those for an ``aligned`` accumulator are there within as many cycles.
    """
    activations, weights = design.element.lanes
    operands = {"weight": unsigned(design.weight.bits * weights), "activation": unsigned(design.activation.bits * activations)}
    inputs = {**operands, "valid": unsigned(1), "last": unsigned(1)}
    lanes = activations * weights
    return {
        **{name: In(shape) for name, shape in inputs.items()},
        **{f"{name}_out": Out(shape) for name, shape in inputs.items()},
        "sum": Out(sum_shape(design) if lanes == 1 else unsigned(design.accumulator_bits * lanes)),
        "sum_valid": Out(1),
    }


def sum_shape(design: DesignPoint) -> Shape:
    """The shape of a lane's sum: an integer, a float's bits, or of ``aligned`` the integer and above it the exponent."""
    bits, element = design.accumulator_bits, design.element
    if element.accumulation.family == "aligned":
        return unsigned(bits + element.largest_exponent.bit_length())
    return unsigned(bits) if element.accumulation.is_float else signed(bits)


def row_sum_shape(design: DesignPoint) -> Shape:
    """The shape of the sum of a group's activations: an integer, or a fp32 number's bits."""
    bits = design.row_sum_bits
    return signed(bits) if design.row_sums_are_integers else unsigned(bits)


def lanes_of(value: Value, lanes: int) -> list[Value]:
    """What is side by side in a value, the first lowest; one alone is the value itself."""
    return [value] if lanes == 1 else [value.word_select(lane, len(value) // lanes) for lane in range(lanes)]
