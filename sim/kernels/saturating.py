"""An accumulator that saturates at every addition: most outputs by proof, the others step by step.

Cut ``k`` into blocks and let ``P_b`` be the exact sum up to the end of block ``b``. Inside the block the positive
products sum to ``X`` and the negative ones to ``-Y``, with ``X - Y = P_b - P_{b-1}`` and ``X + Y <= B``, where
``B = sqrt(sum a**2) * sqrt(sum w**2)`` over the block (Cauchy-Schwarz). So every partial sum in it lies between
``P_{b-1} - Y`` and ``P_{b-1} + X``, that is within ``B / 2`` of ``(P_{b-1} + P_b) / 2``. An output whose blocks all stay
within the accumulator's limits never saturates, and is the exact sum. The bound is in float32, with 2**-20 added
to every factor for roundings of at most 2**-24 each. What it cannot prove is computed from the start, in order.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled
from sim.kernels.dot import HAS_BYTES, dot, four_products, pack, two_products
from sim.kernels.operands import DEEPEST, Integers, as_operands, cut
from sim.kernels.threads import share
from sim.kernels.tiles import (
    COLUMNS,
    INT32,
    ROWS,
    SUMS,
    VECTORS,
    call,
    constant,
    emitted,
    pointer,
    splat,
    steps,
    store,
    take,
    tile,
    vectors,
)

FEWEST_BITS, MOST_BITS = 2, 31
MARGIN = 1 + 2.0**-20
SIGNS = -0x7F7F7F80  # the top bit of each byte


def saturating_sums(a: Integers, w: Integers, bits: int) -> NDArray[np.int32]:
    """``acc = clip(acc + a[m, k] * w[k, n], -2**(bits-1), 2**(bits-1) - 1)`` from 0 in order of ``k``, int32 ``[m, n]``.

    ``a[m, k]`` and ``w[k, n]`` are int8 or int16. Of 2 to 31 bits: then a limit and a product of 16-bit numbers add up
    to less than 2**31, so a step cannot wrap. Raises ``InputError`` for other widths, types or shapes.
    """
    if not FEWEST_BITS <= bits <= MOST_BITS:
        raise InputError(f"a saturating accumulator has {FEWEST_BITS} to {MOST_BITS} bits, not {bits}")
    x = as_operands(a, w, DEEPEST)
    squares = np.add.reduceat(np.square(a, dtype=np.float32), x.blocks[:, 0], axis=1, dtype=np.float64)
    norms = (np.sqrt(squares) / 2 * MARGIN).astype(np.float32)
    result = np.empty((len(a), w.shape[1]), np.int32)
    tall, wide, pieces = cut(*result.shape)
    limit = 2 ** (bits - 1)
    within = np.float32((limit - 3) * (2 - MARGIN))
    largest_a, largest_w = _magnitude(a), _magnitude(w)
    provable = max(len(w) * largest_a, DEEPEST * largest_w) * largest_w < 2**31  # sums and squares fit 32 bits
    narrow = np.ascontiguousarray(a)
    share(
        _saturating, x.a, x.first, x.blocks, norms, narrow, x.w, x.bytewise, provable, within, limit, tall, wide, result,
        pieces=pieces,
    )  # fmt: skip
    return result


def _magnitude(operand: Integers) -> int:
    return 128 if operand.dtype == np.int8 else max(int(operand.max()), -int(operand.min()))


def _clip_tile(rows: int) -> Any:
    """``count`` steps of ``acc = clip(acc + a * w, low, high)`` on int32 ``acc[rows, 64]``; a number is in the low half."""

    def build(builder: Any, acc: Any, low: Any, high: Any, a: Any, a_stride: Any, w: Any, count: Any) -> None:
        least, most = (splat(builder, builder.trunc(limit, INT32)) for limit in (low, high))

        def product(builder: Any, total: Any, weight: Any, activation: Any) -> Any:
            total = two_products(builder, total, weight, activation)
            total = call(builder, "llvm.smin.v16i32", SUMS, [total, most])
            return call(builder, "llvm.smax.v16i32", SUMS, [total, least])

        to = pointer(builder, acc, SUMS)
        start = vectors(builder, to, rows * VECTORS)
        store(builder, to, steps(builder, rows, product, start, a, a_stride, pointer(builder, w, SUMS), count))

    return emitted(build)


_clip_rows, _clip_row = _clip_tile(ROWS), _clip_tile(1)


def _square(builder: Any, total: Any, w: Any, _: Any) -> Any:
    """Squares of the bytes: ``(w + 128) * w - 128 * (w + 128)`` is 2**14 less."""
    if not HAS_BYTES:
        return total
    total = four_products(builder, total, w, builder.xor(w, constant(SUMS, SIGNS)))
    total = four_products(builder, total, w, constant(SUMS, SIGNS))
    return builder.add(total, constant(SUMS, 4 << 14))


_squares_of_bytes = tile(1, _square, SUMS)
_squares_of_pairs = tile(1, lambda builder, total, w, _: two_products(builder, total, w, w), SUMS)


@compiled
def _column_norms(packed, panel, count, width, bytewise, squares, norms):  # type: ignore[no-untyped-def]
    """Square roots, rounded up, of the sums of squares of the ``width`` columns of a packed panel; 0 beyond them.

    What pads the last step may add to the squares, which are a bound only.
    """
    squares[:] = 0
    at = panel * packed.shape[1] * COLUMNS
    if bytewise:
        _squares_of_bytes(squares, 0, squares, 0, 0, packed.reshape(-1), at, count)
    else:
        _squares_of_pairs(squares, 0, squares, 0, 0, packed.reshape(-1), at, count)
    for x in range(COLUMNS):
        norms[x] = np.sqrt(np.float32(squares[x])) * np.float32(MARGIN) if x < width else np.float32(0)


@compiled
def _step_by_step(a, w, top, left, width, chosen, limit, acc, words, numbers):  # type: ignore[no-untyped-def]
    """Int32 ``acc[i, 64]`` for rows ``top + chosen[i]`` and ``width`` columns; the last two arguments are work space."""
    k = w.shape[0]
    count = len(chosen)
    acc[:count] = 0
    for start in range(0, k, DEEPEST):
        height = min(DEEPEST, k - start)
        for i in range(height):
            for x in range(width):
                words[i, x] = np.int32(w[start + i, left + x]) & 0xFFFF
        for i in range(count):
            for j in range(height):
                numbers[i, j] = np.int32(a[top + chosen[i], start + j]) & 0xFFFF
        i = 0
        while i < count:
            at, from_a = i * COLUMNS, i * DEEPEST
            if i + ROWS <= count:
                _clip_rows(
                    acc.reshape(-1), at, -limit, limit - 1,
                    numbers.reshape(-1), from_a, DEEPEST, words.reshape(-1), 0, height,
                )  # fmt: skip
                i += ROWS
            else:
                _clip_row(
                    acc.reshape(-1), at, -limit, limit - 1,
                    numbers.reshape(-1), from_a, DEEPEST, words.reshape(-1), 0, height,
                )  # fmt: skip
                i += 1


@compiled
def _prove(part, sums, bound, norms, within):  # type: ignore[no-untyped-def]
    """Add a block's sums ``part[64]`` to ``sums[64]``; whether all partial sums of the block are ``within`` the limits."""
    worst = np.float32(0)
    for x in range(COLUMNS):
        before = sums[x]
        after = before + part[x]
        sums[x] = after
        middle = abs(np.float32((before >> 1) + (after >> 1)))  # at most 1 from the middle, which `within` allows for
        worst = max(worst, middle * np.float32(MARGIN) + bound * norms[x])
    return worst <= within


