"""One addition of an accumulator of float16, bfloat16 or float32, as LLVM code on vectors of float32.

``fused(sum, weight, activation)`` returns the format's number nearest to ``sum + weight * activation``, ties to even,
rounded once, infinity on overflow, subnormals kept. The product must be a float32 number. Below, the accumulator has
p bits (bfloat16 8, float16 11), the product q.

float32: one addition rounds once. It may be contracted with the multiplication, as that one is exact.

Direct, for q <= p: add in float32, then round. Twice rounding differs from once only if float32 moves an inexact sum
s to a midpoint M of the format, M having exactly p + 1 bits. Let B be the larger operand and S the smaller one, of at
most p bits both, and E the exponent of s. As s is inexact, the last bit of S is below 2**(E-23), so |S| <
2**(E-24+p) - 2**(E-24), and |B - M| <= |S| + 2**(E-24) <= 2**(E-24+p). But B is not M, as it has no p + 1 bits; both
are multiples of 2**(E-p), so |B - M| >= 2**(E-p). With 2p <= 22 < 24 these contradict. (For bfloat16 a sum below
2**-125 is exact in float32, so its subnormals are rounded once. For subnormal sums of float16, |s| < 2**-14: M is an
odd multiple of 2**-25 and the accumulator an even one, so a product within 2**(E-24) of a nonzero multiple of 2**-25
and different from it has a last bit at or below 2**(E-24) <= 2**-39 and a first one at or above 2**-26: more than 11.)

Odd, for any q <= 24: the error of the float32 addition is a float32 number (Knuth's TwoSum). If it is not zero, the sum
is moved to that one of the two float32 neighbours of the exact value whose last bit is one (rounding to odd); from
24 >= p + 2 bits rounded so, a second rounding gives what one alone gives (Boldo and Melquiond, 2008). The sums of two
float32 numbers are multiples of 2**-149, so subnormals have no error.
"""

from typing import Any

from sim.kernels.tiles import FLOATS, HALVES, SUMS, Product, constant, has

EXACT_PRODUCT = ("contract",)
MAGNITUDE, INFINITY, QUIET_NAN = 0x7FFFFFFF, 0x7F800000, 0x7FC00000
FLOAT16_OVERFLOW, FLOAT16_NORMAL = 0x47800000, 0x38800000
"""As float32: 2**16, the first power of two that is infinity in float16, and 2**-14, its smallest normal number."""


def accumulate(builder: Any, total: Any, weight: Any, activation: Any) -> Any:
    """Add in the type of the operands."""
    return builder.fadd(total, builder.fmul(weight, activation, flags=EXACT_PRODUCT), flags=EXACT_PRODUCT)


def add_odd(builder: Any, total: Any, weight: Any, activation: Any) -> Any:
    """The sum in float32, rounded to odd."""
    product = builder.fmul(weight, activation)
    rounded = builder.fadd(total, product)
    other = builder.fsub(rounded, total)
    error = builder.fadd(builder.fsub(total, builder.fsub(rounded, other)), builder.fsub(product, other))
    bits, error_bits = builder.bitcast(rounded, SUMS), builder.bitcast(error, SUMS)
    # +1 goes away from zero, -1 towards it: the neighbour on the side where the exact value is.
    away = builder.or_(builder.ashr(builder.xor(bits, error_bits), constant(SUMS, 31)), constant(SUMS, 1))
    even = builder.icmp_signed("==", builder.and_(bits, constant(SUMS, 1)), constant(SUMS, 0))
    inexact = builder.fcmp_ordered("!=", error, constant(FLOATS, 0.0))
    odd = builder.select(builder.and_(even, inexact), builder.add(bits, away), bits)
    return builder.bitcast(odd, FLOATS)


def _nearest(builder: Any, bits: Any, dropped: int) -> Any:
    """The bit patterns of numbers rounded to ``dropped`` bits less; a carry into the exponent is right as it is."""
    last = builder.and_(builder.lshr(bits, constant(SUMS, dropped)), constant(SUMS, 1))
    up = builder.add(last, constant(SUMS, (1 << (dropped - 1)) - 1))
    return builder.and_(builder.add(bits, up), constant(SUMS, -1 << dropped))


def to_bfloat16(builder: Any, value: Any) -> Any:
    """Float32 to the nearest bfloat16; of NaN, the quiet one is kept."""
    return builder.bitcast(_nearest(builder, builder.bitcast(value, SUMS), 16), FLOATS)


def to_float16(builder: Any, value: Any) -> Any:
    """Float32 to the nearest float16 by the machine's conversion."""
    return builder.fpext(builder.fptrunc(value, HALVES), FLOATS)


def to_float16_by_integers(builder: Any, value: Any) -> Any:
    """The same on machines that have no conversion."""
    bits = builder.bitcast(value, SUMS)
    magnitude = builder.and_(bits, constant(SUMS, MAGNITUDE))
    normal = _nearest(builder, magnitude, 13)
    overflow = builder.icmp_unsigned(">=", normal, constant(SUMS, FLOAT16_OVERFLOW))
    normal = builder.select(overflow, constant(SUMS, INFINITY), normal)
    # Between 0.5 and 1 float32 has the spacing 2**-24 of float16's subnormals.
    half = constant(FLOATS, 0.5)
    small = builder.fsub(builder.fadd(builder.bitcast(magnitude, FLOATS), half), half)
    is_small = builder.icmp_unsigned("<", magnitude, constant(SUMS, FLOAT16_NORMAL))
    result = builder.select(is_small, builder.bitcast(small, SUMS), normal)
    nan = builder.icmp_unsigned(">", magnitude, constant(SUMS, INFINITY))
    result = builder.select(nan, constant(SUMS, QUIET_NAN), result)
    return builder.bitcast(builder.or_(result, builder.and_(bits, constant(SUMS, ~MAGNITUDE))), FLOATS)


def fused(add: Product, convert: Any) -> Product:
    """Add in float32 by ``add``, then ``convert``."""
    return lambda builder, total, weight, activation: convert(builder, add(builder, total, weight, activation))


STEPS: dict[str, Product] = {
    "fp32": accumulate,
    "bf16": fused(accumulate, to_bfloat16),
    "bf16 odd": fused(add_odd, to_bfloat16),
    "fp16": fused(accumulate, to_float16 if has("f16c") else to_float16_by_integers),
    "fp16 odd": fused(add_odd, to_float16 if has("f16c") else to_float16_by_integers),
    "fp16 by integers": fused(accumulate, to_float16_by_integers),
}
