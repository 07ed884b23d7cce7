"""Scaled sums of groups of integers that are too wide for integer tiles: all groups of a tile in one kernel.

The sums are those of :mod:`sim.kernels.wide`. An output is computed by one thread, its groups in order of ``k``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled
from sim.kernels.operands import cut
from sim.kernels.ordered import DEEP, decode
from sim.kernels.threads import share
from sim.kernels.tiles import COLUMNS, take
from sim.kernels.wide import (
    LARGEST_EXACT,
    ROWS,
    WIDEST,
    check_wide,
    limbs_of,
    rounded_once,
    wide_row,
    wide_rows,
    width_of,
)


def scaled_fixed_sums(
    a: NDArray[np.float64],
    w_codes: NDArray[np.unsignedinteger],
    w_table: NDArray[np.float64],
    bound: int,
    exponent: int,
    group_size: int,
    w_scale: NDArray[np.float32],
    a_scale: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Float32 ``[m, n]``: from +0, groups in order of ``k``, ``total = fp32(total + fp32(sum * a_scale * w_scale))``.

    ``sum`` is that of :func:`rounded_fixed_sums` over a group, whose absolute products add up to at most ``bound``;
    ``w_scale`` is ``[groups, n]``, ``a_scale`` ``[m, groups]`` or absent, both of at most 29 significant bits together: the
    exact product with them is rounded once. ``exponent`` is between -1000 and 900. Raises ``InputError`` for other types or
    shapes.
    """
    check_wide(a, w_codes, w_table)
    groups = -(-a.shape[1] // group_size)
    a_scale = np.ones((len(a), groups), np.float32) if a_scale is None else a_scale
    for name, scale, shape in (("weights", w_scale, (groups, w_codes.shape[1])), ("activations", a_scale, (len(a), groups))):
        if scale.dtype != np.float32 or scale.shape != shape:
            raise InputError(f"scales of {name} are float32 {list(shape)}, not {scale.dtype} {list(scale.shape)}")
    if not -1000 <= exponent <= 900:
        raise InputError(f"an exponent of sums is between -1000 and 900, not {exponent}")
    limbs_a, limbs_w, width = _cut(a, w_table, min(group_size, a.shape[1]), bound)
    result = np.empty((len(a), w_codes.shape[1]), np.float32)
    tall, wide, pieces = cut(*result.shape, widest=WIDEST)
    scales = np.ascontiguousarray(a_scale), np.ascontiguousarray(w_scale)
    codes = np.ascontiguousarray(w_codes)
    share(_scaled, limbs_a, codes, limbs_w, group_size, width, exponent, *scales, tall, wide, result, pieces=pieces)
    return result


def _cut(
    a: NDArray[np.float64], table: NDArray[np.float64], terms: int, bound: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Limbs ``[limbs, ..]`` of both operands, and their width [bit], such that all sums of one place are exact.

    In a place there are as many products of limbs as the operand with fewer of them has.
    """
    bits_a, bits_w = (width_of(x) for x in (a, table))
    if bound <= LARGEST_EXACT:
        return np.ascontiguousarray(a)[None], table[None], max(bits_a, bits_w)
    places = 1
    while True:
        width = (53 - (places * terms - 1).bit_length()) // 2
        counts = -(-bits_a // width), -(-bits_w // width)
        if min(counts) <= places:
            limbs = [np.stack(limbs_of(x, width, count)) for x, count in zip((a, table), counts, strict=True)]
            return limbs[0], limbs[1], width
        places = min(counts)


@compiled
def _scaled(counter, a, codes, tables, group_size, width, exponent, a_scale, w_scale, tall, wide, out):  # type: ignore[no-untyped-def]
    m, n = out.shape
    k, panels = a.shape[2], wide // COLUMNS
    block = np.zeros((len(tables), panels, DEEP, COLUMNS), np.float64)
    sums = np.empty((len(a) + len(tables) - 1, panels, tall, COLUMNS), np.float64)
    while True:
        top, left = divmod(take(counter), (n + wide - 1) // wide)
        top, left = top * tall, left * wide
        if top >= m:
            return
        high, across = min(tall, m - top), min(wide, n - left)
        out[top : top + high, left : left + across] = 0
        for group in range((k + group_size - 1) // group_size):
            sums[:] = 0
            first, end = group * group_size, min((group + 1) * group_size, k)
            for start in range(first, end, DEEP):
                count = min(DEEP, end - start)
                for part in range(len(tables)):
                    decode(codes, start, count, left, across, tables[part], block[part])
                for panel in range((across + COLUMNS - 1) // COLUMNS):
                    _multiply(a, top, high, start, count, block, panel, sums)
            for row in range(high):
                for panel in range((across + COLUMNS - 1) // COLUMNS):
                    one = left + panel * COLUMNS
                    used = min(COLUMNS, left + across - one)
                    totals, scales = out[top + row, one : one + used], w_scale[group, one : one + used]
                    _add(sums[:, panel, row, :used], width, exponent, a_scale[top + row, group], scales, totals)


@compiled
def _multiply(a, top, high, start, count, block, panel, sums):  # type: ignore[no-untyped-def]
    """Limbs of ``count`` inputs of rows ``top:top + high`` with those of a panel of weights, to the sums of each place."""
    to, numbers, weights = sums.reshape(-1), a.reshape(-1), block.reshape(-1)
    m, k = a.shape[1:]
    panels, tall = sums.shape[1], sums.shape[2]
    for i in range(len(a)):
        for j in range(len(block)):
            at, from_a = ((i + j) * panels + panel) * tall * COLUMNS, (i * m + top) * k + start
            from_w = (j * panels + panel) * DEEP * COLUMNS
            row = 0
            while row < high:
                if row + ROWS <= high:
                    wide_rows(to, at + row * COLUMNS, numbers, from_a + row * k, k, weights, from_w, count)
                    row += ROWS
                else:
                    wide_row(to, at + row * COLUMNS, numbers, from_a + row * k, k, weights, from_w, count)
                    row += 1


@compiled
def _add(digits, width, exponent, a_scale, w_scale, totals):  # type: ignore[no-untyped-def]
    """The sums of a row, of which ``digits [places, columns]`` are float64 integers, times their scales, to its totals."""
    factor = np.float64(a_scale)
    if len(digits) == 1:
        unit = math.ldexp(1.0, exponent)
        for j in range(len(totals)):
            rounded = np.float32(digits[0, j] * unit)
            totals[j] += np.float32(np.float64(rounded) * (factor * np.float64(w_scale[j])))
        return
    own, plain = np.empty(len(digits), np.int64), np.empty(len(digits), np.int64)
    for j in range(len(totals)):
        for place in range(len(digits)):
            own[place] = np.int64(digits[place, j])
        rounded = np.float32(rounded_once(own, plain, width, exponent))
        totals[j] += np.float32(np.float64(rounded) * (factor * np.float64(w_scale[j])))
