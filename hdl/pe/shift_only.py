"""The product of the PE whose weights are powers of two, or sums of two of them: shifts, at most one addition."""

from amaranth import Module, Mux, Signal, Value, signed

from hdl.pe.lookup import lookup
from hdl.pe.term import Term, register
from sim.pe import Element


def product(m: Module, element: Element, weight: Value, activation: Value) -> Term:
    """``(a << first) + (a << second)``, distances and presence from a table of the weight's codes; the sign waits."""
    powers = [_powers(value) for value in element.weight.values]
    negative = lookup(m, "negative", weight, [int(value is not None and value < 0) for value in element.weight.values])
    registered, terms = "partial" in element.registers, []
    for place in range(max(map(len, powers), default=0)):
        distances = [found[place] if place < len(found) else 0 for found in powers]
        present = lookup(m, f"present_{place}", weight, [int(place < len(found)) for found in powers])
        distance = lookup(m, f"distance_{place}", weight, distances)
        term = Signal(signed(element.product_bits), name=f"term_{place}")
        m.d.comb += term.eq(Mux(present, activation.as_signed() << distance, 0))
        terms.append(register(m, f"partial_{place}", term) if registered else term)
    total = Signal(signed(element.product_bits), name="total", attrs={"keep": 1})
    m.d.comb += total.eq(terms[0] if len(terms) == 1 else terms[0] + terms[1])
    product = Term(total, negative)
    return product.registered(m, "partial", ("negative",)) if registered else product


def _powers(value: int | None) -> list[int]:
    """Exponents of the powers of two in a number's magnitude, the greatest first."""
    magnitude = abs(value or 0)
    return [place for place in reversed(range(magnitude.bit_length())) if magnitude >> place & 1]
