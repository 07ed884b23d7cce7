"""Exact sums of products of integers that are too wide for integer tiles, in float64.

Every integer up to 2**53 in magnitude is a float64 number. If no sum of absolute products exceeds that, no partial sum
does, and float64 multiplications and additions are exact in any order, contracted or not. Wider operands are split into
limbs of the same sign, ``x = sum_i limb_i * 2**(s*i)``, so narrow that the products of two limbs sum exactly; the sums
are put together in integers and rounded once.
"""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled
from sim.kernels.narrow import accumulate
from sim.kernels.operands import check_shapes, cut
from sim.kernels.ordered import DEEP, decode
from sim.kernels.threads import share
from sim.kernels.tiles import COLUMNS, DOUBLES, take, tile

LARGEST_EXACT = 1 << 53
ROWS = 2
"""Rows of a tile: 64 float64 sums of a row take eight vectors of 512 bits."""

WIDEST = 256
"""Columns that are put together at a time, which bounds the memory for the sums of limbs."""


def exact_fixed_sums(
    a: NDArray[np.float64], w_codes: NDArray[np.unsignedinteger], w_table: NDArray[np.float64], bound: int
) -> NDArray[np.float64]:
    """``sum_k a[m, k] * table[codes[k, n]]`` of float64 integers, float64 ``[m, n]``, exact.

    ``bound`` is the caller's proof: no sum of absolute products is larger. ``w_codes`` are uint8 or uint16, less than
    the length of ``w_table``. Raises ``InputError`` for a bound beyond 2**53, for other types or shapes.
    """
    check_wide(a, w_codes, w_table)
    if bound > LARGEST_EXACT:
        raise InputError(f"sums that float64 holds exactly are at most {LARGEST_EXACT}, not {bound}")
    return _sums(np.ascontiguousarray(a), np.ascontiguousarray(w_codes), w_table)


