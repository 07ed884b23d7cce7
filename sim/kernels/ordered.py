"""Sums in float16, bfloat16 or float32, rounded after every addition, in order of ``k``."""

import math

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled
from sim.kernels.narrow import STEPS
from sim.kernels.operands import check_shapes, cut
from sim.kernels.threads import share
from sim.kernels.tiles import AHEAD, COLUMNS, FLOATS, ROWS, prefetch, take, tile

DEEP = 64
"""Rows of weights that are decoded at a time: 64 columns of them fill half of a first-level cache of 32 KiB."""

FORMATS = {"fp32": (24, -126), "bf16": (8, -126), "fp16": (11, -14)}
"""Bits of the significand, and the exponent of the smallest normal number (IEEE 754; bfloat16 is cut from fp32)."""

SMALLEST, OVERFLOW = -149, 128
"""Exponents of fp32's smallest number and of the first power of two beyond it."""

PATHS = (*STEPS, "slow")


def ordered_sums(
    a: NDArray[np.float32],
    w_codes: NDArray[np.unsignedinteger],
    w_table: NDArray[np.float32],
    accumulator: str,
    product_bits: int,
) -> NDArray[np.float32]:
    """``acc = round(acc + a[m, k] * table[codes[k, n]])`` in order of ``k`` from +0: float32 ``[m, n]``.

    Each step is the exact value of product and sum rounded once to ``accumulator`` (``fp32``, ``bf16``, ``fp16``), ties
    to even, overflow to infinity, subnormals kept; a NaN remains a NaN. ``w_codes`` ``[k, n]`` are uint8 or uint16, each
    less than the length of ``w_table``. ``product_bits`` is the width of a product's significand by design: the sum
    of those of ``a`` and ``w``. It chooses the path whose proof is in :mod:`sim.kernels.narrow`; a product beyond
    float32's range or width takes the slow path in float64, which rounds to odd there. Raises ``InputError``.
    """
    check_shapes(a, w_codes)
    if accumulator not in FORMATS:
        raise InputError(f"an accumulator is one of {', '.join(FORMATS)}, not {accumulator!r}")
    if a.dtype != np.float32 or w_table.dtype != np.float32 or w_codes.dtype not in (np.uint8, np.uint16):
        types_are = f"{a.dtype}, {w_codes.dtype}, {w_table.dtype}"
        raise InputError(f"operands are float32, uint8 or uint16 codes, and a float32 table, not {types_are}")
    if len(w_table) <= np.iinfo(w_codes.dtype).max and w_codes.max() >= len(w_table):
        raise InputError(f"codes are less than {len(w_table)}, the length of their table, not {w_codes.max()}")
    a, table = (_one_nan(np.ascontiguousarray(x)) for x in (a, w_table))
    path = choose_path(a, table, accumulator, product_bits)
    result = np.empty((len(a), w_codes.shape[1]), np.float32)
    tall, wide, pieces = cut(*result.shape)
    codes = np.ascontiguousarray(w_codes)
    if path == "slow":
        share(_slow, a, codes, table, *FORMATS[accumulator], tall, wide, result, pieces=pieces)
    else:
        share(_ordered, a, codes, table, PATHS.index(path), tall, wide, result, pieces=pieces)
    return result


def choose_path(a: NDArray[np.float32], table: NDArray[np.float32], accumulator: str, product_bits: int) -> str:
    """The fastest of ``PATHS`` that is proved for these operands."""
    (a_low, a_high), (w_low, w_high) = _exponents(a), _exponents(table)
    # A product lies between 2**(a_low + w_low) and 2**(a_high + w_high + 2).
    in_range = a_low + w_low - (product_bits - 1) >= SMALLEST and a_high + w_high + 2 <= OVERFLOW
    if not in_range or product_bits > FORMATS["fp32"][0]:
        return "slow"
    return accumulator if product_bits <= FORMATS[accumulator][0] else f"{accumulator} odd"


def _exponents(numbers: NDArray[np.float32]) -> tuple[int, int]:
    """Floors of the logarithms of the smallest and the largest magnitude that are neither zero nor infinite."""
    doubled = numbers.view(np.uint32) << np.uint32(1)
    smallest = (doubled - np.uint32(1)).min() // 2 + 1  # zero is the largest here
    finite = doubled[doubled < 0xFF000000]
    largest = finite.max() // 2 if finite.size else 0
    low, high = (float(np.uint32(bits).view(np.float32)) for bits in (smallest, largest))
    return (math.frexp(low)[1] - 1 if 0 < low < math.inf else 0), (math.frexp(high)[1] - 1 if high else 0)


