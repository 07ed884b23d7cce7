"""Accumulators of floats: the exact sum of the accumulator and a product, rounded once to nearest even.

A product is normalised when it arrives. No product is an infinity, so an infinite sum stays one.
"""

from amaranth import Const, Module, Mux, Signal, Value

from hdl.arithmetic.float32 import normalise
from hdl.arithmetic.ieee import add_number, layout
from hdl.pe.term import Term
from sim.pe import Element


def normalised(m: Module, element: Element, term: Term) -> Term:
    """Its significand shifted left to the top; its exponent that of the top bit, biased; of zero the least there is."""
    float_ = layout(element.accumulation.family)
    negative = term.negative
    magnitude = term.significand
    if negative is None:
        negative = term.significand[-1]
        magnitude = Signal(len(term.significand), name="magnitude")
        m.d.comb += magnitude.eq(Mux(negative, -term.significand, term.significand))
    significand, shift = normalise(m, "product", magnitude)
    top = float_.bias + element.product_lsb + len(magnitude) - 1
    field = Const(0) if term.exponent is None else term.exponent
    lowest, highest = top - len(magnitude), top + (1 << len(field)) - 1
    exponent = Signal(range(min(lowest, 0), max(highest, 1) + 1), name="product_exponent")
    m.d.comb += exponent.eq(Mux(significand[-1], field - shift + top, min(lowest, 0)))
    return Term(significand, negative, exponent)


def add(m: Module, element: Element, total: Value, term: Term) -> Value:
    """The float nearest to ``total + term``; ``term`` is normalised."""
    assert term.negative is not None and term.exponent is not None
    return add_number(m, layout(element.accumulation.family), total, term.negative, term.significand, term.exponent)
