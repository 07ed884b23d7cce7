"""Tiles of exact integer sums: weights are packed by blocks, then multiplied and added.

Two forms of the same sum. Additions are modulo 2**32, so a sum that fits 32 bits is exact whatever its partial sums:

``bytes``  four products a lane, ``sum_i (w_i + 128) * a_i`` by AVX512-VNNI's ``vpdpbusd``, which extends every 16-bit
           product and does not saturate. The sums start from ``-128 * sum_k a_k`` to make up for the 128.
``pairs``  two products of 16-bit integers a lane in LLVM's plain arithmetic: for any machine, and for operands of more
           than eight bits. A product fits 32 bits unless both operands are -2**15, and then it still does modulo 2**32.

Either way an operand is an array of int32, four bytes or two 16-bit integers of consecutive ``k`` in each.
"""

from typing import Any

from sim.kernels.compiled import compiled
from sim.kernels.tiles import (
    AHEAD,
    BYTES,
    COLUMNS,
    INT32,
    INT64,
    PAIRS,
    ROWS,
    SUMS,
    TWO_SUMS,
    VECTORS,
    Product,
    call,
    constant,
    emitted,
    has,
    pick,
    pointer,
    prefetch,
    splat,
    steps,
    store,
    vectors,
)

HAS_BYTES = has("avx512vnni")


def four_products(builder: Any, total: Any, w: Any, a: Any) -> Any:
    """``total`` plus four products of an unsigned byte of ``w`` and a signed one of ``a``, in each lane."""
    operands = [total, *(builder.bitcast(x, BYTES) for x in (w, a))]
    return call(builder, "llvm.x86.avx512.vpdpbusd.512", SUMS, operands)


def two_products(builder: Any, total: Any, w: Any, a: Any) -> Any:
    """``total`` plus the products of both halves of 32-bit lanes."""
    products = builder.mul(*(builder.sext(builder.bitcast(x, PAIRS), TWO_SUMS) for x in (w, a)))
    even, odd = (pick(builder, products, products, range(first, PAIRS.count, 2)) for first in (0, 1))
    return builder.add(total, builder.add(even, odd))


def _tile(rows: int, product: Product) -> Any:
    """``sums = (sums & keep) + first + products`` on ``rows`` x 64 sums."""

    def build(
        builder: Any, sums: Any, keep: Any, first: Any, first_stride: Any, a: Any, a_stride: Any, w: Any, count: Any
    ) -> None:
        to = pointer(builder, sums, SUMS)
        firsts = [builder.load(builder.gep(first, [builder.mul(first_stride, INT64(row))])) for row in range(rows)]
        start = [splat(builder, value) for value in firsts for _ in range(VECTORS)]
        results = steps(builder, rows, product, start, a, a_stride, pointer(builder, w, SUMS), count)
        kept = splat(builder, builder.trunc(keep, INT32))
        before = [builder.and_(old, kept) for old in vectors(builder, to, len(results))]
        store(builder, to, [builder.add(old, new) for old, new in zip(before, results, strict=True)])

    return emitted(build)


# Without VNNI the bytes' tiles are compiled, though never called, and must not name an instruction that is not there.
_bytes_tile, _bytes_row = (_tile(rows, four_products if HAS_BYTES else two_products) for rows in (ROWS, 1))
_pairs_tile, _pairs_row = (_tile(rows, two_products) for rows in (ROWS, 1))


@compiled
def dot(sums, sums_at, keep, rows, bytewise, first, first_at, first_stride, a, a_at, a_stride, w, w_at, count):  # type: ignore[no-untyped-def]
    """Products of ``count`` int32 words of ``rows`` (1 or 4) activations ``a`` with packed ``w[count, 64]``.

    They and ``first[first_at + row * first_stride]`` are added to int32 ``sums[rows, 64]``, or replace them if ``keep``
    is 0 (it is -1 otherwise).
    """
    if bytewise and rows == 1:
        _bytes_row(sums, sums_at, keep, first, first_at, first_stride, a, a_at, a_stride, w, w_at, count)
    elif bytewise:
        _bytes_tile(sums, sums_at, keep, first, first_at, first_stride, a, a_at, a_stride, w, w_at, count)
    elif rows == 1:
        _pairs_row(sums, sums_at, keep, first, first_at, first_stride, a, a_at, a_stride, w, w_at, count)
    else:
        _pairs_tile(sums, sums_at, keep, first, first_at, first_stride, a, a_at, a_stride, w, w_at, count)


@emitted
def _interleave(builder: Any, w: Any, stride: Any, packed: Any) -> None:
    """Four rows of 64 bytes to 64 lanes of four unsigned bytes, each 128 more."""
    rows = [pointer(builder, builder.gep(w, [builder.mul(stride, INT64(row))]), BYTES) for row in range(4)]
    rows = [builder.load(row, align=1) for row in rows]
    by_turns = [i + other for i in range(64) for other in (0, 64)]
    upper, lower = (pick(builder, rows[i], rows[i + 1], by_turns) for i in (0, 2))
    lanes = []
    for vector in range(VECTORS):
        pairs = [2 * i + part for i in range(16 * vector, 16 * vector + 16) for part in (0, 1, 128, 129)]
        lanes.append(builder.xor(pick(builder, upper, lower, pairs), constant(BYTES, -128)))
    store(builder, pointer(builder, packed, BYTES), lanes)


@compiled
def pack(w, top, height, left, width, bytewise, packed):  # type: ignore[no-untyped-def]
    """Rows ``top:top + height``, columns ``left:left + width`` of ``w[k, n]`` to int32 ``packed[panels, steps, 64]``.

    What the last step and the last panel have beyond the block has no effect: it meets zeros, or is not used.
    """
    k, n = w.shape
    deep = 4 if bytewise else 2
    flat, lanes = w.reshape(-1), packed.reshape(-1)
    for step in range((height + deep - 1) // deep):
        row = top + deep * step
        whole = width // COLUMNS if bytewise and deep * step + deep <= height else 0
        for panel in range(whole):
            at = row * n + left + panel * COLUMNS
            if row + AHEAD + deep <= k:
                for i in range(AHEAD, AHEAD + deep):
                    prefetch(flat, at + i * n)
            _interleave(flat, at, n, lanes, (panel * packed.shape[1] + step) * COLUMNS)
        used = min(deep, height - deep * step)
        for j in range(whole * COLUMNS, width):
            lane = 0
            for i in range(used):
                number = w[row + i, left + j]
                lane |= ((number + 128) & 255) << (8 * i) if bytewise else (number & 65535) << (16 * i)
            packed[j // COLUMNS, step, j % COLUMNS] = lane
