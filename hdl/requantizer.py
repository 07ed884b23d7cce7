"""The requantizer as hardware: a result divided by a scale becomes the code of the nearest number."""

from typing import Any

from amaranth import Cat, EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.arithmetic.division import divided
from hdl.arithmetic.float32 import normalise, significand_of, unpack_half
from hdl.arithmetic.ieee import FP16, FP32
from hdl.arithmetic.nearest import Grid, nearest
from hdl.decoder import has_fields
from hdl.pipeline import delayed
from sim.epilogue import OUTPUT_BITS, SCALE_BITS
from sim.errors import InputError
from sim.formats import Format
from sim.output import quotient_bits

LARGEST_OF_SUBNORMAL = 1 - FP32.bias + 24
"""A subnormal number of fp32 divided by the smallest scale, 2**-24, is below 2 to the power of this."""


class Requantizer(wiring.Component):
    """The next layer's operand from a result.

        converted = code of the number nearest to clip(result / scale)        the even one of two

    Ports:

    ========= ======== ===================================================
    result    in 32    fp32
    scale     in 16    fp16, positive and finite; ``sim.output`` takes fp32 too
    advance   in 1     everything moves on by a cycle, or stays where it is
    converted out bits code of the format
    ========= ======== ===================================================

    Latency: ``sim.output.requantizer_latency`` cycles with ``advance``, 13 of int8 and 8 of e2m1. Throughput: one a cycle.
    With ``advance`` it stands between a memory and an AXI4-Stream that waits.

    Significands are divided digit by digit (:mod:`hdl.arithmetic.division`): exact with as many digits as decide the rounding,
    and there is neither a multiplier nor a table.

    Infinities become the largest number of their sign, and so does NaN, which ``sim.output`` refuses. With another scale
    than a positive finite one the code means nothing. No register needs a reset.
    """

    def __init__(self, format_: Format) -> None:
        """Raises ``InputError`` for a format that is not :func:`requantizable`."""
        if not requantizable(format_):
            raise InputError(f"results are requantized to integers, minifloats and powers of two, not to {format_.name}")
        self.format, self.module_name = format_, f"{format_.name}_requantizer"
        ins = {"result": In(OUTPUT_BITS), "scale": In(SCALE_BITS), "advance": In(1)}
        super().__init__({**ins, "converted": Out(format_.bits)})

    def elaborate(self, platform: object) -> Any:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        dividend, field = _result(m, self.result, self.format.lsb <= LARGEST_OF_SUBNORMAL)
        half = unpack_half(m, "scale", self.scale)
        divisor, places = normalise(m, "divisor", half.significand)
        exponent = Signal(signed(FP32.exponent_bits + 2), name="exponent")
        m.d.comb += exponent.eq(field - half.exponent + places + (FP16.bias - FP32.bias))
        others = delayed(m, "others", Cat(exponent, self.result[-1]))

        digits = quotient_bits(self.format)
        quotient = divided(m, delayed(m, "dividend", dividend), delayed(m, "divisor", divisor), digits)
        for digit in range(digits + 1):
            others = delayed(m, f"others_{digit}", others)

        # The quotient's first bit may be 0, and then the next one is not.
        significand, top = Signal(len(quotient), name="significand"), Signal(exponent.shape(), name="top")
        first = quotient[-1]
        m.d.comb += [
            significand.eq(Mux(first, quotient, quotient << 1)),
            top.eq(others[:-1].as_signed() - ~first),
        ]
        code = nearest(m, grid(self.format), others[-1], significand, top)
        m.d.comb += self.converted.eq(delayed(m, "code", code))
        return EnableInserter(self.advance)(m)


def requantizable(format_: Format) -> bool:
    """Whether codes are plain integers, or a sign and what counts magnitudes as those of minifloats do."""
    return has_fields(format_) and format_.values[0] == 0


def grid(format_: Format) -> Grid:
    """What results are rounded to."""
    if format_.is_integer:
        return Grid(format_.significand_bits, 0, (format_.largest, -format_.smallest), True)
    last = format_.values.index(format_.largest)
    return Grid(format_.significand_bits, format_.lsb, (last, last), False)


def _result(m: Module, result: Value, subnormals: bool) -> tuple[Value, Value]:
    """Significand and biased exponent; that of an infinity is above all others.

    Unless ``subnormals`` matter, they are not normalised, as their quotients become zero by their exponent alone.
    """
    field, significand = result[FP32.fraction_bits : -1], significand_of(m, "result", result)
    if not subnormals:
        return significand, Cat(field, field.all())
    normalised, places = normalise(m, "dividend", significand)
    return normalised, Cat(field[0] | ~field.any(), field[1:], field.all()) - places
