"""Exact integer products at the speed of the machine's byte arithmetic, and their scaled sums of groups.

Both functions are exact by construction (see :mod:`sim.kernels.dot`), whatever the number of threads: an output is
computed by one thread, its groups in order of ``k``.
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled
from sim.kernels.dot import dot, pack
from sim.kernels.operands import DEEPEST, Integers, as_operands, cut
from sim.kernels.scaling import add_scaled
from sim.kernels.threads import share
from sim.kernels.tiles import COLUMNS, ROWS, take

FLOAT32_BITS, FLOAT64_BITS = 24, 53
SMALLEST, LARGEST = -149, 127
"""Exponents of the smallest subnormal fp32 number, and of the largest power of two (IEEE 754)."""

AT_ONCE = 1 << 15
"""Scales that are looked at together: in float64, with what is found in them, a second-level cache holds them."""


def integer_sums(a: Integers, w: Integers) -> NDArray[np.int32]:
    """``sum_k a[m, k] * w[k, n]`` as int32 ``[m, n]`` from int8 or int16.

    Exact if the sum fits 32 bits, and modulo 2**32 if not: so an accumulator of at most 32 bits that wraps is this
    result wrapped. For int8 every sum fits while ``k`` < 2**17, for magnitudes ``A`` and ``W`` while ``k*A*W`` < 2**31.
    Raises ``InputError`` for other types or for operands that differ in ``k``.
    """
    x = as_operands(a, w, len(w))
    result = np.empty((len(a), w.shape[1]), np.int32)
    tall, wide, pieces = cut(*result.shape)
    share(_sums, x.a, x.first, x.blocks, x.w, x.bytewise, tall, wide, result, pieces=pieces)
    return result


def scaled_group_sums(
    a: Integers,
    w: Integers,
    group_size: int,
    w_scale: NDArray[np.float32],
    a_scale: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Float32 ``[m, n]``: from +0, groups in order of ``k``, ``total = fp32(total + fp32(fp32(sum) * a_scale * w_scale))``.

    ``sum`` is the exact sum of a group of int8 or int16 products, of 32 bits (the caller's proof); ``w_scale`` is
    ``[groups, n]``, ``a_scale`` ``[m, groups]`` or absent. Each contribution is the exact product of the rounded sum,
    rounded once more. Where ``a_scale * w_scale`` is an fp32 number for any two of the scales, one fp32
    multiplication of it rounds that product. Otherwise a float64 product that fits 53 bits is exact, and is rounded
    once to fp32, subnormals and infinity included. ``InputError`` if neither holds, or if shapes do not fit.
    """
    x = as_operands(a, w, group_size)
    groups = int(x.blocks[-1, 3]) + 1
    if a_scale is None:
        a_scale = np.ones((len(a), groups), np.float32)
    for name, scale, shape in (("weights", w_scale, (groups, w.shape[1])), ("activations", a_scale, (len(a), groups))):
        if scale.dtype != np.float32 or scale.shape != shape:
            raise InputError(f"scales of {name} are float32 {list(shape)}, not {scale.dtype} {list(scale.shape)}")
    single = _products_fit_float32(a_scale, w_scale)
    result = np.empty((len(a), w.shape[1]), np.float32)
    tall, wide, pieces = cut(*result.shape)
    a_scale, w_scale = np.ascontiguousarray(a_scale), np.ascontiguousarray(w_scale)
    share(_scaled, x.a, x.first, x.blocks, a_scale, x.w, w_scale, x.bytewise, single, tall, wide, result, pieces=pieces)
    return result