def rounded_fixed_sums(
    a: NDArray[np.float64], w_codes: NDArray[np.unsignedinteger], w_table: NDArray[np.float64], exponent: int
) -> NDArray[np.float32]:
    """``fp32(2**exponent * sum_k a[m, k] * table[codes[k, n]])`` of float64 integers of any size, rounded once.

    Float32 ``[m, n]``, ties to even, subnormals and infinity as IEEE 754 has them; an exact sum of zero is +0. Operands
    are finite. Raises ``InputError`` for other types or shapes.
    """
    check_wide(a, w_codes, w_table)
    k, n = w_codes.shape
    bits_a, bits_w = (width_of(x) for x in (a, w_table))
    width = (53 - (k - 1).bit_length()) // 2
    if k * 2 ** (bits_a + bits_w) <= LARGEST_EXACT:
        width = max(bits_a, bits_w)
    limbs_a, limbs_w = limbs_of(a, width, -(-bits_a // width)), limbs_of(w_table, width, -(-bits_w // width))
    result = np.empty((len(a), n), np.float32)
    for left in range(0, n, WIDEST):
        codes = np.ascontiguousarray(w_codes[:, left : left + WIDEST])
        digits = np.zeros((len(limbs_a) + len(limbs_w) - 1, len(a), codes.shape[1]), np.int64)
        for i, limb_a in enumerate(limbs_a):
            for j, limb_w in enumerate(limbs_w):
                digits[i + j] += _sums(limb_a, codes, limb_w).astype(np.int64)
        _round(digits.reshape(len(digits), -1), width, exponent, part := np.empty(digits[0].size, np.float32))
        result[:, left : left + WIDEST] = part.reshape(digits[0].shape)
    return result


def width_of(integers: NDArray[np.float64]) -> int:
    """Width [bit] of the greatest magnitude, at least 1."""
    return max(1, math.frexp(float(np.abs(integers).max()))[1])


def check_wide(a: NDArray[Any], codes: NDArray[Any], table: NDArray[Any]) -> None:
    """Raise ``InputError`` for operands of other types or shapes than these functions take."""
    check_shapes(a, codes)
    if a.dtype != np.float64 or table.dtype != np.float64 or codes.dtype not in (np.uint8, np.uint16, np.uint32):
        types_are = f"{a.dtype}, {codes.dtype}, {table.dtype}"
        raise InputError(f"operands are float64, uint8, uint16 or uint32 codes, and a float64 table, not {types_are}")
    if codes.max() >= len(table):
        raise InputError(f"codes are less than {len(table)}, the length of their table, not {codes.max()}")


def limbs_of(numbers: NDArray[np.float64], width: int, count: int) -> list[NDArray[np.float64]]:
    """Integers below ``2**width`` in magnitude and of the sign of the number, least significant first; all exact."""
    above = [np.trunc(np.ldexp(numbers, -width * i)) for i in range(count + 1)]
    return [np.ascontiguousarray(low - np.ldexp(high, width)) for low, high in pairwise(above)]


def _sums(a: NDArray[np.float64], codes: NDArray[Any], table: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.empty((len(a), codes.shape[1]), np.float64)
    tall, wide, pieces = cut(*result.shape, widest=WIDEST)
    share(_wide, a, codes, table, tall, wide, result, pieces=pieces)
    return result


wide_rows, wide_row = (tile(rows, accumulate, DOUBLES) for rows in (ROWS, 1))


@compiled
def _wide(counter, a, codes, table, tall, wide, out):  # type: ignore[no-untyped-def]
    m, n = out.shape
    k = a.shape[1]
    panels = wide // COLUMNS
    block = np.zeros((panels, DEEP, COLUMNS), np.float64)
    sums = np.empty((panels, tall, COLUMNS), np.float64)
    while True:
        top, left = divmod(take(counter), (n + wide - 1) // wide)
        top, left = top * tall, left * wide
        if top >= m:
            return
        high, width = min(tall, m - top), min(wide, n - left)
        sums[:] = 0
        for start in range(0, k, DEEP):
            count = min(DEEP, k - start)
            decode(codes, start, count, left, width, table, block)
            for panel in range((width + COLUMNS - 1) // COLUMNS):
                to, numbers, weights = sums.reshape(-1), a.reshape(-1), block.reshape(-1)
                row = 0
                while row < high:
                    at, from_a, from_w = (panel * tall + row) * COLUMNS, (top + row) * k + start, panel * DEEP * COLUMNS
                    if row + ROWS <= high:
                        wide_rows(to, at, numbers, from_a, k, weights, from_w, count)
                        row += ROWS
                    else:
                        wide_row(to, at, numbers, from_a, k, weights, from_w, count)
                        row += 1
        for row in range(high):
            for j in range(width):
                out[top + row, left + j] = sums[j // COLUMNS, row, j % COLUMNS]


@compiled
def _round(digits, width, exponent, out):  # type: ignore[no-untyped-def]
    """``fp32(2**exponent * sum_t digits[t] * 2**(width * t))`` of signed int64 digits ``[places, sums]``."""
    own, plain = np.empty(len(digits), np.int64), np.empty(len(digits), np.int64)
    for i in range(len(out)):
        own[:] = digits[:, i]
        out[i] = rounded_once(own, plain, width, exponent)


@compiled
def rounded_once(digits, plain, width, exponent):  # type: ignore[no-untyped-def]
    """``2**exponent * sum_t digits[t] * 2**(width * t)`` such that rounding it to fp32 rounds once."""
    count, mask = len(digits), (1 << width) - 1
    sign, top = 1, 0
    for _ in range(2):  # a second time if the number is negative, with the signs changed
        top = 0
        for t in range(count):
            value = sign * digits[t] + top
            plain[t] = value & mask
            top = value >> width
        if top >= 0:
            break
        sign = -1
    # 53 bits, the last of which is set if anything beyond them is not zero (rounding to odd).
    at, t = width * count, count
    while t > 0 and top < 1 << (62 - width):
        t -= 1
        top, at = top << width | plain[t], at - width
    rest = False
    while t > 0:
        t -= 1
        rest |= plain[t] != 0
    while top >= LARGEST_EXACT:
        rest |= top & 1 != 0
        top, at = top >> 1, at + 1
    return sign * math.ldexp(float(top | rest), at + exponent)