@compiled
def _saturating(counter, a, first, blocks, norms, narrow, w, bytewise, provable, within, limit, tall, wide, out):  # type: ignore[no-untyped-def]  # noqa: C901 - one nest of loops
    m, n = out.shape
    depth = DEEPEST // (4 if bytewise else 2)
    panels = wide // COLUMNS
    packed = np.zeros((panels, depth, COLUMNS), np.int32)
    part = np.empty((ROWS, COLUMNS), np.int32)
    sums = np.empty((panels, tall, COLUMNS), np.int32)
    unproved = np.empty((panels, tall), np.bool_)
    squares, w_norms = np.zeros(COLUMNS, np.int32), np.zeros(COLUMNS, np.float32)
    words = np.zeros((DEEPEST, COLUMNS), np.int32)
    numbers = np.empty((tall, DEEPEST), np.int32)
    acc = np.empty((tall, COLUMNS), np.int32)
    while True:
        top, left = divmod(take(counter), (n + wide - 1) // wide)
        top, left = top * tall, left * wide
        if top >= m:
            return
        high, width = min(tall, m - top), min(wide, n - left)
        used = (width + COLUMNS - 1) // COLUMNS
        sums[:] = 0
        unproved[:] = not provable
        for b in range(len(blocks) if provable else 0):
            start, height, word = blocks[b, 0], blocks[b, 1], blocks[b, 2]
            count = (height - 1) * depth // DEEPEST + 1
            pack(w, start, height, left, width, bytewise, packed)
            for panel in range(used):
                _column_norms(packed, panel, count, width - panel * COLUMNS, bytewise, squares, w_norms)
                row = 0
                while row < high:
                    rows = ROWS if row + ROWS <= high else 1
                    i = top + row
                    dot(
                        part.reshape(-1), 0, 0, rows, bytewise, first.reshape(-1), i * len(blocks) + b, len(blocks),
                        a.reshape(-1), i * a.shape[1] + word, a.shape[1], packed.reshape(-1), panel * depth * COLUMNS, count,
                    )  # fmt: skip
                    for r in range(rows):
                        proved = _prove(part[r], sums[panel, row + r], norms[i + r, b], w_norms, within)
                        unproved[panel, row + r] |= not proved
                    row += rows
        for panel in range(used):
            here = min(COLUMNS, width - panel * COLUMNS)
            chosen = np.flatnonzero(unproved[panel, :high])
            if len(chosen):
                _step_by_step(narrow, w, top, left + panel * COLUMNS, here, chosen, limit, acc, words, numbers)
                for i in range(len(chosen)):
                    sums[panel, chosen[i]] = acc[i]
            for row in range(high):
                for x in range(here):
                    out[top + row, left + panel * COLUMNS + x] = sums[panel, row, x]
