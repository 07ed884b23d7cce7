"""Sum of a group's activations: what a zero point is multiplied with."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim.design import DesignPoint


class RowSum(wiring.Component):
    """Sum of one row's activations over a group, shared by all columns of the array.

        sum = sum over the group of a

    Ports:

    ============== ========================= ===================================================
    activation     in a                      code of the activation at the array's left edge
    valid, last    in 1                      as at a PE
    sum            out signed row_sum_bits   the group's sum while ``sum_valid``
    sum_valid      out 1                     high for one cycle a group
    ============== ========================= ===================================================

    Latency: that of a PE, so that a row's sum and the first column's sum are on their buses in the same cycle; registers
    stand where a PE has its product. Throughput: one activation a cycle.
    """

    module_name = "row_sum"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        super().__init__(
            {
                "activation": In(unsigned(design.activation.bits)),
                "valid": In(1),
                "last": In(1),
                "sum": Out(signed(design.row_sum_bits)),
                "sum_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        term, term_valid, term_last = self.activation.as_signed(), self.valid, self.last
        for stage in range(1, self.design.element.latency):
            before = term, term_valid, term_last
            term = Signal(signed(self.design.activation.bits), name=f"term_{stage}")
            term_valid, term_last = Signal(name=f"term_valid_{stage}"), Signal(name=f"term_last_{stage}")
            m.d.sync += [after.eq(value) for after, value in zip((term, term_valid, term_last), before, strict=True)]
        fresh = Signal(init=1)
        with m.If(term_valid):
            m.d.sync += [self.sum.eq(term + Mux(fresh, 0, self.sum)), fresh.eq(term_last)]
        m.d.sync += self.sum_valid.eq(term_valid & term_last)
        return m
