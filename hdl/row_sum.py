"""Sum of a group's activations: what a zero point is multiplied with."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arithmetic import float32, ieee
from hdl.pe.fields import split
from hdl.pe.ports import row_sum_shape
from hdl.pipeline import buffered, flagged, named, ring
from sim.design import FP32_BITS, DesignPoint
from sim.formats import FORMATS
from sim.pe.fields import integer_fields, minifloat_fields


class RowSum(wiring.Component):
    """Sum of one row's activations over a group, shared by all columns of the array.

        sum = sum over the group of a       exact in units of the activations' last place, or rounded to fp32 every time

    Ports:

    ============== ========================= ===================================================
    activation     in a                      code of the activation at the array's left edge
    valid, last    in 1                      as at a PE
    sum            out row_sum_bits          the group's sum while ``sum_valid``
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
                "sum": Out(row_sum_shape(design)),
                "sum_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        term, term_valid, term_last = _code(self.design, self.activation), self.valid, self.last
        waits = self.design.pe_latency - self.design.element.latency
        if waits:
            term = buffered(m, "codes", ring(m, "buffer", waits), waits, term)
            term_valid = flagged(m, "valid_waiting", waits, self.valid)
            term_last = flagged(m, "last_waiting", waits, self.last)
        stages = self.design.element.latency - 1
        for stage in range(1, stages + 1):
            before = (term if stage < stages else _number(m, self.design, term)), term_valid, term_last
            term = Signal(before[0].shape(), name=f"term_{stage}")
            term_valid, term_last = Signal(name=f"term_valid_{stage}"), Signal(name=f"term_last_{stage}")
            m.d.sync += [after.eq(value) for after, value in zip((term, term_valid, term_last), before, strict=True)]
        if not stages:
            term = _number(m, self.design, term)
        fresh = Signal(init=1)
        with m.If(term_valid):
            m.d.sync += [self.sum.eq(self._added(m, term, Mux(fresh, 0, self.sum))), fresh.eq(term_last)]
        m.d.sync += self.sum_valid.eq(term_valid & term_last)
        return m

    def _added(self, m: Module, term: Value, total: Value) -> Value:
        return (
            term + total if self.design.row_sums_are_integers else ieee.add_finite(m, "total", named(m, "before", total), term)
        )


class RowSumStage(wiring.Component):
    """The sum of a column of activations, one more of them added in each row: what a zero point is multiplied with.

        sum = sum_above + activation            exact

    Ports: those of :class:`hdl.pe.stationary.StationaryPE` that are here. Latency: that of a PE, so that row sums and the
    sums of the first column are at their feet in the same cycle.
    """

    module_name = "row_sum_stage"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        shape = row_sum_shape(design)
        super().__init__({"activation": In(unsigned(design.activation.bits)), "sum_above": In(shape), "sum": Out(shape)})

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        number = _number(m, self.design, _code(self.design, self.activation))
        for stage in range(1, self.design.element.latency):
            register = Signal(number.shape(), name=f"term_{stage}")
            m.d.sync += register.eq(number)
            number = register
        m.d.sync += self.sum.eq(self.sum_above + number)
        return m


def _code(design: DesignPoint, activation: Value) -> Value:
    return activation.as_signed() if design.activation.is_integer else activation


def _number(m: Module, design: DesignPoint, code: Value) -> Value:
    """The activation as it is added: an integer, or the bits of a fp32 number."""
    format_ = design.activation
    exact = design.row_sums_are_integers
    if exact and format_.is_integer:
        return code
    if not exact and format_ == FORMATS["bf16"]:
        return Cat(Const(0, FP32_BITS - format_.bits), code)
    fields = integer_fields(format_) or minifloat_fields(format_)
    assert fields is not None
    parts = split(m, "a", fields, code)
    exponent = Const(0) if parts.exponent is None else parts.exponent
    if not exact:
        # Normal numbers, all but bf16's: their least is 2**-24.
        return float32.round_integer(m, "a", parts.negative, parts.significand, exponent + (float32.BIAS + fields.lsb))
    placed, number = Signal(format_.fixed_bits, name="placed"), Signal(signed(format_.fixed_bits), name="number")
    m.d.comb += [placed.eq(parts.significand << exponent), number.eq(Mux(parts.negative, -placed, placed))]
    return number
