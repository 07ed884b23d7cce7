"""From group sums to one output, and from an output to the format that leaves the accelerator.

    y[m,n] = s_a[m] * sum_g s_w[g,n] * ( sum_{k in g} q_a[m,k]*q_w[k,n]  -  z_w[g,n] * sum_{k in g} q_a[m,k] )

with the sum over groups in order of ``k``, each product with a scale and each addition rounded to fp32, nearest even.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from sim.reference.numbers import fp16_value
from sim.reference.rounding import nearest_even, round_to_float, round_to_fp32


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


def to_fp16(result: float) -> Fraction | float:
    """A finite fp32 result rounded once to fp16; beyond the largest number an infinity."""
    return round_to_float(Fraction(result), "fp16")


def fixed_point(result: float, bits: int, fraction_bits: int) -> int:
    """The integer of ``bits`` bits nearest to ``result * 2**fraction_bits``, ties to even, saturated at both ends."""
    smallest, largest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if math.isinf(result):
        return largest if result > 0 else smallest
    return min(max(nearest_even(Fraction(result) * Fraction(2) ** fraction_bits), smallest), largest)


def requantize(result: float, scale: Fraction, numbers: Mapping[int, Fraction]) -> int:
    """The code, of a format's codes and their numbers, whose number is nearest to ``result / scale``.

    Of two equally near ones that with an even code, as codes of integers and of minifloats with a mantissa count their steps.
    Beyond the ends it saturates. A zero has the sign of the result where the format has a negative zero.
    """
    if math.isinf(result):
        wanted = max(numbers.values()) if result > 0 else min(numbers.values())
    else:
        wanted = Fraction(result) / scale
    nearest = min(abs(value - wanted) for value in numbers.values())
    candidates = [code for code, value in numbers.items() if abs(value - wanted) == nearest]
    chosen = next((code for code in candidates if code % 2 == 0), candidates[0])
    if numbers[chosen] == 0:
        zeros = [code for code in candidates if numbers[code] == 0]
        return zeros[-1 if math.copysign(1, result) < 0 else 0]
    return chosen
