"""What an accumulator makes of products that arrive one after the other: one output, the order of ``k`` kept."""

import re
from collections.abc import Sequence
from fractions import Fraction

from sim.reference.rounding import FLOATS, round_to_float

Terms = Sequence[tuple[int, int]]
"""Products as the datapath has them: ``significand * 2**exponent``, the sum of the operands' exponents."""


def chain(accumulator: str, terms: Terms, unit: int) -> Fraction | float:
    """The sum that an accumulator ends with; a float only where it is an infinity.

    Fixed-point accumulators count in units of ``2**unit``. Raises ``ValueError`` for an accumulator of another name.
    """
    match = re.fullmatch(r"(exact|fp32|fp16|bf16)|(wrap|saturate|aligned)(\d+)", accumulator)
    if not match:
        raise ValueError(f"an accumulator that the judge knows is needed, not {accumulator}")
    if match[1] == "exact":
        return sum((_value(term) for term in terms), Fraction(0))
    if match[1]:
        return _floating(match[1], terms)
    if match[2] == "aligned":
        return _aligned(int(match[3]), terms)
    return _fixed(match[2], int(match[3]), terms, unit)


def _value(term: tuple[int, int]) -> Fraction:
    return term[0] * Fraction(2) ** term[1]


def _fixed(kind: str, bits: int, terms: Terms, unit: int) -> Fraction:
    smallest, largest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    total = 0
    for term in terms:
        scaled = _value(term) / Fraction(2) ** unit
        assert scaled.denominator == 1
        total += scaled.numerator
        if kind == "saturate":
            total = min(max(total, smallest), largest)
        else:
            while total > largest:
                total -= 2**bits
            while total < smallest:
                total += 2**bits
    return total * Fraction(2) ** unit


def _floating(name: str, terms: Terms) -> Fraction | float:
    assert name in FLOATS
    total: Fraction | float = Fraction(0)
    for term in terms:
        if isinstance(total, Fraction):  # an infinity stays one, as every product is finite
            total = round_to_float(total + _value(term), name)
    return total


def _aligned(guard: int, terms: Terms) -> Fraction:
    exponents = [exponent for significand, exponent in terms if significand != 0]
    if not exponents:
        return Fraction(0)
    step = Fraction(2) ** (max(exponents) - guard)
    # Floor division of fractions truncates toward minus infinity.
    return sum(_value(term) // step for term in terms) * step
