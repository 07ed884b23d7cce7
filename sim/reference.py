"""The judge: the formula of a group-wise product in Python integers, one output at a time, slow and obvious.

    y[m,n] = s_a[m] * sum_g s_w[g,n] * ( sum_{k in g} q_a[m,k]*q_w[k,n]  -  z_w[g,n] * sum_{k in g} q_a[m,k] )

with the sum over groups in order of ``k``, each product with a scale and each addition rounded to fp32, nearest
even. It shares no code with the processing elements, the kernels or the hardware: numbers are exact fractions, and
rounding is done by hand on integers.
"""

from collections.abc import Sequence
from fractions import Fraction

FP32_SIGNIFICAND_BITS = 24  # IEEE 754-2019, table 3.5
FP16_FRACTION_BITS = 10
FP16_BIAS = 15


def fp16_value(bits: int) -> Fraction:
    """The number that a finite fp16 bit pattern stands for (IEEE 754-2019, 3.4)."""
    sign = -1 if bits >> 15 else 1
    exponent, fraction = (bits >> FP16_FRACTION_BITS) & 0x1F, bits & 0x3FF
    if exponent == 0x1F:
        raise ValueError(f"a finite fp16 number is needed, not {bits:#06x}")
    hidden = 0 if exponent == 0 else 1 << FP16_FRACTION_BITS
    return sign * Fraction(hidden + fraction) * Fraction(2) ** (max(exponent, 1) - FP16_BIAS - FP16_FRACTION_BITS)


def round_to_fp32(number: Fraction) -> Fraction:
    """The nearest number with a 24-bit significand, ties to even; exponents are not limited."""
    if number == 0:
        return number
    magnitude = abs(number)
    exponent = 0
    while magnitude * Fraction(2) ** exponent < 1 << (FP32_SIGNIFICAND_BITS - 1):
        exponent += 1
    while magnitude * Fraction(2) ** exponent >= 1 << FP32_SIGNIFICAND_BITS:
        exponent -= 1
    scaled = magnitude * Fraction(2) ** exponent
    significand, rest = divmod(scaled.numerator, scaled.denominator)
    twice = 2 * rest
    if twice > scaled.denominator or (twice == scaled.denominator and significand % 2 == 1):
        significand += 1
    rounded = significand * Fraction(2) ** -exponent
    return rounded if number > 0 else -rounded


def integer_of(code: int, bits: int, signed: bool) -> int:
    """The integer that a code stands for: two's complement if ``signed``, plain binary otherwise."""
    return code - (1 << bits) if signed and code >> (bits - 1) else code


def output(
    activations: Sequence[int],
    token_scale: int,
    weights: Sequence[int],
    scales: Sequence[int],
    zero_points: Sequence[int],
    group_size: int,
) -> Fraction:
    """One output from ``k`` integers each, the fp16 bit patterns of the scales, and one zero point per group."""
    total = Fraction(0)
    for group, (scale, zero_point) in enumerate(zip(scales, zero_points, strict=True)):
        start = group * group_size
        a = activations[start : start + group_size]
        w = weights[start : start + group_size]
        products = sum(x * y for x, y in zip(a, w, strict=True))
        corrected = products - zero_point * sum(a)
        total = round_to_fp32(total + round_to_fp32(fp16_value(scale) * corrected))
    return round_to_fp32(fp16_value(token_scale) * total)
