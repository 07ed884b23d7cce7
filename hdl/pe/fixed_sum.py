"""Accumulators of integers in units of the product's last place: ``exact``, ``wrap`` and ``saturate``."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed

from hdl.pe.term import Term
from sim.pe import Element


def placed(m: Module, element: Element, term: Term) -> Term:
    """The term shifted by its exponent to its place in the sum."""
    number = Signal(element.product_bits, name="placed")
    m.d.comb += number.eq(term.significand << term.exponent)
    return Term(number, term.negative)


def add(m: Module, total: Value, term: Term) -> Value:
    """``total + term`` by one carry chain, a bit wider than both: a negative term is inverted and carries one in."""
    if term.negative is None:
        return total + term.significand
    number = term.significand if term.significand.shape().signed else Cat(term.significand, Const(0)).as_signed()
    addend = Signal(signed(len(number)), name="addend")
    m.d.comb += addend.eq(Mux(term.negative, ~number, number))
    width = max(len(total), len(number)) + 1
    wide = Signal(signed(width + 1), name="wide_sum")
    m.d.comb += wide.eq(Cat(Const(1, 1), total).as_signed() + Cat(term.negative, addend).as_signed())
    return wide[1:].as_signed()


def saturated(m: Module, total: Value, bits: int) -> Value:
    """The nearest number of so many bits."""
    wide = Signal(total.shape(), name="unlimited")
    beyond = Signal(name="beyond")
    m.d.comb += [wide.eq(total), beyond.eq(wide[bits - 1 :].any() & ~wide[bits - 1 :].all())]
    limit = Cat((~wide[-1]).replicate(bits - 1), wide[-1])
    return Mux(beyond, limit, wide[:bits]).as_signed()
