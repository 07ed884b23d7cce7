"""From the sums of a vector unit's columns to results in fp16: group scales, fp32 sums across groups, the token's scale."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.arithmetic import float32
from hdl.arithmetic.float32 import Product
from hdl.arithmetic.scaled import GroupSum, scaled
from hdl.output import Output
from hdl.pipeline import delayed
from hdl.placement import delay_line, place
from sim.design import DesignPoint
from sim.epilogue import LATENCY as EPILOGUE
from sim.epilogue import SCALE_BITS
from sim.output import output_format
from sim.overlay.compiler.memory_map import HELD_BLOCKS
from sim.overlay.engine import BLOCK

FP16 = output_format("fp16")

ADD_BIAS = 1
"""[cycle] Of the bias that is added to a result."""

LATENCY = EPILOGUE + ADD_BIAS + FP16.latency + 1
"""[cycle] From a column's sum to its result among the others."""

HELD_BITS = exact_log2(HELD_BLOCKS)
"""[bit] Of a place for the sums of 16 columns."""


class Scaling(wiring.Component):
    """Results of one token, 16 columns one after the other.

        total[h, c] = fp32((first ? 0 : total[h, c]) + fp32(scale * sum))
        result      = fp16(fp32(fp32(token_scale * total[h, c]) + bias))    after the last group

    Ports: ``sum``, ``column``, ``valid``, and with them the ``scale`` [fp16] of the group and column, ``first`` and
    ``last`` of its group, ``held``, the place ``h`` of 8 that its totals have, ``token_scale`` [fp16]; a cycle behind them the
    column's ``bias`` [fp16]; ``results`` [16 x 16 bit], column 0 lowest; ``done`` for the cycle in which all of them are there.
    Latency: :data:`LATENCY` cycles. Throughput: a column a cycle; a column comes again after 16 cycles at the earliest.
    Totals stay where no group has been the last.
    """

    module_name = "scaling"

    def __init__(self, design: DesignPoint) -> None:
        """``design`` has weights and activations of int8, and its groups."""
        self.design, self._output = design, Output(FP16)
        super().__init__(
            {
                "sum": In(design.accumulator_bits),
                "column": In(range(BLOCK)),
                "valid": In(1),
                "scale": In(SCALE_BITS),
                "first": In(1),
                "last": In(1),
                "held": In(HELD_BITS),
                "token_scale": In(SCALE_BITS),
                "bias": In(SCALE_BITS),
                "results": Out(BLOCK * FP16.bits),
                "done": Out(1),
            }
        )

    @property
    def parts(self) -> tuple[Any, ...]:
        """The component that this one instantiates."""
        return (self._output,)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        total = self.sum.as_signed()
        term = scaled(m, self.design, GroupSum(total, self.valid, self.scale))
        flags = delay_line(m, "flags", Cat(self.column, self.held, self.first, self.last & self.valid), 3)
        column, place_, first, last = flags[: len(self.column)], flags[:-2], flags[-2], flags[-1]
        m.submodules.totals = totals = Memory(shape=unsigned(32), depth=HELD_BLOCKS * BLOCK, init=[])
        read, write = totals.read_port(domain="comb"), totals.write_port()
        before = Signal(32)
        added = float32.add(m, "total", before, term.number)
        m.d.comb += [read.addr.eq(place_), write.addr.eq(place_), write.data.eq(added), write.en.eq(term.valid)]
        m.d.comb += before.eq(Mux(first, 0, read.data))
        token = delay_line(m, "token_scale", self.token_scale, 4, True)
        exact = float32.product(m, "factor", delayed(m, "total_4", added), float32.unpack_half(m, "token", token))
        exact_5 = Product(
            magnitude=delayed(m, "scaled", exact.magnitude),
            negative=delayed(m, "sign_5", exact.negative),
            exponent=delayed(m, "exponent_5", exact.exponent),
            special=None,
        )
        result = delayed(m, "result_6", float32.round_product(m, "result", exact_5))
        bias = delayed(m, "bias_6", _widened(m, delay_line(m, "bias", self.bias, 4, True)))
        biased = delayed(m, "result_7", float32.add(m, "biased", result, bias))
        half = place(m, self._output, "output", {"result": biased, "advance": Const(1)})["converted"]
        comes = delay_line(m, "comes", Cat(last, last & (column == BLOCK - 1)), EPILOGUE - 3 + ADD_BIAS + FP16.latency)
        with m.If(comes[0]):
            m.d.sync += self.results.eq(Cat(self.results[FP16.bits :], half))
        m.d.sync += self.done.eq(comes[1])
        return m


def _widened(m: Module, half: Value) -> Signal:
    """A fp16 number in fp32, of any sign."""
    number = float32.unpack_half(m, "bias", half)
    return float32.round_integer(m, "bias", half[-1], number.significand, number.exponent + (float32.BIAS - float32.HALF_LSB))
