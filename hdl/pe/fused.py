"""The fused PE's product: bricks that multiply two bits by two, and the additions that make one product of them."""

from dataclasses import dataclass

from amaranth import Cat, Module, Shape, Signal, Value

from hdl.pe.lookup import lookup
from hdl.pe.term import Term, register
from sim.pe import Element

BRICK = 2
"""[bit] Of each operand of a brick."""


@dataclass(frozen=True)
class Digits:
    """Part of an operand, ``value * 2**(2*place)``, whole bricks wide; signed if it is the upper part of what is signed."""

    value: Value
    place: int

    @property
    def count(self) -> int:
        return len(self.value) // BRICK

    def halves(self) -> tuple["Digits", "Digits"]:
        """The lower digits, half of the next power of two, and the others."""
        count = 1 << (self.count - 1).bit_length() - 1
        low, high = self.value[: count * BRICK], self.value[count * BRICK :]
        signed = self.value.shape().signed
        return Digits(low, self.place), Digits(high.as_signed() if signed else high, self.place + count)


def product(m: Module, element: Element, weight: Value, activation: Value) -> Term:
    """``sum over bricks i, j of (digit i of w * digit j of a) << 2*(i + j)``, added up half by half.

    Codes are extended to whole bricks, with their sign if they have one; only the digit on top has it. A level of additions
    makes of four fused products one of twice the width (Bit Fusion, Sharma et al., ISCA 2018), each with its
    own carry chain.
    """
    w, a = (
        _extended(m, name, code.as_signed() if format_.signed else code)
        for name, code, format_ in (("w", weight, element.weight), ("a", activation, element.activation))
    )
    total = Signal(Shape(element.product_bits, signed=True), name="fused")
    m.d.comb += total.eq(_fused(m, w, a, "partial" in element.registers))
    return Term(total)


def _extended(m: Module, name: str, number: Value) -> Digits:
    bits = -(-len(number) // BRICK) * BRICK
    extended = Signal(Shape(bits, number.shape().signed), name=f"{name}_extended")
    m.d.comb += extended.eq(number)
    return Digits(extended, 0)


def _fused(m: Module, w: Digits, a: Digits, registered: bool) -> Value:
    """``w * a``, as wide as both together: a brick, or the halves of the longer operand times the other one."""
    name = f"{w.place}_{a.place}"
    if w.count == a.count == 1:
        brick = _brick(m, name, w.value, a.value)
        return register(m, f"partial_{name}", brick) if registered else brick
    of_w = w.count >= a.count
    low, high = (w if of_w else a).halves()
    products = [_fused(m, *((half, a) if of_w else (w, half)), registered) for half in (low, high)]
    total = Signal(_shape(w.value, a.value), name=f"fused_{w.count}x{a.count}_{name}", attrs={"keep": 1})
    m.d.comb += total.eq(products[0] + (products[1] << BRICK * low.count))
    return total


def _brick(m: Module, name: str, w: Value, a: Value) -> Signal:
    """Two bits times two, each with or without a sign: four bits, each of them one look-up table of four inputs."""
    products = [_digit(code, w) * _digit(code >> BRICK, a) for code in range(1 << 2 * BRICK)]
    return lookup(m, f"brick_{name}", Cat(w, a), products, _shape(w, a))


def _digit(code: int, digit: Value) -> int:
    """What a digit's bits stand for."""
    bits = code % (1 << BRICK)
    return bits - (1 << BRICK) if digit.shape().signed and bits >> BRICK - 1 else bits


def _shape(w: Value, a: Value) -> Shape:
    """Of a product of whole bricks."""
    return Shape(len(w) + len(a), signed=w.shape().signed or a.shape().signed)
