"""What is done to the rows of an operand before it is multiplied, each in one pass over them and at the speed of memory.

Extremes of what shares a scale, codes of integer formats by given scales, sums of blocks: numpy would make an array of
differences, quotients or steps on the way, or visit each number alone.
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled

SIGN = np.int32(0x7FFFFFFF)
"""All bits of fp32 but the sign: those that turn in a negative number, read as an integer, so that integers order floats."""


LARGEST_FP32 = float(np.finfo(np.float32).max)


def row_extremes(numbers: NDArray[np.float32], wide: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least and greatest of each ``wide`` neighbours in a row, ``[rows, parts]``; one of them is NaN where a number is."""
    rows, columns = numbers.shape
    found = np.empty((2, rows, -(-columns // wide)), np.int32)
    _extremes(np.ascontiguousarray(numbers).view(np.int32), wide, found)
    low, high = (found ^ (found >> 31 & SIGN)).view(np.float32)
    return low, high


def all_finite(numbers: NDArray[np.float32]) -> bool:
    """Whether none is infinite or NaN."""
    flat = np.ascontiguousarray(numbers).reshape(1, -1)
    return bool(np.isfinite(row_extremes(flat, flat.shape[1])).all())


def block_sums(numbers: NDArray[np.int8], blocks: NDArray[np.int64]) -> NDArray[np.int32]:
    """Sums ``[rows, blocks]`` of the columns from each start in ``blocks`` to the next, the last to the end."""
    sums = np.empty((len(numbers), len(blocks)), np.int32)
    _sums(numbers, np.append(blocks, numbers.shape[1]), sums)
    return sums


def folded(numbers: NDArray[np.float32], scales: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``numbers [m, k]`` times ``scales [k]``, rounded to fp32, over a power of two of each row, and those ``[m, 1]``.

    A row's greatest magnitude is between a half and 1 then, if its power is that of a normal number.
    """
    products, powers = np.empty(numbers.shape, np.float32), np.empty((len(numbers), 1), np.float32)
    _folded(numbers, scales, products, powers)
    return products, powers


def nearest_codes(
    numbers: NDArray[np.float32],
    scales: NDArray[np.float32],
    zero: NDArray[np.float32] | None,
    group_size: int,
    limits: tuple[int, int],
    codes: NDArray[np.unsignedinteger],
) -> None:
    """Into ``codes [rows, columns]``: ``round(number / scale) + zero`` in fp32, ties to even, limited, in two's complement.

    Scales and zero points have, along each axis, one for all, one for each index, or one for each group; raises
    ``InputError`` for another shape. ``limits``, the least and the greatest integer, are those of all codes of a width.
    """
    spans = spans_of(scales.shape, numbers.shape, group_size)
    offsets = np.zeros_like(scales) if zero is None else zero
    _codes(numbers, scales, offsets, *spans, np.array(limits, np.float32), np.int32(limits[1] - limits[0]), codes)


def reals_of(
    codes: NDArray[np.unsignedinteger],
    table: NDArray[np.float64],
    scales: NDArray[np.float64],
    zero: NDArray[np.float64] | None,
    minima: NDArray[np.float64] | None,
    group_size: int,
) -> NDArray[np.float32]:
    """``(table[code] - zero) * scale + minimum`` in float64, rounded once to fp32, saturating.

    The arrays are shaped as those of :func:`nearest_codes`, and all alike.
    """
    spans = spans_of(scales.shape, codes.shape, group_size)
    zeros = np.zeros_like(scales) if zero is None else zero
    lowest = np.full_like(scales, -0.0) if minima is None else minima  # the one that leaves -0 as it is
    numbers = np.empty(codes.shape, np.float32)
    _reals(codes, table, scales, zeros, lowest, *spans, numbers)
    return numbers


def spans_of(own: tuple[int, ...], shape: tuple[int, ...], group_size: int) -> tuple[int, int]:
    """Neighbours along each axis that share a scale, of which there are so many."""
    high, wide = (_span(scales, size, group_size) for scales, size in zip(own, shape, strict=True))
    return high, wide


def _span(own: int, size: int, group_size: int) -> int:
    """Neighbours along an axis that share a scale."""
    span = size if own == 1 else 1 if own == size else group_size
    if span < 1 or -(-size // span) != own:
        raise InputError(f"scales of {size} numbers in groups of {group_size} are 1, {size} or one per group, not {own}")
    return span


@compiled
def _codes(numbers, scales, zero, high, wide, limits, mask, codes):  # type: ignore[no-untyped-def]
    for row in range(len(numbers)):
        line = row // high
        if wide == 1:
            codes_each(numbers[row], scales[line], zero[line], limits, mask, codes[row])
            continue
        for part in range(scales.shape[1]):
            some, its_codes = numbers[row, part * wide : (part + 1) * wide], codes[row, part * wide : (part + 1) * wide]
            _codes_all(some, scales[line, part], zero[line, part], limits, mask, its_codes)


@compiled
def _codes_all(numbers, scale, offset, limits, mask, codes):  # type: ignore[no-untyped-def]
    """Of numbers that share a scale."""
    least, greatest = limits
    for i in range(len(numbers)):
        steps = np.rint(numbers[i] / scale) + offset
        codes[i] = np.int32(min(max(steps, least), greatest)) & mask


@compiled
def codes_each(numbers, scales, offsets, limits, mask, codes):  # type: ignore[no-untyped-def]
    """Of numbers with a scale each."""
    least, greatest = limits
    for i in range(len(numbers)):
        steps = np.rint(numbers[i] / scales[i]) + offsets[i]
        codes[i] = np.int32(min(max(steps, least), greatest)) & mask


@compiled
def _extremes(numbers, wide, found):  # type: ignore[no-untyped-def]
    for row in range(len(numbers)):
        for part in range(found.shape[2]):
            some = numbers[row, part * wide : (part + 1) * wide]
            low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
            for i in range(len(some)):
                # all of 32 bits: numba would make 64 of a result of two, and a vector hold half as many
                order = np.int32(some[i] ^ ((some[i] >> np.int32(31)) & np.int32(0x7FFFFFFF)))
                low = np.int32(order if order < low else low)
                high = np.int32(order if order > high else high)
            found[0, row, part], found[1, row, part] = low, high


@compiled
def _sums(numbers, ends, sums):  # type: ignore[no-untyped-def]
    for row in range(len(numbers)):
        for block in range(len(ends) - 1):
            total = np.int32(0)
            some = numbers[row, ends[block] : ends[block + 1]]
            for i in range(len(some)):
                total = np.int32(total + some[i])
            sums[row, block] = total


@compiled
def _folded(numbers, scales, products, powers):  # type: ignore[no-untyped-def]
    fields = powers.view(np.int32)
    for row in range(len(numbers)):
        some, its_products, greatest = numbers[row], products[row], np.int32(0)
        magnitudes = its_products.view(np.int32)
        for i in range(len(some)):
            its_products[i] = some[i] * scales[i]
        for i in range(len(some)):
            greatest = np.int32(max(greatest, magnitudes[i] & np.int32(0x7FFFFFFF)))
        # 2**e of a magnitude in [2**(e-1), 2**e): one more in the field of its exponent, and no significand
        fields[row, 0] = np.int32(((greatest >> 23) + 1) << 23)
        power = powers[row, 0]
        for i in range(len(some)):
            its_products[i] = its_products[i] / power


@compiled
def _reals(codes, table, scales, zero, minima, high, wide, numbers):  # type: ignore[no-untyped-def]
    for row in range(len(codes)):
        line = row // high
        if wide == 1:
            reals_each(codes[row], table, scales[line], zero[line], minima[line], numbers[row])
            continue
        for part in range(scales.shape[1]):
            some, its_numbers = codes[row, part * wide : (part + 1) * wide], numbers[row, part * wide : (part + 1) * wide]
            scale, middle, least = scales[line, part], zero[line, part], minima[line, part]
            for i in range(len(some)):
                its_numbers[i] = np.float32(_limited((table[some[i]] - middle) * scale + least))


@compiled
def reals_each(codes, table, scales, zero, minima, numbers):  # type: ignore[no-untyped-def]
    """Of codes with a scale each."""
    for i in range(len(codes)):
        numbers[i] = np.float32(_limited((table[codes[i]] - zero[i]) * scales[i] + minima[i]))


@compiled
def _limited(number):  # type: ignore[no-untyped-def]
    return min(max(number, -LARGEST_FP32), LARGEST_FP32)
