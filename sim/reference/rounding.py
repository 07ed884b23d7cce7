"""Rounding by hand on integers, to nearest, ties to even."""

from fractions import Fraction

FP32_SIGNIFICAND_BITS = 24  # IEEE 754-2019, table 3.5

FLOATS = {"fp32": (24, 127), "fp16": (11, 15), "bf16": (8, 127)}
"""Significand bits with the hidden one, and the largest exponent (IEEE 754-2019, table 3.5; bf16 has fp32's exponents)."""


def nearest_even(number: Fraction) -> int:
    """The nearest integer, of two equally near ones the even one."""
    below, rest = divmod(number.numerator, number.denominator)
    twice = 2 * rest
    if twice > number.denominator or (twice == number.denominator and below % 2 == 1):
        return below + 1
    return below


def round_to_fp32(number: Fraction) -> Fraction:
    """The nearest number with a 24-bit significand, ties to even; exponents are not limited."""
    step = _last_place(number, FP32_SIGNIFICAND_BITS)
    return nearest_even(number / step) * step


def round_to_float(number: Fraction, name: str) -> Fraction | float:
    """The nearest number of a float format, subnormals kept; an infinity from half a step beyond the largest number on."""
    significand_bits, largest_exponent = FLOATS[name]
    smallest_step = Fraction(2) ** (1 - largest_exponent - (significand_bits - 1))
    step = max(_last_place(number, significand_bits), smallest_step)
    rounded = nearest_even(number / step) * step
    if abs(rounded) >= Fraction(2) ** (largest_exponent + 1):
        return float("inf") if number > 0 else float("-inf")
    return rounded


def _last_place(number: Fraction, significand_bits: int) -> Fraction:
    """The power of two that makes a number's quotient by it have that many bits before the point; any for zero."""
    step = Fraction(2) ** (number.numerator.bit_length() - number.denominator.bit_length() - significand_bits)
    while abs(number) >= step * 2**significand_bits:
        step *= 2
    while 0 < abs(number) < step * 2 ** (significand_bits - 1):
        step /= 2
    return step
