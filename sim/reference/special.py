"""The special-function unit by the judge: one number at a time, in fractions, rounded by hand.

Numbers are fractions, so a zero has no sign here. Names and orders are those of :mod:`sim.overlay.special`, whose code it
shares no line of.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from sim.reference.rounding import nearest_even, round_to_float

Row = Sequence[Fraction]

LOG2E = 1.4426950408889634


def fp32(number: Fraction | float) -> Fraction:
    """A number rounded to fp32; no infinity occurs here."""
    return Fraction(round_to_float(Fraction(number), "fp32"))


def fp16(number: Fraction) -> Fraction | float:
    """A number rounded to fp16, or an infinity."""
    return round_to_float(number, "fp16")


def fixed(number: Fraction, factor: Fraction = Fraction(1)) -> int:
    """In units of ``2**-18``, to the nearest, halves up."""
    return math.floor(number * factor * 2**18 + Fraction(1, 2))


def power_entry(i: int) -> int:
    """The integer nearest to ``2**(20 + i/256)``: the greatest ``t`` whose ``t - 1/2`` is not above it."""
    t = 2**20
    for step in reversed(range(21)):
        while (2 * (t + 2**step) - 1) ** 256 <= 2 ** (21 * 256 + i):
            t += 2**step
    return t


def root_entry(square: Fraction) -> int:
    """The integer nearest to ``2**14`` times the root of a fraction."""
    return (math.isqrt(4 * 2**28 * square.numerator // square.denominator) + 1) // 2


def gauss_entry(i: int) -> int:
    """The integer nearest to ``2**18`` times the bits by which a normal number is unlikely to exceed ``i/256``."""
    return round(-(2**18) * math.log2(math.erfc(i / 256 / math.sqrt(2)) / 2))


POWERS = [power_entry(i) for i in range(257)]
SEEDS = [nearest_even(2**14 / (1 + (i + Fraction(1, 2)) / 512)) for i in range(512)]
ROOTS = [[root_entry(1 / (p * (1 + (i + Fraction(1, 2)) / 256))) for i in range(256)] for p in (1, 2)]
GAUSS = [gauss_entry(i) for i in range(6 * 256 + 1)]


def between(table: Sequence[int], u: int) -> int:
    """An entry of a table and the part of the way to the next one, in 1024ths, halves up."""
    i, j = divmod(u, 1024)
    return table[i] + math.floor(Fraction((table[i + 1] - table[i]) * j, 1024) + Fraction(1, 2))


def exp2(u: int) -> Fraction:
    """Two to the power ``u * 2**-18``."""
    whole, rest = divmod(u, 2**18)
    return Fraction(0) if whole < -63 else between(POWERS, rest) * Fraction(2) ** (whole - 20)


def significand(number: Fraction) -> tuple[int, int]:
    """``m`` of 24 bits and ``e``: the number is ``m * 2**(e - 23)``."""
    e = 0
    while number >= Fraction(2) ** (e + 1):
        e += 1
    while number < Fraction(2) ** e:
        e -= 1
    m = number / Fraction(2) ** (e - 23)
    assert m.denominator == 1
    return m.numerator, e


def reciprocal(number: Fraction) -> Fraction:
    """One Newton step ``y * (2 - x*y)`` from the table."""
    m, e = significand(number)
    y = SEEDS[m // 2**14 - 512]
    d = (2**38 - m * y) // 2**14
    return Fraction((y * d + 2**12) // 2**13) * Fraction(2) ** (-24 - e)


def inverse_root(number: Fraction) -> Fraction:
    """One Newton step ``y * (3 - x*y*y) / 2`` from the table."""
    m, e = significand(number)
    y = ROOTS[e % 2][m // 2**15 - 256]
    d = (3 * 2**51 - m * 2 ** (e % 2) * y**2) // 2**28
    return Fraction((y * d + 2**13) // 2**14) * Fraction(2) ** (-24 - (e - e % 2) // 2)


def row_total(row: Row, lanes: int) -> Fraction:
    """Blocks by a tree, then four accumulators in turn."""
    accumulators = [Fraction(0)] * 4
    for block, start in enumerate(range(0, len(row), lanes)):
        level = [*row[start : start + lanes]]
        level += [Fraction(0)] * (lanes - len(level))
        while len(level) > 1:
            level = [fp32(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
        accumulators[block % 4] = fp32(accumulators[block % 4] + level[0])
    return fp32(fp32(accumulators[0] + accumulators[1]) + fp32(accumulators[2] + accumulators[3]))


def gated(x: Fraction, e: Fraction) -> Fraction | float:
    """``x / (1 + e)`` or, where ``x`` is negative, ``x * e / (1 + e)``."""
    r = reciprocal(fp32(1 + e))
    return fp16(fp32(x * (r if x >= 0 else fp32(e * r))))


def silu(x: Fraction) -> Fraction | float:
    """``x / (1 + exp(-x))``."""
    return gated(x, exp2(-fixed(abs(x), fp32(LOG2E))))


def gelu_tanh(x: Fraction) -> Fraction | float:
    """GELU in the form with the hyperbolic tangent."""
    c1 = fp32(2 * math.sqrt(2 / math.pi) * LOG2E)
    c3 = fp32(2 * math.sqrt(2 / math.pi) * 0.044715 * LOG2E)
    w = fp32(abs(x) * fp32(c1 + fp32(c3 * fp32(x * x))))
    return gated(x, exp2(-fixed(min(w, Fraction(64)))))


def gelu(x: Fraction) -> Fraction | float:
    """GELU in the form with the error function."""
    e = exp2(-between(GAUSS, fixed(abs(x)))) if abs(x) < 6 else Fraction(0)
    return fp16(fp32(x * (fp32(1 - e) if x >= 0 else e)))


UNARY: dict[str, Callable[[Fraction], Fraction | float]] = {"silu": silu, "gelu_tanh": gelu_tanh, "gelu": gelu}


def softmax(row: Row, scale: float, lanes: int, seen: Sequence[bool]) -> list[Fraction | float]:
    """Probabilities of the entries that are seen, 0 of the others."""
    u = [fixed(x, fp32(fp32(scale) * fp32(LOG2E))) for x in row]
    top = max(v // 2**18 for v, is_seen in zip(u, seen, strict=True) if is_seen)
    e = [exp2(v - top * 2**18) if is_seen else Fraction(0) for v, is_seen in zip(u, seen, strict=True)]
    r = reciprocal(row_total(e, lanes))
    return [fp16(fp32(v * r)) for v in e]


def deviation(row: Row, epsilon: float, lanes: int) -> Fraction:
    """One over the root of the mean square."""
    total = row_total([fp32(x * x) for x in row], lanes)
    return inverse_root(fp32(fp32(total * fp32(1 / len(row))) + fp32(epsilon)))


def rms_norm(row: Row, weight: Row, epsilon: float, lanes: int) -> list[Fraction | float]:
    """A row over its root mean square."""
    r = deviation(row, epsilon, lanes)
    return [fp16(fp32(fp32(x * r) * w)) for x, w in zip(row, weight, strict=True)]


def layer_norm(row: Row, weight: Row, bias: Row, epsilon: float, lanes: int) -> list[Fraction | float]:
    """A row less its mean, over its deviation."""
    mean = fp32(row_total(row, lanes) * fp32(1 / len(row)))
    centered = [fp32(x - mean) for x in row]
    r = deviation(centered, epsilon, lanes)
    return [fp16(fp32(fp32(fp32(x * r) * w) + b)) for x, w, b in zip(centered, weight, bias, strict=True)]


def rotary(row: Row, cos: Row, sin: Row) -> list[Fraction | float]:
    """Pairs of a row turned."""
    half = len(row) // 2
    partner = [-x for x in row[half:]] + [*row[:half]]
    return [fp16(Fraction(fp16(x * c)) + Fraction(fp16(y * s))) for x, y, c, s in zip(row, partner, cos, sin, strict=True)]


def quantize(row: Row) -> tuple[list[int], Fraction]:
    """Codes and scale of a row."""
    greatest = max(abs(x) for x in row)
    scale = max(Fraction(fp16(greatest / 127)), Fraction(1, 2**24)) if greatest else Fraction(1)
    return [min(max(nearest_even(x / scale), -128), 127) for x in row], scale


def quantize_folded(row: Row, factors: Row) -> tuple[list[int], Fraction, Fraction]:
    """Codes, scale and the power of two that a row times factors was divided by."""
    products = [x * f for x, f in zip(row, factors, strict=True)]
    greatest = max(abs(x) for x in products)
    power = Fraction(2) ** (significand(greatest)[1] + 1) if greatest else Fraction(1, 2**126)
    return *quantize([x / power for x in products]), power
