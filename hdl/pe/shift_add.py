"""The shift-and-add PE's product: one carry chain for each pair of weight bits instead of a multiplier."""

from amaranth import Module, Mux, Signal, Value

from hdl.pe.rows import add_rows, masked_rows, without_signs
from hdl.pe.term import Term
from sim.pe import Element


def product(m: Module, element: Element, weight: Value, activation: Value) -> Term:
    """Of integers, ``(bit b of w ? a << b : 0)`` for every weight bit, the top one subtracted where w is signed.

    Of planes of +-1, a bit tells between ``a << b`` and ``-(a << b)``.
    """
    number, registered = activation.as_signed(), "partial" in element.registers
    if not element.weight.is_integer:
        planes = []
        for bit in range(len(weight)):
            plane = Signal(number.shape().width + 1, name=f"row_{bit}")
            m.d.comb += plane.eq(Mux(weight[bit], number, -number))
            planes.append(plane.as_signed())
        return Term(add_rows(m, planes, element.product_adders(), registered))
    negative_last = element.weight.signed
    rows = without_signs(masked_rows(m, weight, number), negative_last)
    return Term(add_rows(m, rows, element.product_adders(), registered, negative_last))
