"""What is claimed of combinational hardware: that it equals a reference in plain Verilog, for all inputs.

The reference of integers is ``w * a``; that of other formats multiplies the numbers in their tables (:mod:`hdl.tables`) and
knows nothing of signs, significands and exponents of codes.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Module, signed
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.pe import fields
from hdl.pe.element import PRODUCTS
from hdl.pe.term import Term
from hdl.tables import Factors, factors, number_bits
from sim.errors import InputError
from sim.formats import FORMATS, Format
from sim.pe import PES, Element
from sim.pe.fields import Fields, integer_fields, minifloat_fields

OUTPUTS = ("negative", "significand", "exponent")
HARD_BITS = 15
"""[bit] A product of numbers of more bits together, signs included, is proved in parts: solvers are slow at multipliers."""
PARTS = 4
"""[bit] Of the weight, which has one value in each part."""


class Number(wiring.Component):
    """A number as hardware has it, ``(-1)**negative * significand * 2**exponent``, from codes; combinational."""

    inputs: tuple[str, ...]

    def __init__(self, codes: dict[str, int], significand_bits: int, exponent_bits: int) -> None:
        self.inputs = tuple(codes)
        self.significand_bits, self.exponent_bits = significand_bits, exponent_bits
        outputs = {"negative": Out(1), "significand": Out(signed(significand_bits)), "exponent": Out(max(1, exponent_bits))}
        super().__init__({**{name: In(bits) for name, bits in codes.items()}, **outputs})

    def shown(self, m: Module, term: Term) -> None:
        """The outputs are this number, whole."""
        shape = term.significand.shape()
        assert shape.width + (not shape.signed) <= self.significand_bits
        m.d.comb += self.significand.eq(term.significand)
        if term.negative is not None:
            m.d.comb += self.negative.eq(term.negative)
        if term.exponent is not None:
            assert len(term.exponent) <= self.exponent_bits
            m.d.comb += self.exponent.eq(term.exponent)


class Product(Number):
    """The product of a PE, as it goes into the product's register."""

    def __init__(self, element: Element) -> None:
        self.element = element
        bits = [each.exponent_bits for each in element.fields] if element.has_exponents else [0, 0]
        codes = {"weight": element.weight.bits, "activation": element.activation.bits}
        # A product of significands is not wider than that of numbers; the codes themselves may be (minifloats e<E>m0).
        significand_bits = max(element.product_bits, sum(codes.values())) + 2
        super().__init__(codes, significand_bits, max(bits) + all(bits))

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        self.shown(m, PRODUCTS[self.element.kind](m, self.element, self.weight, self.activation))
        return m


class Decoder(Number):
    """A code taken apart."""

    def __init__(self, fields_: Fields) -> None:
        self.fields = fields_
        super().__init__({"code": fields_.bits}, fields_.significand_bits + 1, fields_.exponent_bits)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        parts = fields.split(m, "code", self.fields, self.code)
        self.shown(m, Term(parts.significand, parts.negative, parts.exponent))
        return m


@dataclass(frozen=True)
class Claim:
    """Hardware is a number that equals ``expected``, of ``width`` [bit], signed, for all inputs that are known.

    ``parts`` is the number of the first input's highest bits whose values are proved one by one.
    """

    name: str
    hardware: Number
    expected: Factors
    width: int
    parts: int = 0


def product_claim(element: Element) -> Claim:
    """The product is exactly that of the numbers that its codes stand for."""
    w, a = factors("w", element.weight, "weight"), factors("a", element.activation, "activation")
    expected = Factors(
        f"{w.number} * {a.number}", f"{w.place} + {a.place}", f"{w.known} && {a.known}", w.functions + a.functions
    )
    bits = number_bits(element.weight) + number_bits(element.activation)
    name = f"{element.kind}_{element.weight.name}_{element.activation.name}"
    return Claim(name, Product(element), expected, bits, PARTS if bits > HARD_BITS else 0)


def decoder_claim(format_: Format) -> Claim:
    """Sign, significand and exponent of a code are those of its value."""
    found = integer_fields(format_) or minifloat_fields(format_)
    assert found is not None
    return Claim(f"decoder_{format_.name}", Decoder(found), factors("c", format_, "code"), number_bits(format_))


def wrapper(claim: Claim) -> str:
    """The Verilog module ``claim_<name>``: ``wrong`` says that the hardware's number differs from what is expected.

    Reference numbers of codes are as short as can be, so the hardware's significand is that of the reference shifted to
    the left, by as much as the exponent is lower: no number is shifted so far that a wrong bit would be cut off.
    """
    dut = claim.hardware
    room = dut.significand_bits + claim.width + 1
    codes = [(name, len(getattr(dut, name))) for name in dut.inputs]
    ports = ", ".join(f"input [{bits - 1}:0] {name}" for name, bits in codes)
    connected = ", ".join(f".{name}({name})" for name in (*dut.inputs, *OUTPUTS))
    return f"""\
module claim_{claim.name}({ports}, output signed [{room - 1}:0] number, output [15:0] place,
  output signed [{room - 1}:0] expected_number, output [15:0] expected_place, output wrong);
{claim.expected.functions}  wire negative;
  wire signed [{dut.significand_bits - 1}:0] significand;
  wire [{max(1, dut.exponent_bits) - 1}:0] exponent;
  dut_{claim.name} dut({connected});
  assign number = negative ? -significand : significand;
  assign place = exponent;
  assign expected_number = {claim.expected.number};
  assign expected_place = {claim.expected.place};
  wire [15:0] distance = expected_place - place;
  wire signed [{room - 1}:0] expected = expected_number <<< distance;
  wire same = expected_number == 0 ? number == 0 : distance <= {dut.significand_bits} && number == expected;
  assign wrong = {claim.expected.known} && !same;
endmodule
"""


def texts(claim: Claim) -> str:
    """Verilog of a claim: the hardware and its wrapper."""
    text: str = verilog.convert(claim.hardware, name=f"dut_{claim.name}", emit_src=False, strip_internal_attrs=True)
    return text + wrapper(claim)


def elements(kind: str, most_bits: int = 8) -> Iterator[Element]:
    """The PEs of a kind, of all pairs of formats that it takes with operands of at most so many bits.

    Activations are signed, as those of a :class:`sim.design.DesignPoint`: hardware takes no others.
    """
    formats = [format_ for format_ in FORMATS.values() if format_.bits <= most_bits]
    for weight in formats:
        for activation in (format_ for format_ in formats if format_.signed):
            # Which sums an accumulator holds says nothing of products: an exact one refuses the widest.
            with contextlib.suppress(InputError):
                yield PES[kind](weight, activation, "fp32" if "fp32" in PES[kind].accumulators else "exact")
