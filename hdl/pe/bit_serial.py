"""The bit-serial PE: one weight bit a cycle, one adder for everything."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring

from hdl.pe.fixed_sum import add
from hdl.pe.ports import FORWARDED, pe_ports
from hdl.pe.term import Term
from hdl.placement import forward
from sim.design import DesignPoint


class BitSerialPE(wiring.Component):
    """A weight bit a cycle selects the activation, which moves up one place; ports: :func:`hdl.pe.ports.pe_ports`.

        cycle b of a MAC:  sum += (bit b of w ? a << b : 0),   subtracted in the last cycle where w is signed

    Latency: as many cycles as weight bits, the first of them that of the operands. Operands are at least that far apart.
    """

    module_name = "bit_serial_pe"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        super().__init__(pe_ports(design))

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        forward(m, self, FORWARDED)
        bits, signed_weight = self.design.weight.bits, self.design.weight.signed
        row_shape = signed(self.design.activation.bits + bits - 1)
        # The cycle of the operands is that of bit 0; what the others need is kept.
        place, kept_last = Signal(range(max(2, bits)), name="place"), Signal(name="kept_last")
        kept_row, kept_weight = Signal(row_shape, name="kept_row"), Signal(bits, name="kept_weight")
        row, weight, last = Signal(row_shape, name="row"), Signal(bits, name="weight_now"), Signal(name="last_now")
        at_work, top = Signal(name="at_work"), Signal(name="top")
        m.d.comb += [
            row.eq(Mux(self.valid, self.activation.as_signed(), kept_row)),
            weight.eq(Mux(self.valid, self.weight, kept_weight)),
            last.eq(Mux(self.valid, self.last, kept_last)),
            at_work.eq(self.valid | place.any()),
            top.eq(Const(1) if bits == 1 else ~self.valid & (place == bits - 1)),
        ]
        fresh = Signal(init=1)
        before, selected = Signal(self.sum.shape(), name="before"), Signal(row_shape, name="selected")
        m.d.comb += [before.eq(Mux(fresh, 0, self.sum)), selected.eq(Mux(weight[0], row, 0))]
        # Outside of the condition, which would otherwise gate every signal of the addition.
        total = add(m, before, Term(selected, top if signed_weight else None))
        with m.If(at_work):
            m.d.sync += [
                self.sum.eq(total),
                fresh.eq(top & last),
                place.eq(Mux(top, 0, Mux(self.valid, 1, place + 1))),
                kept_row.eq(Cat(Const(0, 1), row)),
                kept_weight.eq(weight >> 1),
                kept_last.eq(last),
            ]
        m.d.sync += self.sum_valid.eq(at_work & top & last)
        return m
