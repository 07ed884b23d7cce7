"""IEEE 754 arithmetic with all that a float accumulator brings about: subnormals, overflow, infinities and NaN.

:mod:`hdl.arithmetic.float32` is the same for sums of which none of these can come. The one NaN that is made is the positive
quiet one without payload. Every function adds combinational logic to ``m``; ``name`` keeps the signals of several uses apart.

A sum keeps the number of the greater exponent in its place and shifts the other one right, with two bits below the last
place and one that tells whether anything was lost (sticky). That decides every rounding: bits are lost only by shifts of
more than two places, after which a subtraction cancels one leading bit at most. A subnormal number has the least
exponent, so it is not normalised itself, and the result is not normalised below that exponent either.
"""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed

from hdl.arithmetic.float32 import HALF_LSB, Half, Product, normalise, significand_of
from hdl.pipeline import named
from sim.accumulators import FLOATS

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

    @property
    def infinity(self) -> int:
        """The code of positive infinity; its exponent field, all ones, is that of NaN too."""
        return (1 << self.exponent_bits) - 1 << self.fraction_bits

    @property
    def nan(self) -> int:
        """The code of the quiet NaN (IEEE 754-2019, 6.2.1)."""
        return self.infinity | 1 << self.fraction_bits - 1


def layout(family: str) -> Layout:
    """The layout of an accumulator's float; the bias of a binary float is its largest exponent."""
    significand_bits, largest_exponent = FLOATS[family]
    return Layout(significand_bits, (2 * largest_exponent + 1).bit_length(), largest_exponent)


FP32, FP16 = layout("fp32"), layout("fp16")


def add_number(
    m: Module, float_: Layout, total: Value, negative: Value, significand: Value, exponent: Value, name: str = ""
) -> Value:
    """The float nearest to ``total`` and a number; an infinite total, or NaN, stays. A zero is positive.

    ``exponent`` is the biased one of the significand's top bit, which is set unless that exponent is the least one.
    """
    width = max(float_.significand_bits, len(significand)) + LOST_BITS
    field = total[float_.fraction_bits : -1]
    infinite, normal = Signal(name=f"{name}infinite"), Signal(name=f"{name}normal")
    of_total = Signal(signed(float_.exponent_bits + 1), name=f"{name}sum_exponent")
    m.d.comb += [infinite.eq(field.all()), normal.eq(field.any()), of_total.eq(Mux(normal, field, 1))]
    of_sum = _at_the_top(Cat(total[: float_.fraction_bits], normal), width)
    of_term = _at_the_top(significand, width)

    # The number of the greater exponent, and the other one, shifted to its place below it.
    term_leads = Signal(name=f"{name}term_leads")
    difference = Signal(signed(max(len(of_total), len(exponent)) + 1), name=f"{name}difference")
    distance = Signal(range(width + 1), name=f"{name}distance")
    m.d.comb += [
        difference.eq(exponent - of_total),
        term_leads.eq(difference > 0),
        distance.eq(_limited(Mux(term_leads, difference, -difference), width)),
    ]
    large, small = Signal(width, name=f"{name}large"), Signal(width, name=f"{name}small")
    apart, below = Signal(2 * width, name=f"{name}apart"), Signal(width, name=f"{name}below")
    m.d.comb += [
        large.eq(Mux(term_leads, of_term, of_sum)),
        small.eq(Mux(term_leads, of_sum, of_term)),
        apart.eq(Cat(Const(0, width), small) >> distance),
        below.eq(Cat(apart[width] | apart[:width].any(), apart[width + 1 :])),
    ]

    # Their sum or difference, its sign and magnitude.
    subtract, difference_sign = Signal(name=f"{name}subtract"), Signal(name=f"{name}difference_sign")
    result = Signal(signed(width + 2), name=f"{name}result")
    magnitude = Signal(width + 1, name=f"{name}sum_magnitude")
    result_negative = Signal(name=f"{name}sum_negative")
    m.d.comb += [
        subtract.eq(total[-1] ^ negative),
        result.eq(Mux(subtract, Cat(large, Const(0, 2)).as_signed() - below, large + below)),
        difference_sign.eq(result[-1]),
        magnitude.eq(Mux(difference_sign, -result, result)),
        result_negative.eq(Mux(term_leads, negative, total[-1]) ^ difference_sign),
    ]
    top = Signal(signed(max(len(of_total), len(exponent)) + 1), name=f"{name}top")
    m.d.comb += top.eq(Mux(term_leads, exponent, of_total) + 1)
    number = rounded(m, float_, magnitude, top, name)
    # A zero is positive, what is rounded to zero included.
    return Mux(infinite, total, Cat(number, result_negative & number.any()))


