"""Tensors in blocks of rows, so that what is computed on the way stays small, and a block's share of the scales."""

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.kernels.rows import row_extremes
from sim.quantized.scheme import Axis

BLOCK = 1 << 20
"""Numbers in a block, about."""

N = TypeVar("N", bound=np.generic)
F = TypeVar("F", bound=np.floating)


def row_blocks(shape: tuple[int, int]) -> Iterator[slice]:
    """Consecutive rows, ``BLOCK`` numbers or one row at a time."""
    rows = max(1, BLOCK // shape[1])
    for start in range(0, shape[0], rows):
        yield slice(start, min(start + rows, shape[0]))


def spread(values: NDArray[N], rows: slice, shape: tuple[int, int], axis: Axis, group_size: int) -> NDArray[N]:
    """The part of a level's values that belongs to those rows, in a shape that broadcasts with them.

    ``values`` has, along each axis, one value for all, one for each index, or one for each group along ``axis``.
    """
    part = values
    if values.shape[0] > 1:
        part = values[np.arange(rows.start, rows.stop) // group_size] if axis == 0 else values[rows]
    if axis == 1 and values.shape[1] > 1:
        part = np.repeat(part, group_size, axis=1)[:, : shape[1]]
    return part


def extremes(numbers: NDArray[np.float32], level_shape: tuple[int, int], axis: Axis, group_size: int) -> NDArray[np.float32]:
    """Least and greatest number ``[2, *level_shape]`` of what shares a value; one of them is NaN where a number is."""
    if axis == 1 and level_shape[0] == len(numbers):
        whole = level_shape[1] == 1
        return np.stack(row_extremes(numbers, numbers.shape[1] if whole else group_size))
    return np.stack([reduced(ufunc, numbers, level_shape, axis, group_size) for ufunc in (np.minimum, np.maximum)])


def reduced(ufunc: np.ufunc, numbers: NDArray[F], level_shape: tuple[int, int], axis: Axis, group_size: int) -> NDArray[F]:
    """The numbers that share a value, reduced by a function of two (``np.add``, ``np.maximum``): an array ``level_shape``."""
    if level_shape[axis] == 1:
        shared = tuple(a for a in (0, 1) if level_shape[a] == 1)
        total: NDArray[F] = ufunc.reduce(numbers, axis=shared, keepdims=True)
        return total
    if axis == 1:
        by_row: NDArray[F] = ufunc.reduceat(numbers, np.arange(0, numbers.shape[1], group_size), axis=1)
        return by_row
    whole = numbers.shape[0] // group_size * group_size  # reduceat along the first axis is 20 times slower than this
    whole_groups: NDArray[F] = ufunc.reduce(numbers[:whole].reshape(-1, group_size, numbers.shape[1]), axis=1)
    if whole == numbers.shape[0]:
        return whole_groups
    return np.concatenate([whole_groups, ufunc.reduce(numbers[whole:], axis=0, keepdims=True)])
