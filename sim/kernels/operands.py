"""Integer operands as the tiles of :mod:`sim.kernels.dot` take them, and the blocks into which a product is cut."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels import dot
from sim.kernels.rows import block_sums
from sim.kernels.threads import thread_count
from sim.kernels.tiles import COLUMNS

Integers = NDArray[np.int8] | NDArray[np.int16]

DEEPEST = 512
"""Rows of weights packed at a time: with 512 columns they fill a quarter of a second-level cache of 1 MiB."""

TALLEST, WIDEST = 128, 512
"""Outputs of one piece of work: their sums stay in the second-level cache."""


@dataclass(frozen=True)
class Operands:
    """Activations as int32 words, and the blocks along ``k``; ``start, height, word, group`` in each row of ``blocks``.

    ``first[m, block]`` is what the sum of a block starts from; ``bytewise`` chooses the tile.
    """

    bytewise: bool
    a: NDArray[np.int32]
    w: NDArray[np.integer]
    first: NDArray[np.int32]
    blocks: NDArray[np.int64]


def as_operands(a: Integers, w: Integers, group_size: int) -> Operands:
    """Operands of a product of ``a[m, k]`` and ``w[k, n]`` in groups of ``group_size``, the last one may be shorter.

    Raises ``InputError`` for other types than int8 and int16, another ``k``, an empty operand or group.
    """
    check_shapes(a, w)
    for name, operand in (("activations", a), ("weights", w)):
        if operand.dtype not in (np.int8, np.int16):
            raise InputError(f"{name} of an integer kernel are int8 or int16, not {operand.dtype}")
    if group_size < 1:
        raise InputError(f"a group has at least one product, not {group_size}")
    bytewise = dot.HAS_BYTES and a.dtype == w.dtype == np.int8
    deep = 4 if bytewise else 2
    k = len(w)
    starts = [i for group in range(0, k, group_size) for i in range(group, min(group + group_size, k), DEEPEST)]
    heights = np.diff([*starts, k])
    words = np.cumsum([0, *-(-heights // deep)])
    blocks = np.stack([starts, heights, words[:-1], np.array(starts) // group_size], axis=1).astype(np.int64)
    numbers = np.ascontiguousarray(a, np.int8 if bytewise else np.int16)
    if deep * words[-1] != k:
        padded = np.zeros((len(a), deep * words[-1]), numbers.dtype)
        for start, height, word, _ in blocks:
            padded[:, deep * word : deep * word + height] = numbers[:, start : start + height]
        numbers = padded
    first = np.zeros((len(a), len(blocks)), np.int32)
    if bytewise:
        first = block_sums(numbers.view(np.int8), deep * words[:-1])
        first *= -128
    return Operands(bytewise, numbers.view(np.int32), np.ascontiguousarray(w), first, blocks)


def check_shapes(a: NDArray[np.generic], w: NDArray[np.generic]) -> None:
    """Raise ``InputError`` unless ``a[m, k]`` and ``w[k, n]`` are matrices of one ``k`` and are not empty."""
    if a.ndim != 2 or w.ndim != 2 or a.shape[1] != w.shape[0] or 0 in a.shape + w.shape:
        raise InputError(f"a product takes activations [m, k] and weights [k, n] that are not empty, not {a.shape}, {w.shape}")


def cut(m: int, n: int, widest: int = WIDEST) -> tuple[int, int, int]:
    """Rows and columns of a piece of work, and how many pieces there are: some for every thread if possible."""
    tall, wide = min(m, TALLEST), widest
    while wide > COLUMNS and -(-m // tall) * -(-n // wide) < 4 * thread_count():
        wide //= 2
    return tall, wide, -(-m // tall) * -(-n // wide)