def rounded(m: Module, float_: Layout, magnitude: Value, top: Value, name: str = "") -> Value:
    """The float, without a sign, nearest to a magnitude whose top bit has the biased exponent ``top``, at least 2."""
    width = len(magnitude)
    # A one at the place that has the least exponent ends the search for the leading one there.
    floor = Signal(width, name=f"{name}floor")
    m.d.comb += floor.eq(Mux(top > width, 0, Const(1 << width, width + 1) >> top[: width.bit_length()]))
    _, shift = normalise(m, f"{name}sum", magnitude | floor)
    normalised = Signal(width, name=f"{name}normalised")
    exponent = Signal(top.shape(), name=f"{name}result_exponent")
    m.d.comb += [normalised.eq(magnitude << shift), exponent.eq(Mux(normalised[-1], top - shift, 0))]
    dropped = width - float_.significand_bits
    fraction = normalised[dropped:-1]
    up = Signal(name=f"{name}up")
    packed = Signal(len(top) + float_.fraction_bits, name=f"{name}packed")
    overflow = Signal(name=f"{name}overflow")
    m.d.comb += [
        up.eq(normalised[dropped - 1] & (fraction[0] | normalised[: dropped - 1].any())),
        packed.eq(Cat(fraction, exponent) + up),
        overflow.eq(packed[float_.fraction_bits :] >= (1 << float_.exponent_bits) - 1),
    ]
    return Mux(overflow, Const(float_.infinity, float_.bits - 1), packed[: float_.bits - 1])


def add_finite(m: Module, name: str, a: Value, b: Value) -> Signal:
    """``a + b`` of two fp32 numbers of which ``b`` is finite. A zero is positive."""
    exponent = Signal(signed(FP32.exponent_bits + 1), name=f"{name}_b_exponent")
    field = b[FP32.fraction_bits : -1]
    m.d.comb += exponent.eq(Mux(field.any(), field, 1))
    number = add_number(m, FP32, a, b[-1], significand_of(m, f"{name}_b", b), exponent, f"{name}_")
    return named(m, name, number)


def add(m: Module, name: str, a: Value, b: Value) -> Signal:
    """``a + b`` of two fp32 numbers; the sum of two infinities of different signs is NaN. A zero is positive."""
    a_special, b_special, nan = (Signal(name=f"{name}_{which}") for which in ("a_special", "b_special", "nan"))
    m.d.comb += [
        a_special.eq(a[FP32.fraction_bits : -1].all()),
        b_special.eq(b[FP32.fraction_bits : -1].all()),
        nan.eq(b_special & ((a_special & (a[-1] ^ b[-1])) | b[: FP32.fraction_bits].any())),
    ]
    number = add_finite(m, f"{name}_finite", a, b)
    return named(m, name, Mux(nan, FP32.nan, Mux(b_special & ~a_special, b, number)))


def product(m: Module, name: str, number: Value, half: Half) -> Product:
    """The exact product of a fp32 number and a positive fp16 number."""
    field = number[FP32.fraction_bits : -1]
    magnitude = significand_of(m, name, number) * half.significand
    lsb = Signal(signed(FP32.exponent_bits + 2), name=f"{name}_lsb")
    m.d.comb += lsb.eq(Mux(field.any(), field, 1) + half.exponent - (FP32.fraction_bits + HALF_LSB))
    return Product(number[-1], magnitude, lsb, Cat(number[: FP32.fraction_bits].any(), field.all()))


