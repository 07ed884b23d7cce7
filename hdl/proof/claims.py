"""What is claimed of combinational hardware: that it equals a reference in plain Verilog, for all inputs.

The reference of integers is ``w * a``; that of other formats multiplies the numbers in their tables
(:mod:`hdl.arithmetic.tables`) and knows nothing of signs, significands and exponents of codes.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from amaranth import Module, Shape, signed
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arithmetic.tables import Factors, factors, number_bits
from hdl.decoder import Decoder
from hdl.pe.element import PRODUCTS
from sim.errors import InputError
from sim.formats import FORMATS, Format
from sim.pe import PES, Element

MAGNITUDES = ("number", "significand")
"""Outputs of which hardware has one."""
HARD_BITS = 15
"""[bit] A product of numbers of more bits together, signs included, is proved in parts: solvers are slow at multipliers."""
PARTS = 4
"""[bit] Of the weight, which has one value in each part."""


class Product(wiring.Component):
    """The product of a PE, as it goes into the product's register; combinational.

    Ports: ``weight`` and ``activation``; ``negative``, ``significand`` and ``exponent``, 0 where the product has none.
    """

    def __init__(self, element: Element) -> None:
        self.element = element
        exponent_bits = [each.exponent_bits for each in element.fields] if element.has_exponents else [0, 0]
        bits = element.weight.bits, element.activation.bits
        # A product of significands is not wider than that of numbers; the codes themselves may be (minifloats e<E>m0).
        super().__init__(
            {
                "weight": In(bits[0]),
                "activation": In(bits[1]),
                "negative": Out(1),
                "significand": Out(signed(max(element.product_bits, sum(bits)) + 2)),
                "exponent": Out(max(1, max(exponent_bits) + all(exponent_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        term = PRODUCTS[self.element.kind](m, self.element, self.weight, self.activation)
        for name, part in vars(term).items():
            if part is not None:
                port = getattr(self, name)
                assert part.shape().width + (port.shape().signed > part.shape().signed) <= len(port)
                m.d.comb += port.eq(part)
        return m


@dataclass(frozen=True)
class Claim:
    """Hardware is a number that equals ``expected``, of ``width`` [bit], signed, for all inputs that are known.

    The hardware is combinational; its outputs are a ``number``, or the parts of one: ``(-1)**negative * significand *
    2**exponent`` without those that it does not have.
    ``parts`` is the number of the first input's highest bits whose values are proved one by one.
    """

    name: str
    hardware: wiring.Component
    expected: Factors
    width: int
    parts: int = 0

    @property
    def inputs(self) -> dict[str, int]:
        """Widths [bit] by name."""
        members = self.hardware.signature.members
        return {name: Shape.cast(member.shape).width for name, member in members.items() if member.flow == In}

    @property
    def outputs(self) -> dict[str, Shape]:
        """Shapes by name."""
        members = self.hardware.signature.members
        return {name: Shape.cast(member.shape) for name, member in members.items() if member.flow == Out}


def product_claim(element: Element) -> Claim:
    """The product is exactly that of the numbers that its codes stand for."""
    w, a = factors("w", element.weight, "weight"), factors("a", element.activation, "activation")
    expected = Factors(
        f"{w.number} * {a.number}", f"{w.place} + {a.place}", f"{w.known} && {a.known}", w.functions + a.functions
    )
    bits = number_bits(element.weight) + number_bits(element.activation)
    name = f"{element.kind}_{element.weight.name}_{element.activation.name}"
    return Claim(name, Product(element), expected, bits, PARTS if bits > HARD_BITS else 0)


def decoder_claim(format_: Format, kind: str) -> Claim:
    """The number of every code is that of the format's table, and 0 where the table has none."""
    expected = replace(factors("c", format_, "code"), known="1'b1")
    return Claim(f"{kind}_decoder_{format_.name}", Decoder(format_, kind), expected, number_bits(format_))


def wrapper(claim: Claim) -> str:
    """The Verilog module ``claim_<name>``: ``wrong`` says that the hardware's number differs from what is expected.

    Reference numbers of codes are as short as can be, so the hardware's significand is that of the reference shifted to
    the left, by as much as the exponent is lower: no number is shifted so far that a wrong bit would be cut off.
    """
    inputs, outputs = claim.inputs, claim.outputs
    magnitude = next(name for name in MAGNITUDES if name in outputs)
    bits = outputs[magnitude].width + 1
    room = bits + claim.width + 1
    ports = ", ".join(f"input [{width - 1}:0] {name}" for name, width in inputs.items())
    wires = "".join(f"  wire [{shape.width - 1}:0] dut_{name};\n" for name, shape in outputs.items())
    connected = ", ".join((*(f".{name}({name})" for name in inputs), *(f".{name}(dut_{name})" for name in outputs)))
    top = f"dut_{magnitude}[{bits - 2}]" if outputs[magnitude].signed else "1'b0"
    return f"""\
module claim_{claim.name}({ports}, output signed [{room - 1}:0] number, output [15:0] place,
  output signed [{room - 1}:0] expected_number, output [15:0] expected_place, output wrong);
{claim.expected.functions}{wires}  dut_{claim.name} dut({connected});
  wire signed [{bits - 1}:0] magnitude = {{{top}, dut_{magnitude}}};
  assign number = {"dut_negative ? -magnitude : magnitude" if "negative" in outputs else "magnitude"};
  assign place = {"dut_exponent" if "exponent" in outputs else "16'd0"};
  assign expected_number = {claim.expected.number};
  assign expected_place = {claim.expected.place};
  wire [15:0] distance = expected_place - place;
  wire signed [{room - 1}:0] expected = expected_number <<< distance;
  wire same = expected_number == 0 ? number == 0 : distance <= {bits} && number == expected;
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
