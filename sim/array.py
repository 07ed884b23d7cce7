"""Cycles of the output-stationary array, in closed form.

The machine: activations enter at the left edge and move right one PE a cycle, weights enter at the top and move
down one PE a cycle; row ``r`` and column ``c`` are fed ``r`` and ``c`` cycles late (skew), so PE ``(r, c)`` sees
operand ``i`` of a tile ``r + c`` cycles after PE ``(0, 0)``. When a group ends, the sum of PE ``(r, c)`` is on
column ``c``'s bus for one cycle, row after row, and passes through that column's epilogue; meanwhile the PE is
already at work on the next group. The bus carries one row a cycle and the group's scales arrive one column a
cycle, so a group ends at least ``max(rows, columns)`` cycles after the one before; the feeder waits before a group
that is too short. Tiles follow each other without another gap: columns of tiles outermost, rows of tiles innermost.

A cycle is an index that counts from 0, the cycle in which the first operand is at the array's inputs. A number of
cycles is a count.
"""

import numpy as np
from numpy.typing import NDArray

from sim import epilogue
from sim.design import DesignPoint


def group_lengths(group_size: int, k: int) -> list[int]:
    """Lengths of the groups of a reduction of length ``k``; the last one may be short."""
    full, rest = divmod(k, group_size)
    return [group_size] * full + ([rest] if rest else [])


def feed_cycles(design: DesignPoint, k: int) -> NDArray[np.int64]:
    """Cycle ``[k]``, relative to the tile's first operand, in which each operand is at the array's inputs."""
    lengths = group_lengths(design.group_size, k)
    ends = np.cumsum([group_interval(design, length) for length in lengths])
    cycles = np.concatenate([end - length + np.arange(length) for end, length in zip(ends, lengths, strict=True)])
    relative: NDArray[np.int64] = cycles - cycles[0]
    return relative


def group_interval(design: DesignPoint, length: int) -> int:
    """Cycles from the end of a group to the end of the next, which has ``length`` operands."""
    return max(length, design.rows, design.columns)


def tile_interval(design: DesignPoint, k: int) -> int:
    """Cycles from the end of a tile to the end of the next."""
    return sum(group_interval(design, length) for length in group_lengths(design.group_size, k))


def tile_counts(design: DesignPoint, m: int, n: int) -> tuple[int, int]:
    """Rows and columns of tiles that cover an ``m x n`` result."""
    return -(-m // design.rows), -(-n // design.columns)


def result_latency(design: DesignPoint) -> int:
    """Cycles from the last operand of a tile at PE ``(0, 0)`` to that PE's finished result."""
    return design.element.latency + epilogue.LATENCY


def result_cycles(design: DesignPoint, m: int, k: int, n: int) -> NDArray[np.int64]:
    """The cycle ``[m, n]`` in which each result is valid at the foot of its column."""
    tile_rows, _ = tile_counts(design, m, n)
    row, column = np.arange(m)[:, None], np.arange(n)[None, :]
    tile = (column // design.columns) * tile_rows + row // design.rows
    last_operand = tile * tile_interval(design, k) + feed_cycles(design, k)[-1]
    cycles: NDArray[np.int64] = last_operand + row % design.rows + column % design.columns + result_latency(design)
    return cycles


def compute_cycles(design: DesignPoint, m: int, k: int, n: int) -> int:
    """Cycles of a whole ``m x k x n`` product with every operand at hand: from the first operand to the last result.

    A count: that of the cycles up to the last operand at PE ``(0, 0)``, the skew of the last tile's last PE, and
    the latency of a result.
    """
    tile_rows, tile_columns = tile_counts(design, m, n)
    last_tile = (tile_rows * tile_columns - 1) * tile_interval(design, k)
    skew = (m - 1) % design.rows + (n - 1) % design.columns
    return last_tile + int(feed_cycles(design, k)[-1]) + skew + result_latency(design) + 1
