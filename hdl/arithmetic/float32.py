"""Building blocks of IEEE 754 arithmetic for zero and normal numbers, rounded to nearest even.

The epilogue's operands are bounded so that no subnormal, infinity, NaN or negative zero occurs unless sums are floats
(proof in ``sim.epilogue``); what would handle them is in :mod:`hdl.arithmetic.ieee`. Every function adds combinational logic to
``m`` and returns signals; ``name`` keeps the signals of several uses apart in the Verilog.
"""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value

SIGNIFICAND_BITS = 24
"""Of fp32, the hidden one included (IEEE 754-2019, table 3.5)."""
FRACTION_BITS = 23
EXPONENT_BITS = 8
BIAS = 127

HALF_SIGNIFICAND_BITS = 11
"""Of fp16, the hidden one included (IEEE 754-2019, table 3.5)."""
HALF_LSB = 25
"""A fp16 number is ``significand * 2**(exponent - 25)``: bias 15, 10 fraction bits; subnormals have exponent 1."""


@dataclass(frozen=True)
class Half:
    """A positive finite fp16 number: ``significand * 2**(exponent - HALF_LSB)``, exponent at least 1."""

    significand: Signal
    exponent: Signal


@dataclass(frozen=True)
class Product:
    """An exact product ``(-1)**negative * magnitude * 2**(exponent - BIAS)``.

    ``special`` is there where a factor may be an infinity or NaN: whether it is NaN, and whether it is either.
    """

    negative: Value
    magnitude: Value
    exponent: Value
    special: Value | None = None


def unpack_half(m: Module, name: str, bits: Value) -> Half:
    """Significand and exponent of the fp16 number ``bits``; subnormals have no hidden one and the exponent 1."""
    significand = Signal(HALF_SIGNIFICAND_BITS, name=f"{name}_significand")
    exponent = Signal(5, name=f"{name}_exponent")
    normal = Signal(name=f"{name}_normal")
    m.d.comb += [
        normal.eq(bits[10:15].any()),
        significand.eq(Cat(bits[:10], normal)),
        exponent.eq(Cat(bits[10] | ~normal, bits[11:15])),
    ]
    return Half(significand, exponent)


def normalise(m: Module, name: str, number: Value) -> tuple[Signal, Signal]:
    """``number`` shifted left until its top bit is set, and by how much; zero stays zero.

    One stage for each power of two, the largest first: logarithmic depth, no priority encoder.
    """
    width = len(number)
    shift = Signal(range(width), name=f"{name}_shift")
    for stage in reversed(range(len(shift))):
        distance = 1 << stage
        shifted = Signal(width, name=f"{name}_shifted_{distance}")
        empty = Signal(name=f"{name}_empty_{distance}")
        m.d.comb += [
            empty.eq(~number[-distance:].any()),
            shift[stage].eq(empty),
            shifted.eq(Mux(empty, Cat(Const(0, distance), number[:-distance]), number)),
        ]
        number = shifted
    normalised = Signal(width, name=f"{name}_normalised")
    m.d.comb += normalised.eq(number)
    return normalised, shift


def pack(m: Module, name: str, sign: Value, significand: Value, exponent: Value) -> Signal:
    """The fp32 number nearest to a normalised significand, ties to even; zero if its top bit is zero.

    ``exponent`` is the biased exponent of the top bit. A carry out of the fraction goes into the exponent, where it
    belongs.
    """
    width = len(significand)
    result = Signal(32, name=f"{name}_packed")
    rounded = Signal(FRACTION_BITS + EXPONENT_BITS, name=f"{name}_rounded")
    up = Signal(name=f"{name}_up")
    if width > SIGNIFICAND_BITS:
        dropped = width - SIGNIFICAND_BITS
        fraction = significand[dropped:-1]
        tie = ~significand[: dropped - 1].any()
        m.d.comb += up.eq(significand[dropped - 1] & (fraction[0] | ~tie))
    else:
        fraction = Cat(Const(0, SIGNIFICAND_BITS - width), significand[:-1])
    m.d.comb += [
        rounded.eq(Cat(fraction, exponent[:EXPONENT_BITS]) + up),
        result.eq(Mux(significand[-1], Cat(rounded, sign), 0)),
    ]
    return result


