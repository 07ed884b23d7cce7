"""The baseline PE's product: that of the synthesis tool's multiplier."""

from amaranth import Module, Signal, Value, signed, unsigned

from hdl.pe.fields import combine, split
from hdl.pe.term import Term
from sim.pe import Element


def product(m: Module, element: Element, weight: Value, activation: Value) -> Term:
    """Of integers themselves; of floats the product of significands, with the sum of exponents."""
    if not element.has_exponents:
        numbers = (weight.as_signed() if element.weight.signed else weight), activation.as_signed()
        integer = Signal(signed(element.product_bits), attrs={"keep": 1})
        m.d.comb += integer.eq(numbers[0] * numbers[1])
        return _halfway(m, element, Term(integer))
    w, a = (split(m, name, f, code) for name, f, code in zip(("w", "a"), element.fields, (weight, activation), strict=True))
    significand = Signal(unsigned(len(w.significand) + len(a.significand)), attrs={"keep": 1})
    m.d.comb += significand.eq(w.significand * a.significand)
    return _halfway(m, element, combine(w, a, significand))


def _halfway(m: Module, element: Element, term: Term) -> Term:
    """Behind the multiplier, where a tool may move its register to, into it."""
    return term.registered(m, "partial") if "partial" in element.registers else term
