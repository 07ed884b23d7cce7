"""Instructions as hardware sees them: views of their fields, as :mod:`sim.overlay.isa` places them."""

from functools import reduce
from operator import or_

from amaranth import Value
from amaranth.lib import data

from sim.overlay.isa import FIELDS, HEADER, OPCODES, UNIT_OF, UNITS
from sim.overlay.isa.instructions import INSTRUCTION_BITS

OPCODE_BITS = HEADER[0].bits


def layout_of(opcode: str) -> data.StructLayout:
    """The fields of an instruction from the lowest bit up."""
    return data.StructLayout({field.name: field.bits for field in (*HEADER, *FIELDS[opcode])})


def fields_of(word: Value, opcode: str) -> data.View:
    """A word as an instruction of that opcode."""
    layout = layout_of(opcode)
    return data.View(layout, word[: layout.size])


def is_for(word: Value, unit: str) -> Value:
    """Whether a word is an instruction of a unit."""
    assert unit in UNITS
    return reduce(or_, (is_number(word[:OPCODE_BITS], OPCODES[opcode]) for opcode, of in UNIT_OF.items() if of == unit))


def is_number(value: Value, number: int) -> Value:
    """Whether a field is that number; a comparison with 0 as linters like it."""
    return value == number if number else ~value.any()


__all__ = ["INSTRUCTION_BITS", "OPCODE_BITS", "fields_of", "is_for", "is_number", "layout_of"]
