"""What a code stands for, read from the name of its format: ``number = significand * 2**exponent``."""

import math
import re
from collections.abc import Sequence
from fractions import Fraction

FP16_FRACTION_BITS = 10
FP16_BIAS = 15

Parts = tuple[int, int]
"""A significand with its sign, and the exponent of its last bit."""


def parts(name: str, code: int) -> Parts | None:
    """Significand and exponent of a code of the format ``name``; ``None`` for NaN and infinities.

    The exponent is that of the exponent field where there is one, and otherwise the same for every code.
    Raises ``ValueError`` for a name that the judge does not know.
    """
    if name in IEEE:
        exponent_bits, fraction_bits = IEEE[name]
        top_exponent = (code >> fraction_bits) & ((1 << exponent_bits) - 1) == (1 << exponent_bits) - 1
        return None if top_exponent else _minifloat(code, exponent_bits, fraction_bits)
    if name == "ocp_e4m3":
        return None if code & 0x7F == 0x7F else _minifloat(code, 4, 3)
    if name == "e8m0":
        return None if code == 0xFF else (1, code - 127)
    match = re.fullmatch(r"e(\d)m(\d)", name)
    if match:
        return _minifloat(code, int(match[1]), int(match[2]))
    match = re.fullmatch(r"([a-z]+)(\d+)", name)
    if not match or match[1] not in FAMILIES:
        raise ValueError(f"a format that the judge can read is needed, not {name}")
    return FAMILIES[match[1]](code, int(match[2]))


def number(name: str, code: int) -> Fraction | None:
    """The number that a code stands for; ``None`` for NaN and infinities."""
    found = parts(name, code)
    return None if found is None else Fraction(found[0]) * Fraction(2) ** found[1]


def numbers(name: str, bits: int) -> dict[int, Fraction]:
    """The codes of a format of that width that stand for numbers, and the numbers."""
    return {code: value for code in range(1 << bits) if (value := number(name, code)) is not None}


def unit(name: str) -> int:
    """The exponent of the power of two that every number of a format is a multiple of; that of its first code."""
    found = parts(name, 0)
    assert found is not None
    return found[1]


IEEE = {"fp16": (5, 10), "bf16": (8, 7), "ocp_e5m2": (5, 2)}
"""Exponent and fraction bits of the formats whose largest exponent is kept for infinity and NaN (IEEE 754-2019, 3.4)."""


def _minifloat(code: int, exponent_bits: int, fraction_bits: int) -> Parts:
    sign = -1 if code >> (exponent_bits + fraction_bits) else 1
    field = (code >> fraction_bits) % (1 << exponent_bits)
    fraction = code % (1 << fraction_bits)
    bias = (1 << (exponent_bits - 1)) - 1
    if field == 0:
        return sign * fraction, 1 - bias - fraction_bits
    return sign * ((1 << fraction_bits) + fraction), field - bias - fraction_bits


def integer_of(code: int, bits: int, signed: bool) -> int:
    """The integer that a code stands for: two's complement if ``signed``, plain binary otherwise."""
    return code - (1 << bits) if signed and code >> (bits - 1) else code


def _bipolar(code: int, planes: int) -> Parts:
    return sum((1 if code >> plane & 1 else -1) * 2**plane for plane in range(planes)), 0


def _power_of_two(code: int, bits: int) -> Parts:
    """A minifloat without mantissa whose exponent field 1 stands for 1."""
    sign = -1 if code >> (bits - 1) else 1
    field = code % (1 << (bits - 1))
    return (sign, field - 1) if field else (0, 0)


def _two_powers(code: int, bits: int) -> Parts:
    """APoT (Li et al., ICLR 2020, equation 5): field ``i`` counts ``2**-(i + 2*(f-1))``; the last bit is the smallest."""
    width = (bits - 1) // 2
    last = 2 * (2**width - 2) + 1
    sign = -1 if code >> (bits - 1) else 1
    fields = (code >> width) % 2**width, code % 2**width
    total = sum(Fraction(1, 2 ** (i + 2 * (f - 1))) if f else Fraction(0) for i, f in enumerate(fields))
    scaled = sign * total * 2**last
    assert scaled.denominator == 1
    return scaled.numerator, -last


def _logarithmic(code: int, bits: int) -> Parts:
    """Powers of the square root of two in 256ths: the nearest integer to ``sqrt(2**(f-1)) * 256``, never a tie."""
    sign = -1 if code >> (bits - 1) else 1
    field = code % (1 << (bits - 1))
    if field == 0:
        return 0, -8
    twice = math.isqrt(4 * 2 ** (field - 1) * 256**2)
    return sign * ((twice + 1) // 2), -8


FAMILIES = {
    "uint": lambda code, bits: (integer_of(code, bits, False), 0),
    "int": lambda code, bits: (integer_of(code, bits, True), 0),
    "bipolar": _bipolar,
    "pot": _power_of_two,
    "apot": _two_powers,
    "log": _logarithmic,
}
"""Families whose exponent is the same for every code, by the letters of their names; a number of bits follows."""


def codebook_parts(numbers: Sequence[float], code: int, fraction_bits: int) -> Parts:
    """Entry of a codebook that is given as numbers, to the nearest of ``2**-fraction_bits``, ties to even."""
    return round(Fraction(numbers[code]) * 2**fraction_bits), -fraction_bits


def fp16_value(bits: int) -> Fraction:
    """The number that a finite fp16 bit pattern stands for (IEEE 754-2019, 3.4)."""
    sign = -1 if bits >> 15 else 1
    exponent, fraction = (bits >> FP16_FRACTION_BITS) & 0x1F, bits & 0x3FF
    if exponent == 0x1F:
        raise ValueError(f"a finite fp16 number is needed, not {bits:#06x}")
    hidden = 0 if exponent == 0 else 1 << FP16_FRACTION_BITS
    return sign * Fraction(hidden + fraction) * Fraction(2) ** (max(exponent, 1) - FP16_BIAS - FP16_FRACTION_BITS)


def bfloat16_value(bits: int) -> Fraction:
    """The number that a finite bfloat16 bit pattern stands for: the upper half of an fp32 number."""
    value = number("bf16", bits)
    if value is None:
        raise ValueError(f"a finite bf16 number is needed, not {bits:#06x}")
    return value
