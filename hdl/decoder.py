"""Codes turned into numbers that hardware can calculate with."""

from collections.abc import Callable
from dataclasses import replace

from amaranth import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.pe.fields import split
from hdl.pe.lookup import lookup
from sim.errors import InputError, choose
from sim.formats import Format
from sim.pe.fields import Fields, integer_fields, minifloat_fields

LONGEST_CODE = 8
"""[bit] Of a fixed-point number: longer codes would be tables of thousands of lines."""


class Decoder(wiring.Component):
    """The number of a code; combinational.

        value = number * 2**lsb                                           of ``table`` and ``logic``
        value = (-1)**negative * significand * 2**(exponent + lsb)        of ``fields``

    Ports:

    =========== ==================== ===========================================================
    code        in bits              of the format
    number      out fixed_bits       two's complement, in units of the format's ``2**lsb``
    negative    out 1                of ``fields``, if numbers have a sign
    significand out significand_bits of ``fields``, with the hidden one; of an integer its magnitude
    exponent    out exponent_bits    of ``fields``, if numbers differ in it
    =========== ==================== ===========================================================

    NaN and infinities give 0, as :meth:`sim.formats.Format.decode` does: no PE takes them and quantization makes none. So
    does negative zero, whose sign ``fields`` keep.
    """

    def __init__(self, format_: Format, kind: str) -> None:
        """Raises as :func:`output_shapes` does."""
        outputs = output_shapes(format_, kind)
        self.format, self.decode = format_, DECODERS[kind]
        self.module_name = f"{format_.name}_{kind}_decoder"
        super().__init__({"code": In(format_.bits), **{name: Out(shape) for name, shape in outputs.items()}})

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        m.d.comb += [getattr(self, name).eq(value) for name, value in self.decode(m, self.format, self.code).items()]
        return m


def table(m: Module, format_: Format, code: Value) -> dict[str, Value]:
    """The number of each code, listed."""
    entries = [value or 0 for value in format_.values]
    return {"number": lookup(m, "entry", code, entries, signed(format_.fixed_bits))}


def logic(m: Module, format_: Format, code: Value) -> dict[str, Value]:
    """What the format's structure allows: wires where codes are integers, a shift and a negation where they have fields.

    Of other formats (sums of powers, logarithms, code books) each bit is the disjunction of the codes that have it.
    """
    size = len(format_.values)
    number = Signal(signed(format_.fixed_bits), name="decoded")
    if format_.is_integer:
        m.d.comb += number.eq(code.as_signed() if format_.signed else code)
    elif format_.values == tuple(range(1 - size, size, 2)):
        # Planes of +1 and -1: 2 * code + 1 - size, which is the code with its top bit inverted, and half a unit.
        m.d.comb += number.eq(Cat(Const(1, 1), code[:-1], ~code[-1]).as_signed())
    elif has_fields(format_):
        parts = fields(m, format_, code)
        magnitude = Signal(format_.magnitude.bit_length(), name="magnitude")
        m.d.comb += magnitude.eq(parts["significand"] << parts["exponent"])
        m.d.comb += number.eq(Mux(parts["negative"], -magnitude, magnitude) if "negative" in parts else magnitude)
    else:
        chosen = Signal(size, name="chosen")
        m.d.comb += chosen.eq(1 << code)
        for bit in range(len(number)):
            having = [chosen[index] for index, value in enumerate(format_.values) if (value or 0) >> bit & 1]
            m.d.comb += number[bit].eq(Cat(having).any())
    return {"number": number}


def fields(m: Module, format_: Format, code: Value) -> dict[str, Value]:
    """Sign, significand and exponent of integers, minifloats and powers of two."""
    special = code.matches(*(index for index, value in enumerate(format_.values) if value is None))
    if _is_exponent(format_):
        return {"significand": ~special, "exponent": code}
    found = _fields(format_)
    assert found is not None
    parts = split(m, "code", found, code)
    significand = Mux(special, 0, parts.significand) if format_.has_special else parts.significand
    values = {"negative": parts.negative, "significand": significand, "exponent": parts.exponent}
    return {name: value for name, value in values.items() if value is not None}


DECODERS: dict[str, Callable[[Module, Format, Value], dict[str, Value]]] = {"table": table, "logic": logic, "fields": fields}
"""What finds a code's number, port by port: the first two take every format of at most 8 bits."""


def has_fields(format_: Format) -> bool:
    """Whether a format has a decoder ``fields``."""
    return _is_exponent(format_) or _fields(format_) is not None


def output_shapes(format_: Format, kind: str) -> dict[str, Shape]:
    """Outputs of a decoder.

    Raises ``InputError`` for a kind that is not one of :data:`DECODERS`, or that does not take this format.
    """
    choose("decoder", kind, DECODERS)
    if kind != "fields" and format_.bits > LONGEST_CODE:
        raise InputError(
            f"codes decoded to fixed point have at most {LONGEST_CODE} bits, not the {format_.bits} of {format_.name}"
        )
    if kind != "fields":
        return {"number": signed(format_.fixed_bits)}
    if _is_exponent(format_):
        return {"significand": unsigned(1), "exponent": unsigned(format_.bits)}
    found = _fields(format_)
    if found is None:
        raise InputError(f"fields are those of integers, minifloats and powers of two, not of {format_.name}")
    widths = {"negative": int(found.signed), "significand": found.significand_bits, "exponent": found.exponent_bits}
    return {name: unsigned(width) for name, width in widths.items() if width}


def _fields(format_: Format) -> Fields | None:
    """Where a code's fields are; powers of two are minifloats without mantissa, whatever their unit."""
    found = integer_fields(format_) or minifloat_fields(format_)
    if found or format_.bits < 2:
        return found
    return minifloat_fields(replace(format_, lsb=2 - (1 << (format_.bits - 2))))


def _is_exponent(format_: Format) -> bool:
    """Whether a code is an exponent, as in E8M0."""
    return all(value in (None, 1 << code) for code, value in enumerate(format_.values))
