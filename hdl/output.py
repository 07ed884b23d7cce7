"""Results as fp16 and as fixed point; as fp32 they leave as they are."""

from collections.abc import Callable
from typing import Any

from amaranth import Cat, Const, EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arithmetic.ieee import FP16, FP32
from hdl.arithmetic.nearest import Grid, nearest
from hdl.pipeline import delayed
from sim.epilogue import OUTPUT_BITS
from sim.errors import choose
from sim.output import OutputFormat


class Output(wiring.Component):
    """A result, rounded once to what leaves the accelerator.

        fp16                      result rounded to nearest even, subnormals kept, infinity beyond the largest number
        fixed<bits>.<fraction>    clip(round(result * 2**fraction))

    Ports:

    ========= ======== ==================================================================
    result    in 32    fp32
    advance   in 1     everything moves on by a cycle; else it stays
    converted out bits fp16, or two's complement
    ========= ======== ==================================================================

    Latency: ``OutputFormat.latency`` = 2 cycles with ``advance``, which is how it stands between a memory and an AXI4-Stream
    that may wait. Throughput: one a cycle.

    Infinities stay, or become the largest number of their sign. NaN is quiet in fp16 and keeps its sign and upper bits; in
    fixed point, where ``sim.output`` refuses it, it becomes what an infinity of its sign does. No register needs a reset.
    """

    def __init__(self, format_: OutputFormat) -> None:
        """Raises ``InputError`` for a format that is none of :data:`OUTPUTS`."""
        self.format, self.convert = format_, choose("output that results are converted to", format_.kind, OUTPUTS)
        self.module_name = f"{format_.name.replace('.', '_')}_output"
        super().__init__({"result": In(OUTPUT_BITS), "advance": In(1), "converted": Out(format_.bits)})

    def elaborate(self, platform: object) -> Any:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        m.d.comb += self.converted.eq(delayed(m, "last", self.convert(m, self.format, self.result)))
        return EnableInserter(self.advance)(m)


def to_fp16(m: Module, format_: OutputFormat, result: Value) -> Value:  # noqa: ARG001 - one of OUTPUTS
    """Beyond the largest number comes infinity's code; NaN has all of its own."""
    grid = Grid(FP16.significand_bits, 1 - FP16.bias - FP16.fraction_bits, (FP16.infinity, FP16.infinity), False)
    fraction = result[: FP32.fraction_bits]
    nan = delayed(m, "nan_1", result[FP32.fraction_bits : -1].all() & fraction.any())
    payload = delayed(m, "payload_1", Cat(fraction[-FP16.fraction_bits : -1]))
    number = _nearest(m, grid, result)
    return Mux(nan, Cat(payload, Const((1 << FP16.exponent_bits + 1) - 1, FP16.exponent_bits + 1), number[-1]), number)


def to_fixed(m: Module, format_: OutputFormat, result: Value) -> Value:
    """Integers of the smallest step, saturated."""
    half = 1 << format_.bits - 1
    return _nearest(m, Grid(format_.bits - 1, -format_.fraction_bits, (half - 1, half), True), result)


def _nearest(m: Module, grid: Grid, result: Value) -> Value:
    """Exponents of subnormal numbers, which become zero, do not matter; infinity's is larger than any other."""
    field = result[FP32.fraction_bits : -1]
    significand = Cat(result[: FP32.fraction_bits], field.any())
    exponent = Signal(signed(FP32.exponent_bits + 2), name="exponent")
    m.d.comb += exponent.eq(field - FP32.bias)
    return nearest(m, grid, result[-1], significand, exponent)


OUTPUTS: dict[str, Callable[[Module, OutputFormat, Value], Value]] = {"fp16": to_fp16, "fixed": to_fixed}
"""What a result is converted to, by the kind of the output format; ``fp32`` needs no hardware."""
