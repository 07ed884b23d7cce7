"""The overlay's instructions: what they are, as bytes, as text."""

from sim.overlay.isa.assembly import assemble, disassemble
from sim.overlay.isa.encoding import Program, decode, encode
from sim.overlay.isa.instructions import BUFFERS, FIELDS, HEADER, LAYOUTS, OPCODES, SPECIAL, SYSTEM, UNIT_OF, UNITS, Field

__all__ = [
    "BUFFERS",
    "FIELDS",
    "HEADER",
    "LAYOUTS",
    "OPCODES",
    "SPECIAL",
    "SYSTEM",
    "UNITS",
    "UNIT_OF",
    "Field",
    "Program",
    "assemble",
    "decode",
    "disassemble",
    "encode",
]