def round_product(m: Module, name: str, exact: Product) -> Signal:
    """The fp32 number nearest to a product; a product that is rounded to zero keeps its sign."""
    assert exact.special is not None
    width = len(exact.magnitude)
    top, lowest = Signal(signed(len(exact.exponent) + 1), name=f"{name}_top"), Signal(range(width + 2), name=f"{name}_lowest")
    # What is far below the least exponent is shifted to where it is just below, lost bits as the last one.
    apart, below = Signal(2 * width + 1, name=f"{name}_apart"), Signal(width, name=f"{name}_below")
    m.d.comb += [
        top.eq(exact.exponent.as_signed() + (width - 1)),
        lowest.eq(Mux(top < 2, _limited(2 - top, width + 1), 0)),
        apart.eq(Cat(Const(0, width + 1), exact.magnitude) >> lowest),
        below.eq(Cat(apart[width + 1] | apart[: width + 1].any(), apart[width + 2 :])),
    ]
    least = Signal(signed(len(top)), name=f"{name}_least")
    m.d.comb += least.eq(Mux(top < 2, 2, top))
    number = rounded(m, FP32, below, least, f"{name}_")
    result = Signal(FP32.bits, name=name)
    infinite, nan = Const(FP32.infinity, FP32.bits - 1), Const(FP32.nan, FP32.bits)
    m.d.comb += result.eq(Cat(number, exact.negative))
    with m.If(exact.special[1]):
        m.d.comb += result.eq(Mux(exact.special[0], nan, Cat(infinite, exact.negative)))
    return result


def times_integer(m: Module, name: str, number: Value, integer: Value) -> Signal:
    """The fp32 number nearest to the product of a fp32 number and a plain binary one; zero times infinity is NaN."""
    field = number[FP32.fraction_bits : -1]
    magnitude = Signal(FP32.significand_bits + len(integer), name=f"{name}_product")
    top = Signal(signed(FP32.exponent_bits + 2), name=f"{name}_top")
    m.d.comb += [
        magnitude.eq(significand_of(m, name, number) * integer),
        top.eq(Mux(field.any(), field, 1) + len(integer)),
    ]
    nearest = rounded(m, FP32, magnitude, top, f"{name}_")
    result = Signal(FP32.bits, name=name)
    m.d.comb += result.eq(Cat(nearest, number[-1]))
    with m.If(field.all()):
        infinite = ~number[: FP32.fraction_bits].any() & integer.any()
        m.d.comb += result.eq(Mux(infinite, number, FP32.nan))
    return result


def widened(m: Module, name: str, float_: Layout, number: Value) -> Value:
    """The fp32 number that a number of a narrower float is."""
    if float_.exponent_bits == FP32.exponent_bits:
        return Cat(Const(0, FP32.bits - float_.bits), number)
    field, fraction = number[float_.fraction_bits : -1], number[: float_.fraction_bits]
    # A subnormal number is a normal one of fp32.
    significand, shift = normalise(m, name, Cat(fraction, field.any()))
    exponent = Signal(FP32.exponent_bits, name=f"{name}_exponent")
    m.d.comb += exponent.eq(Mux(field.any(), field, 1) + (FP32.bias - float_.bias) - shift)
    with m.If(field.all()):
        m.d.comb += exponent.eq((1 << FP32.exponent_bits) - 1)
    with m.Elif(~significand[-1]):
        m.d.comb += exponent.eq(0)
    return Cat(Const(0, FP32.significand_bits - float_.significand_bits), significand[:-1], exponent, number[-1])


def _at_the_top(significand: Value, width: int) -> Value:
    return Cat(Const(0, width - len(significand)), significand)


def _limited(number: Value, largest: int) -> Value:
    return Mux(number > largest, largest, number)
