"""From a group's sum to the fp32 number that is added across groups: three cycles, and a circuit for each kind of sum.

=========== ============================== ======================= ==========================
sums        1                              2                       3
=========== ============================== ======================= ==========================
integers    sum - zero_point * row_sum     times scale             rounded
fixed point sum - zero_point * row_sum     rounded                 times scale, rounded
floats      fp32(zero_point * row_sum)     fp32(sum - that)        times scale, rounded
aligned     fp32(zero_point * row_sum),    fp32(fp32(sum) - that)  times scale, rounded
            fp32(sum)
=========== ============================== ======================= ==========================

Integers of at most 24 bits are fp32 numbers, so they are rounded once, after the scale; all others before it too
(:mod:`sim.epilogue`).
"""

from dataclasses import dataclass, replace
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed

from hdl.arithmetic import float32, ieee
from hdl.arithmetic.float32 import Product
from hdl.pipeline import delayed, named
from sim.design import DesignPoint


@dataclass(frozen=True)
class GroupSum:
    """What is there in the first cycle: a sum, the group's scale (fp16), and where there are zero points the row's sum."""

    sum: Value
    valid: Value
    scale: Value
    zero_point: Value | None = None
    row_sum: Value | None = None


@dataclass(frozen=True)
class Scaled:
    """What is there after three cycles."""

    number: Signal
    valid: Signal


def scaled(m: Module, design: DesignPoint, group: GroupSum) -> Scaled:
    """``fp32(scale * fp32(sum - zero_point * row_sum))``, three cycles later."""
    if design.sums_are_integers:
        return _integer(m, design, group)
    corrected = _fixed(m, design, group) if design.row_sums_are_integers else _float(m, design, group)
    scale = delayed(m, "scale_2", delayed(m, "scale_1", group.scale))
    unit = arithmetic(design)
    exact = unit.product(m, "corrected", corrected, float32.unpack_half(m, "scale", scale))
    exact = replace(exact, magnitude=named(m, "exact", exact.magnitude))
    valid_2 = delayed(m, "valid_2", delayed(m, "valid_1", group.valid))
    return Scaled(delayed(m, "term_3", unit.round_product(m, "term", exact)), delayed(m, "valid_3", valid_2))


def arithmetic(design: DesignPoint) -> Any:
    """The module that a design's fp32 numbers are computed with: the smaller one where sums are no floats."""
    return float32 if design.row_sums_are_integers else ieee


def _integer(m: Module, design: DesignPoint, group: GroupSum) -> Scaled:
    corrected = _corrected(m, design, group)
    valid_1 = delayed(m, "valid_1", group.valid)
    # The magnitude of the most negative corrected sum fits too: the width is symmetric.
    magnitude = Signal(design.corrected_bits - 1)
    m.d.comb += magnitude.eq(Mux(corrected < 0, -corrected, corrected))
    half = float32.unpack_half(m, "scale", delayed(m, "scale_1", group.scale))
    product = delayed(m, "product", magnitude * half.significand)
    sign_2 = delayed(m, "sign_2", corrected < 0)
    exponent_2 = delayed(m, "exponent_2", half.exponent)
    valid_2 = delayed(m, "valid_2", valid_1)
    lsb = exponent_2 + (float32.BIAS - float32.HALF_LSB)
    term = delayed(m, "term_3", float32.round_integer(m, "term", sign_2, product, lsb))
    return Scaled(term, delayed(m, "valid_3", valid_2))


def _fixed(m: Module, design: DesignPoint, group: GroupSum) -> Signal:
    """The corrected sum as a fp32 number, two cycles later."""
    corrected = _corrected(m, design, group)
    magnitude = Signal(len(corrected))
    m.d.comb += magnitude.eq(Mux(corrected < 0, -corrected, corrected))
    lsb = Const(float32.BIAS + design.element.product_lsb)
    return delayed(m, "corrected_2", float32.round_integer(m, "corrected", corrected < 0, magnitude, lsb))


def _corrected(m: Module, design: DesignPoint, group: GroupSum) -> Signal:
    """The sum less the zero point times the row's sum, a cycle later."""
    corrected = Signal(signed(design.corrected_bits), reset_less=True)
    if group.zero_point is None or group.row_sum is None:
        m.d.sync += corrected.eq(group.sum)
    else:
        m.d.sync += corrected.eq(group.sum - group.zero_point * group.row_sum)
    return corrected


def _float(m: Module, design: DesignPoint, group: GroupSum) -> Signal:
    """The corrected sum, two cycles later."""
    sum_1 = delayed(m, "sum_1", _fp32(m, design, group.sum))
    # Zero times an infinite row sum is NaN, so symmetric weights, which have no zero points, are not corrected by zero.
    if group.zero_point is None or group.row_sum is None or design.weight.signed:
        return delayed(m, "corrected_2", sum_1)
    offset = delayed(m, "offset_1", ieee.times_integer(m, "offset", group.row_sum, group.zero_point))
    return delayed(m, "corrected_2", ieee.add(m, "difference", sum_1, Cat(offset[:-1], ~offset[-1])))


def _fp32(m: Module, design: DesignPoint, total: Value) -> Value:
    """A float's sum as it is, or that of ``aligned`` rounded to fp32."""
    element, bits = design.element, design.accumulator_bits
    if element.accumulation.is_float:
        return ieee.widened(m, "sum", ieee.layout(element.accumulation.family), total)
    integer = total[:bits].as_signed()
    # An fp32 significand is cut from more bits than it has.
    padding = max(0, float32.SIGNIFICAND_BITS + 2 - bits)
    magnitude = Signal(bits + padding, name="magnitude")
    m.d.comb += magnitude.eq(Mux(integer < 0, -integer, integer) << padding)
    unit = float32.BIAS + element.product_lsb - element.accumulation.number - padding
    exponent = Signal(signed(float32.EXPONENT_BITS + 2), name="sum_lsb")
    m.d.comb += exponent.eq(total[bits:] + unit)
    return ieee.round_product(m, "sum", Product(integer < 0, magnitude, exponent, Const(0, 2)))
