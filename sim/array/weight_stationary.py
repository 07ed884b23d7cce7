"""The weight-stationary and the input-stationary array: one operand stays in the PEs, sums pass through."""

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.array.dataflow import Dataflow, Sizes, larger, whole

T = TypeVar("T")

FOOT_CYCLES = 1
"""[cycle] The foot of a column adds the sum of a fold to that of the folds before it."""


@dataclass(frozen=True)
class WeightStationary(Dataflow):
    """Rows are along ``k``, columns along ``n``; a fold has ``rows`` x ``columns`` weights and a stream of activations.

    A fold's weights are loaded row after row, one row a cycle and ``rows`` cycles always, and with the stream's skew: those
    of PE ``(r, c)`` reach it ``r * interval + c`` cycles after the loading began. Then row ``r`` is fed activation
    ``m`` of its ``k``, a pair of operands every ``interval`` cycles and ``r * interval`` cycles late, from the left;
    activations move right one PE a cycle, and a sum, which begins at zero in row 0, moves down one PE an ``interval``.
    At the foot of a column it is added to the sum of the same group's folds before it, which the output scratchpad
    keeps. A group's sum then passes through the column's epilogue. Groups do not share a fold, as they do not share a
    scale: the last fold of a group may leave rows idle. Every lane of a column has a foot and an epilogue of its own.

    If double-buffered, a fold's weights are loaded into a second register of each PE from the cycle in which the stream
    of the fold before it begins, each at the end of the cycle in which that stream's first operand takes the register's
    content into use; the streams follow each other without a gap, but no closer than ``rows`` cycles. Else a
    fold's loading begins when the last PE of the array has had the last operands of the fold before it. Strips of
    columns outermost, folds along ``k`` innermost.

    With nothing overlapped, one group and one MAC per PE and cycle this is
    ``ceil(k/rows) * ceil(n/columns) * (2*rows + m + columns - 2)`` (the convention of SCALE-Sim, arXiv 1811.02883).
    """

    keeps_order: ClassVar[bool] = False
    keeps_sums: ClassVar[bool] = False

    @property
    def granule(self) -> tuple[int, int]:
        streamed, held = self._lanes
        return self._swapped(streamed, self.columns * held)

    @property
    def sum_latency(self) -> int:
        return self.element.latency + FOOT_CYCLES

    def work(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        streamed, held = self._swapped(m, n)
        return self._fold_count(k, held) * self._fold_interval(streamed)

    def steady(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        streamed, held = self._swapped(m, n)
        return self._fold_count(k, held) * self._stream(streamed)

    def once(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        """The first fold's loading, and the skew of the last PE that has a result: in the last strip or the one before it."""
        if not self.double_buffered:
            return 0 * m
        streamed, held = self._swapped(m, n)
        interval = self._fold_interval(streamed)
        column = (held - 1) // self._lanes[1] % self.columns
        # A narrow last strip may be done before the wide one ahead of it, whose columns begin up to columns - 1 late.
        ahead = (held > self.columns * self._lanes[1]) * (self.columns - 1 - self.pieces(k) * interval)
        loading = self.rows + self._stream(streamed) - interval
        cycles: Sizes = loading + (self.rows - 1) * self.element.interval + np.maximum(column, ahead)
        return cycles

    def arrivals(self, m: int, k: int, n: int) -> NDArray[np.int64]:
        per_stream, per_column = self._lanes
        streamed, held = self._swapped(np.arange(m)[:, None], np.arange(n)[None, :])
        last_fold = (held // (self.columns * per_column) + 1) * self.pieces(k) - 1
        streams = last_fold * self._fold_interval(self._swapped(m, n)[0]) + self.rows
        row_and_place = (streamed // per_stream + self.rows - 1) * self.element.interval
        cycles: NDArray[np.int64] = streams + row_and_place + held // per_column % self.columns
        return cycles

    def reads(self, m: Sizes, n: Sizes) -> tuple[Sizes, Sizes]:
        _, held = self._swapped(m, n)
        again = whole(held, self.columns * self._lanes[1])
        return self._swapped(0 * again + 1, again)

    def partial_sums(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        full, rest = self.groups(k)
        sums: Sizes = m * n * (self.pieces(k) - full - (rest > 0))
        return sums

    @property
    def _lanes(self) -> tuple[int, int]:
        """Numbers side by side in the stream, and in what stays."""
        activations, weights = self.element.lanes
        return self._swapped(activations, weights)

    def _swapped(self, m: T, n: T) -> tuple[T, T]:
        """What belongs to the stream and what belongs to the operand that stays, or back."""
        return m, n

    def _fold_count(self, k: Sizes, held: Sizes) -> Sizes:
        return self.pieces(k) * whole(held, self.columns * self._lanes[1])

    def _stream(self, streamed: Sizes) -> Sizes:
        """Cycles in which a fold's streaming operand arrives at a PE."""
        return whole(streamed, self._lanes[0]) * self.element.interval

    def _fold_interval(self, streamed: Sizes) -> Sizes:
        """Cycles from the beginning of a fold's stream to that of the next one's."""
        if self.double_buffered:
            return larger(self._stream(streamed), self.rows)
        return self.rows + self._stream(streamed) + (self.rows - 1) * self.element.interval + self.columns - 1


@dataclass(frozen=True)
class InputStationary(WeightStationary):
    """The weight-stationary array with its operands exchanged: activations stay, weights stream.

    Rows are along ``k``, columns along ``m``, and a result leaves at the foot of its row's column. With nothing overlapped,
    one group and one MAC per PE and cycle: ``ceil(k/rows) * ceil(m/columns) * (2*rows + n + columns - 2)``.
    """

    def _swapped(self, m: T, n: T) -> tuple[T, T]:
        return n, m
