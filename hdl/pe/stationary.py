"""The processing element that holds a weight."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.pe import fixed_sum
from hdl.pe.element import product
from hdl.pe.ports import sum_shape
from hdl.placement import forward
from sim.design import DesignPoint


class StationaryPE(wiring.Component):
    """One multiply-accumulate of an array whose weights stay.

        sum = sum_above + w * activation        by the design's accumulator, ``exact`` or ``wrap``

    Ports:

    ====================== ========================= =========================================================
    weight, load           in weight, 1              a weight of the next fold: it is written into the second register
    activation             in activation             code of the streamed operand, from the left
    first                  in 1                      it is the first one of a fold: the second register comes into use
    sum_above, sum         in, out accumulator_bits  of the rows above, this one's product added
    load_out, activation_out, first_out              the three inputs from the left, one cycle later
    ====================== ========================= =========================================================

    Latency: that of the model's element from ``activation`` to ``sum``, one cycle from ``sum_above``. Throughput: one MAC
    a cycle, folds back to back. A fold's first product takes its weight out of the second register, which may be
    written at the end of that very cycle: an array of one row loads and uses a weight in every cycle. There are no bubbles:
    what nobody asked for is not taken at the column's foot.
    """

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        self.module_name = f"{design.pe}_stationary_pe"
        activation = unsigned(design.activation.bits)
        super().__init__(
            {
                "weight": In(unsigned(design.weight.bits)),
                "load": In(1),
                "activation": In(activation),
                "first": In(1),
                "sum_above": In(sum_shape(design)),
                "load_out": Out(1),
                "activation_out": Out(activation),
                "first_out": Out(1),
                "sum": Out(sum_shape(design)),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        forward(m, self, ("load", "activation", "first"))
        second, held, used = (Signal(self.design.weight.bits, name=name) for name in ("second", "held", "used"))
        with m.If(self.load):
            m.d.sync += second.eq(self.weight)
        m.d.comb += used.eq(Mux(self.first, second, held))
        m.d.sync += held.eq(used)
        element = self.design.element
        term = product(m, element, used, self.activation)
        if term.exponent is not None:
            term = fixed_sum.placed(m, element, term)
        if "term" in element.registers:
            term = term.registered(m, "term")
        m.d.sync += self.sum.eq(fixed_sum.add(m, self.sum_above, term))
        return m
