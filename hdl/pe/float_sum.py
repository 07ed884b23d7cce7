"""Accumulators of floats: the exact sum of the accumulator and a product, rounded once to nearest even.

A product is normalised when it arrives. The number of the greater exponent keeps its place, the other one is shifted
right, with two bits below the last place and one that tells whether anything was lost (sticky). That decides every
rounding: bits are lost only by shifts of more than two places, after which a subtraction cancels one leading bit at most.
A subnormal accumulator has the least exponent, so it is not normalised itself, and the result is not normalised below
that exponent either. An infinity stays, as no product is one; a zero is positive.
"""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed

from hdl.float32 import normalise
from hdl.pe.term import Term
from sim.accumulators import FLOATS
from sim.pe import Element

LOST_BITS = 3
"""[bit] Two below the last place, and sticky."""


@dataclass(frozen=True)
class Layout:
    """A binary float: significand bits with the hidden one, exponent bits, bias."""

    significand_bits: int
    exponent_bits: int
    bias: int

    @property
    def fraction_bits(self) -> int:
        return self.significand_bits - 1

    @property
    def bits(self) -> int:
        return self.significand_bits + self.exponent_bits


def layout(family: str) -> Layout:
    """The layout of an accumulator's float; the bias of a binary float is its largest exponent."""
    significand_bits, largest_exponent = FLOATS[family]
    return Layout(significand_bits, (2 * largest_exponent + 1).bit_length(), largest_exponent)


def normalised(m: Module, element: Element, term: Term) -> Term:
    """Its significand shifted left to the top; its exponent that of the top bit, biased; of zero the least there is."""
    float_ = layout(element.accumulation.family)
    negative = term.negative
    magnitude = term.significand
    if negative is None:
        negative = term.significand[-1]
        magnitude = Signal(len(term.significand), name="magnitude")
        m.d.comb += magnitude.eq(Mux(negative, -term.significand, term.significand))
    significand, shift = normalise(m, "product", magnitude)
    top = float_.bias + element.product_lsb + len(magnitude) - 1
    field = Const(0) if term.exponent is None else term.exponent
    lowest, highest = top - len(magnitude), top + (1 << len(field)) - 1
    exponent = Signal(range(min(lowest, 0), max(highest, 1) + 1), name="product_exponent")
    m.d.comb += exponent.eq(Mux(significand[-1], field - shift + top, min(lowest, 0)))
    return Term(significand, negative, exponent)


def add(m: Module, element: Element, total: Value, term: Term) -> Value:
    """The float nearest to ``total + term``; ``term`` is normalised."""
    float_ = layout(element.accumulation.family)
    assert term.negative is not None and term.exponent is not None
    width = max(float_.significand_bits, len(term.significand)) + LOST_BITS
    field = total[float_.fraction_bits : -1]
    infinite, normal = Signal(name="infinite"), Signal(name="normal")
    exponent = Signal(signed(float_.exponent_bits + 1), name="sum_exponent")
    m.d.comb += [infinite.eq(field.all()), normal.eq(field.any()), exponent.eq(Mux(normal, field, 1))]
    of_sum = _at_the_top(Cat(total[: float_.fraction_bits], normal), width)
    of_term = _at_the_top(term.significand, width)

    # The number of the greater exponent, and the other one, shifted to its place below it.
    term_leads = Signal(name="term_leads")
    difference = Signal(signed(max(len(exponent), len(term.exponent)) + 1), name="difference")
    distance = Signal(range(width + 1), name="distance")
    m.d.comb += [
        difference.eq(term.exponent - exponent),
        term_leads.eq(difference > 0),
        distance.eq(_limited(Mux(term_leads, difference, -difference), width)),
    ]
    large, small = Signal(width, name="large"), Signal(width, name="small")
    apart, below = Signal(2 * width, name="apart"), Signal(width, name="below")
    m.d.comb += [
        large.eq(Mux(term_leads, of_term, of_sum)),
        small.eq(Mux(term_leads, of_sum, of_term)),
        apart.eq(Cat(Const(0, width), small) >> distance),
        below.eq(Cat(apart[width] | apart[:width].any(), apart[width + 1 :])),
    ]

    # Their sum or difference, its sign and magnitude.
    subtract, difference_sign = Signal(name="subtract"), Signal(name="difference_sign")
    result = Signal(signed(width + 2), name="result")
    magnitude = Signal(width + 1, name="sum_magnitude")
    negative = Signal(name="sum_negative")
    m.d.comb += [
        subtract.eq(total[-1] ^ term.negative),
        result.eq(Mux(subtract, Cat(large, Const(0, 2)).as_signed() - below, large + below)),
        difference_sign.eq(result[-1]),
        magnitude.eq(Mux(difference_sign, -result, result)),
        negative.eq(Mux(term_leads, term.negative, total[-1]) ^ difference_sign),
    ]
    top = Signal(signed(max(len(exponent), len(term.exponent)) + 1), name="top")
    m.d.comb += top.eq(Mux(term_leads, term.exponent, exponent) + 1)
    return Mux(infinite, total, _rounded(m, float_, negative, magnitude, top))


def _rounded(m: Module, float_: Layout, negative: Value, magnitude: Value, top: Value) -> Value:
    """The float nearest to a magnitude whose top bit has the biased exponent ``top``, at least 2."""
    width = len(magnitude)
    # A one at the place that has the least exponent ends the search for the leading one there.
    floor = Signal(width, name="floor")
    m.d.comb += floor.eq(Mux(top > width, 0, Const(1 << width, width + 1) >> top[: width.bit_length()]))
    _, shift = normalise(m, "sum", magnitude | floor)
    normalised_ = Signal(width, name="normalised")
    exponent = Signal(top.shape(), name="result_exponent")
    m.d.comb += [normalised_.eq(magnitude << shift), exponent.eq(Mux(normalised_[-1], top - shift, 0))]
    dropped = width - float_.significand_bits
    fraction = normalised_[dropped:-1]
    up = Signal(name="up")
    packed = Signal(len(top) + float_.fraction_bits, name="packed")
    overflow = Signal(name="overflow")
    largest = (1 << float_.exponent_bits) - 1
    m.d.comb += [
        up.eq(normalised_[dropped - 1] & (fraction[0] | normalised_[: dropped - 1].any())),
        packed.eq(Cat(fraction, exponent) + up),
        overflow.eq(packed[float_.fraction_bits :] >= largest),
    ]
    infinity = Const(largest << float_.fraction_bits, float_.bits - 1)
    number = Mux(overflow, infinity, packed[: float_.bits - 1])
    # A zero is positive, what is rounded to zero included.
    return Cat(number, negative & number.any())


def _at_the_top(significand: Value, width: int) -> Value:
    return Cat(Const(0, width - len(significand)), significand)


def _limited(number: Value, largest: int) -> Value:
    return Mux(number > largest, largest, number)