def round_integer(m: Module, name: str, sign: Value, magnitude: Value, exponent: Value) -> Signal:
    """The fp32 number nearest to ``magnitude * 2**(exponent - BIAS)``, ties to even."""
    normalised, shift = normalise(m, name, magnitude)
    top = Signal(EXPONENT_BITS, name=f"{name}_top")
    m.d.comb += top.eq(exponent + (len(magnitude) - 1) - shift)
    return pack(m, name, sign, normalised, top)


def significand_of(m: Module, name: str, number: Value) -> Signal:
    """The 24-bit significand of a fp32 number, the hidden one included; zero of zero."""
    result = Signal(SIGNIFICAND_BITS, name=f"{name}_significand")
    m.d.comb += result.eq(Cat(number[:FRACTION_BITS], number[FRACTION_BITS:31].any()))
    return result


def product(m: Module, name: str, number: Value, half: Half) -> Product:
    """The exact product of a fp32 number and a positive fp16 number."""
    magnitude = significand_of(m, name, number) * half.significand
    lsb = Signal(EXPONENT_BITS, name="lsb")
    m.d.comb += lsb.eq(number[FRACTION_BITS:31] + half.exponent - (FRACTION_BITS + HALF_LSB))
    return Product(number[31], magnitude, lsb)


def round_product(m: Module, name: str, exact: Product) -> Signal:
    """The fp32 number nearest to a product."""
    return round_integer(m, name, exact.negative, exact.magnitude, exact.exponent)


def add(m: Module, name: str, a: Value, b: Value) -> Signal:
    """``a + b`` of two fp32 numbers, ties to even, an exact zero positive.

    The smaller magnitude is aligned to the larger one with two bits more than the significand and a sticky bit: by
    more than one place a subtraction loses at most one leading bit, so guard, round and sticky decide every rounding.
    """
    swap = Signal(name=f"{name}_swap")
    large = Signal(32, name=f"{name}_large")
    small = Signal(32, name=f"{name}_small")
    m.d.comb += [
        swap.eq(b[:31] > a[:31]),
        large.eq(Mux(swap, b, a)),
        small.eq(Mux(swap, a, b)),
    ]
    guarded = SIGNIFICAND_BITS + 2
    far = Signal(EXPONENT_BITS, name=f"{name}_far")
    distance = Signal(range(guarded + 1), name=f"{name}_distance")
    extended = Signal(2 * guarded, name=f"{name}_extended")
    aligned = Signal(guarded + 1, name=f"{name}_aligned")
    m.d.comb += [
        far.eq(large[FRACTION_BITS:31] - small[FRACTION_BITS:31]),
        distance.eq(Mux(far > guarded, guarded, far)),
        extended.eq(Cat(Const(0, guarded + 2), significand_of(m, f"{name}_small", small)) >> distance),
        aligned.eq(Cat(extended[:guarded].any(), extended[guarded:])),
    ]
    subtract = Signal(name=f"{name}_subtract")
    total = Signal(guarded + 2, name=f"{name}_total")
    wide = Cat(Const(0, 3), significand_of(m, f"{name}_large", large))
    m.d.comb += [
        subtract.eq(large[31] ^ small[31]),
        total.eq(Mux(subtract, wide - aligned, wide + aligned)),
    ]
    normalised, shift = normalise(m, name, total)
    exponent = Signal(EXPONENT_BITS, name=f"{name}_exponent")
    m.d.comb += exponent.eq(large[FRACTION_BITS:31] + 1 - shift)
    return pack(m, name, large[31], normalised, exponent)