def _one_nan(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same with the quiet NaN for any other: rounding by bits must not carry beyond a NaN's last pattern."""
    nans = np.isnan(numbers)
    return np.where(nans, np.float32(np.nan), numbers) if nans.any() else numbers


_fp32, _bf16, _bf16_odd, _fp16, _fp16_odd, _fp16_by_integers = (tile(ROWS, step, FLOATS) for step in STEPS.values())
_fp32_row, _bf16_row, _bf16_odd_row, _fp16_row, _fp16_odd_row, _fp16_by_integers_row = (
    tile(1, step, FLOATS) for step in STEPS.values()
)


@compiled
def _add(path, rows, sums, sums_at, a, a_at, a_stride, w, w_at, count):  # type: ignore[no-untyped-def]  # noqa: C901 - one choice
    if rows == ROWS:
        if path == 0:
            _fp32(sums, sums_at, a, a_at, a_stride, w, w_at, count)
        elif path == 1:
            _bf16(sums, sums_at, a, a_at, a_stride, w, w_at, count)
        elif path == 2:
            _bf16_odd(sums, sums_at, a, a_at, a_stride, w, w_at, count)
        elif path == 3:
            _fp16(sums, sums_at, a, a_at, a_stride, w, w_at, count)
        elif path == 4:
            _fp16_odd(sums, sums_at, a, a_at, a_stride, w, w_at, count)
        else:
            _fp16_by_integers(sums, sums_at, a, a_at, a_stride, w, w_at, count)
    elif path == 0:
        _fp32_row(sums, sums_at, a, a_at, a_stride, w, w_at, count)
    elif path == 1:
        _bf16_row(sums, sums_at, a, a_at, a_stride, w, w_at, count)
    elif path == 2:
        _bf16_odd_row(sums, sums_at, a, a_at, a_stride, w, w_at, count)
    elif path == 3:
        _fp16_row(sums, sums_at, a, a_at, a_stride, w, w_at, count)
    elif path == 4:
        _fp16_odd_row(sums, sums_at, a, a_at, a_stride, w, w_at, count)
    else:
        _fp16_by_integers_row(sums, sums_at, a, a_at, a_stride, w, w_at, count)


@compiled
def _ordered(counter, a, codes, table, path, tall, wide, out):  # type: ignore[no-untyped-def]
    m, n = out.shape
    k = a.shape[1]
    panels = wide // COLUMNS
    block = np.zeros((panels, DEEP, COLUMNS), np.float32)
    sums = np.empty((panels, tall, COLUMNS), np.float32)
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
                row = 0
                while row < high:
                    rows = ROWS if row + ROWS <= high else 1
                    _add(
                        path, rows, sums.reshape(-1), (panel * tall + row) * COLUMNS,
                        a.reshape(-1), (top + row) * k + start, k, block.reshape(-1), panel * DEEP * COLUMNS, count,
                    )  # fmt: skip
                    row += rows
        for row in range(high):
            for j in range(width):
                out[top + row, left + j] = sums[j // COLUMNS, row, j % COLUMNS]


@compiled
def decode(codes, top, count, left, width, table, block):  # type: ignore[no-untyped-def]
    """Numbers of rows ``top:top + count`` and columns ``left:left + width`` to ``block[panels, rows, 64]``."""
    k, n = codes.shape
    flat = codes.reshape(-1)
    for i in range(count):
        for panel in range((width + COLUMNS - 1) // COLUMNS):
            first = left + panel * COLUMNS
            if top + i + AHEAD < k:
                prefetch(flat, (top + i + AHEAD) * n + first)
            for x in range(min(COLUMNS, left + width - first)):
                block[panel, i, x] = table[codes[top + i, first + x]]


@compiled
def _slow(counter, a, codes, table, bits, smallest, tall, wide, out):  # type: ignore[no-untyped-def]
    m, n = out.shape
    across = (n + wide - 1) // wide
    while True:
        piece = take(counter)
        top, left = piece // across * tall, piece % across * wide
        if top >= m:
            return
        for row in range(top, min(m, top + tall)):
            for j in range(left, min(n, left + wide)):
                total = 0.0
                for i in range(a.shape[1]):
                    total = _round_once(total, np.float64(a[row, i]) * np.float64(table[codes[i, j]]), bits, smallest)
                out[row, j] = total


@compiled
def _round_once(total, product, bits, smallest):  # type: ignore[no-untyped-def]
    """``total + product`` rounded to a significand of ``bits``: the product of two float32 is exact in float64."""
    value = total + product
    if not math.isfinite(value):
        return value
    other = value - total
    error = (total - (value - other)) + (product - other)
    if error != 0:
        significand, exponent = math.frexp(value)
        last = significand * 2.0**53
        if last % 2 == 0:  # to odd: 53 bits rounded so are rounded once more without harm
            toward = 1.0 if error > 0 else -1.0
            # Towards zero a power of two has neighbours twice as close.
            if abs(significand) == 0.5 and (toward > 0) != (value > 0):
                toward /= 2
            value = (
                math.ldexp(last + toward, exponent - 53) if abs(toward) == 1 else math.ldexp(2 * (last + toward), exponent - 54)
            )
    exponent = max(math.frexp(value)[1] - 1, smallest) - (bits - 1)
    rounded = math.ldexp(np.rint(math.ldexp(value, -exponent)), exponent)
    largest = math.ldexp(2.0 - math.ldexp(1.0, 1 - bits), 15 if smallest == -14 else 127)
    if abs(rounded) > largest:
        return math.copysign(math.inf, rounded)
    return math.copysign(rounded, value)