def _extent(scale: NDArray[np.float32]) -> tuple[int, int, int]:
    """Bits of the longest significand, the smallest exponent of a last bit, and the largest of a first bit."""
    hidden = 1 << (FLOAT64_BITS - 1)
    fraction, exponents = hidden, []
    for part in np.array_split(scale.reshape(-1), -(-scale.size // AT_ONCE)):
        magnitude = np.abs(part.astype(np.float64))  # in which no float32 is subnormal
        numbers = magnitude[(magnitude > 0) & (magnitude < np.inf)]  # infinity and NaN are the same in both floats
        if numbers.size:
            fraction |= int(np.bitwise_or.reduce(numbers.view(np.int64))) & (hidden - 1)
            exponents += [int(np.frexp(end(numbers))[1]) - 1 for end in (np.min, np.max)]
    if not exponents:
        return 1, 0, 0
    bits = FLOAT64_BITS - ((fraction & -fraction).bit_length() - 1)
    return bits, min(exponents) - (bits - 1), max(exponents)


def _products_fit_float32(a_scale: NDArray[np.float32], w_scale: NDArray[np.float32]) -> bool:
    if np.all(a_scale == 1):
        return True
    (a_bits, a_last, a_top), (w_bits, w_last, w_top) = _extent(a_scale), _extent(w_scale)
    if a_bits + w_bits <= FLOAT32_BITS and a_last + w_last >= SMALLEST and a_top + w_top + 1 <= LARGEST:
        return True
    if a_bits + w_bits + FLOAT32_BITS > FLOAT64_BITS:
        raise InputError(
            f"scales of activations and weights have at most {FLOAT64_BITS - FLOAT32_BITS} significant bits together,"
            f" not {a_bits} and {w_bits}"
        )
    return False


@compiled
def _sums(counter, a, first, blocks, w, bytewise, tall, wide, out):  # type: ignore[no-untyped-def]
    m, n = out.shape
    depth = DEEPEST // (4 if bytewise else 2)
    packed = np.zeros((wide // COLUMNS, depth, COLUMNS), np.int32)
    sums = np.empty((wide // COLUMNS, tall, COLUMNS), np.int32)
    words, firsts, lanes, results = a.reshape(-1), first.reshape(-1), packed.reshape(-1), sums.reshape(-1)
    while True:
        top, left = divmod(take(counter), (n + wide - 1) // wide)
        top, left = top * tall, left * wide
        if top >= m:
            return
        high, width = min(tall, m - top), min(wide, n - left)
        for b in range(len(blocks)):
            start, height, word = blocks[b, 0], blocks[b, 1], blocks[b, 2]
            count = (height - 1) * depth // DEEPEST + 1
            pack(w, start, height, left, width, bytewise, packed)
            for panel in range((width + COLUMNS - 1) // COLUMNS):
                row = 0
                while row < high:
                    rows = ROWS if row + ROWS <= high else 1
                    at, i = (panel * tall + row) * COLUMNS, top + row
                    dot(
                        results, at, -(b > 0), rows, bytewise, firsts, i * len(blocks) + b, len(blocks),
                        words, i * a.shape[1] + word, a.shape[1], lanes, panel * depth * COLUMNS, count,
                    )  # fmt: skip
                    row += rows
        for row in range(high):
            for j in range(width):
                out[top + row, left + j] = sums[j // COLUMNS, row, j % COLUMNS]


@compiled
def _scaled(counter, a, first, blocks, a_scale, w, w_scale, bytewise, single, tall, wide, out):  # type: ignore[no-untyped-def]
    m, n = out.shape
    depth = DEEPEST // (4 if bytewise else 2)
    panels = wide // COLUMNS
    packed = np.zeros((panels, depth, COLUMNS), np.int32)
    sums = np.empty((panels, tall, COLUMNS), np.int32)
    total = np.empty((panels, tall, COLUMNS), np.float32)
    scale = np.zeros(wide, np.float32)
    words, firsts, lanes, results = a.reshape(-1), first.reshape(-1), packed.reshape(-1), sums.reshape(-1)
    totals, factors = total.reshape(-1), a_scale.reshape(-1)
    while True:
        top, left = divmod(take(counter), (n + wide - 1) // wide)
        top, left = top * tall, left * wide
        if top >= m:
            return
        high, width = min(tall, m - top), min(wide, n - left)
        total[:] = 0
        for b in range(len(blocks)):
            start, height, word, group = blocks[b]
            more = b > 0 and blocks[b - 1, 3] == group
            last = b + 1 == len(blocks) or blocks[b + 1, 3] != group
            count = (height - 1) * depth // DEEPEST + 1
            pack(w, start, height, left, width, bytewise, packed)
            scale[:width] = w_scale[group, left : left + width]
            for panel in range((width + COLUMNS - 1) // COLUMNS):
                row = 0
                while row < high:
                    rows = ROWS if row + ROWS <= high else 1
                    # A group of one block leaves its sums where the first-level cache keeps them.
                    where, i = 0 if last and not more else panel * tall + row, top + row
                    dot(
                        results, where * COLUMNS, -more, rows, bytewise, firsts, i * len(blocks) + b, len(blocks),
                        words, i * a.shape[1] + word, a.shape[1], lanes, panel * depth * COLUMNS, count,
                    )  # fmt: skip
                    if last:
                        add_scaled(
                            totals, (panel * tall + row) * COLUMNS, results, where * COLUMNS, rows, single,
                            factors, i * a_scale.shape[1] + group, a_scale.shape[1], scale, panel * COLUMNS,
                        )  # fmt: skip
                    row += rows
        for row in range(high):
            for j in range(width):
                out[top + row, left + j] = total[j // COLUMNS, row, j % COLUMNS]
