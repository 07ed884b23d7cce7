"""Rounding by hand: fractions to the nearest number of a binary format, and operands that provoke mistakes."""

import math
from fractions import Fraction

import numpy as np

FORMATS = {"fp32": (24, -126, 127), "fp16": (11, -14, 15), "bf16": (8, -126, 127)}
"""Bits of the significand, smallest and largest exponent of a normal number (IEEE 754-2019, table 3.5)."""


def nearest(number: Fraction, form: str) -> float:
    """The nearest number of a format, ties to even, infinity on overflow, zero of the number's sign."""
    bits, smallest, largest = FORMATS[form]
    if number == 0:
        return 0.0
    exponent = math.floor(math.log2(abs(number.numerator)) - math.log2(number.denominator))
    exponent += (abs(number) >= Fraction(2) ** (exponent + 1)) - (abs(number) < Fraction(2) ** exponent)
    unit = Fraction(2) ** (max(exponent, smallest) - bits + 1)
    rounded = round(number / unit) * unit  # Python rounds ties to even
    if abs(rounded) >= Fraction(2) ** (largest + 1):
        return math.copysign(math.inf, number)
    return math.copysign(float(rounded), number)


def same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether two float32 arrays are the same patterns, signs of zeros included."""
    return x.shape == y.shape and x.dtype == y.dtype == np.float32 and bool(np.all(x.view(np.uint32) == y.view(np.uint32)))
