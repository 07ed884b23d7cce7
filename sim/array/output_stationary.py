"""The output-stationary array: every PE adds up results of its own, operands pass through."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.array.dataflow import Dataflow, Sizes, group_lengths, larger, whole


@dataclass(frozen=True)
class OutputStationary(Dataflow):
    """Activations enter at the left edge and move right one PE a cycle, weights enter at the top and move down.

    Row ``r`` and column ``c`` are fed ``r`` and ``c`` cycles late (skew), so PE ``(r, c)`` sees operand ``i`` of a tile
    ``r + c`` cycles after PE ``(0, 0)``. When a group ends, the sum of PE ``(r, c)`` is on column ``c``'s bus for one cycle,
    row after row, and passes through that column's epilogue; meanwhile the PE is already at work on the next group. The
    bus carries one row a cycle and the group's scales arrive one column a cycle, so a group ends at least
    ``max(rows, columns)`` cycles after the one before; the feeder waits before a group that is too short. Every lane of a
    PE has a bus and an epilogue of its own.

    Tiles follow each other without another gap if they are double-buffered; else the next one begins when the last PE
    of the array has had its last operands. Columns of tiles outermost, rows of tiles innermost.

    With nothing overlapped, groups that wait for nothing and one MAC per PE and cycle this is
    ``ceil(m/rows) * ceil(n/columns) * (k + rows + columns - 2)`` (SCALE-Sim, Samajdar et al., arXiv 1811.02883, counts
    one drain of ``rows`` cycles more).
    """

    keeps_order: ClassVar[bool] = True
    keeps_sums: ClassVar[bool] = True

    @property
    def granule(self) -> tuple[int, int]:
        activations, weights = self.element.lanes
        return self.rows * activations, self.columns * weights

    @property
    def sum_latency(self) -> int:
        return self.element.sum_latency(self.group_size)

    def feed_cycles(self, k: int) -> NDArray[np.int64]:
        """Cycle ``[k]``, relative to the tile's first operand, in which each operand is at the array's inputs."""
        interval = self.element.interval
        lengths = group_lengths(self.group_size, k)
        ends = np.cumsum([self._group_interval(length) for length in lengths])
        places = [end - (length - 1 - np.arange(length)) * interval for end, length in zip(ends, lengths, strict=True)]
        cycles = np.concatenate(places)
        relative: NDArray[np.int64] = cycles - cycles[0]
        return relative

    def tile_interval(self, k: Sizes) -> Sizes:
        """Cycles from the end of a tile to the end of the next one, in a stream of tiles."""
        full, rest = self.groups(k)
        return full * self._group_interval(self.group_size) + (rest > 0) * self._group_interval(rest)

    def tile_counts(self, m: Sizes, n: Sizes) -> tuple[Sizes, Sizes]:
        """Rows and columns of tiles that cover a result."""
        rows, columns = self.granule
        return whole(m, rows), whole(n, columns)

    def work(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        rows, columns = self.tile_counts(m, n)
        if self.double_buffered:
            return rows * columns * self.tile_interval(k)
        return rows * columns * (self.tile_interval(k) - self._no_wait(k) + self.rows + self.columns - 2)

    def steady(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        rows, columns = self.tile_counts(m, n)
        return rows * columns * k * self.element.interval

    def once(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        """The skew of the last PE that has a result, less what the first group did not wait."""
        if not self.double_buffered:
            return 0 * m
        row, column = self._place(m - 1, n - 1)
        return row + column - self._no_wait(k)

    def arrivals(self, m: int, k: int, n: int) -> NDArray[np.int64]:
        tile_rows, _ = self.tile_counts(m, n)
        rows, columns = self.granule
        i, j = np.arange(m)[:, None], np.arange(n)[None, :]
        tile = (j // columns) * tile_rows + i // rows
        row, column = self._place(i, j)
        cycles: NDArray[np.int64] = tile * self.work(1, k, 1) + self.feed_cycles(k)[-1] + row + column
        return cycles

    def reads(self, m: Sizes, n: Sizes) -> tuple[Sizes, Sizes]:
        return self.tile_counts(m, n)

    def partial_sums(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:  # noqa: ARG002 - sums stay in the PEs
        return 0 * m

    def _group_interval(self, length: Sizes) -> Sizes:
        """Cycles from the end of a group to the end of the next, which has ``length`` operands."""
        return larger(length * self.element.interval, max(self.rows, self.columns))

    def _no_wait(self, k: Sizes) -> Sizes:
        """What the first group of an array that was idle does not wait."""
        first = k - larger(k - self.group_size, 0)
        return self._group_interval(first) - first * self.element.interval

    def _place(self, i: Sizes, j: Sizes) -> tuple[Sizes, Sizes]:
        """Row and column of the PE that has result ``(i, j)``."""
        activations, weights = self.element.lanes
        return i // activations % self.rows, j // weights % self.columns
