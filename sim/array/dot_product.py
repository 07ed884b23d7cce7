"""The dot-product array: adder trees beside each other, every one of which makes a result of its own."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.array.dataflow import Dataflow, Sizes, whole


@dataclass(frozen=True)
class DotProduct(Dataflow):
    """Rows are along ``k``, columns along ``n``: each column is a unit of ``rows`` PEs and a tree that adds their products.

    Every ``interval`` cycles all units take the same ``rows`` activations (broadcast) and ``rows`` weights each of their own;
    the tree has a register after each of its ``ceil(log2(rows))`` levels, and its sum is added to that of the group. A
    group's last pair of operands is the last in its step: groups do not share one, so rows may be idle in it. Every lane
    of a unit has a tree and an epilogue of its own. Strips of columns outermost, then ``m``, steps along ``k`` innermost:
    there is no skew, and nothing is held but sums.

    If double-buffered, results follow each other without a gap; else the first step of one comes ``levels`` cycles later,
    when the last products of the one before are through the tree (the PE's own latency not counted). FPGA designs and
    NVDLA's convolution core are built like this.
    """

    keeps_order: ClassVar[bool] = False
    keeps_sums: ClassVar[bool] = True

    @property
    def granule(self) -> tuple[int, int]:
        activations, weights = self.element.lanes
        return activations, self.columns * weights

    @property
    def levels(self) -> int:
        """Levels of the adder tree."""
        return (self.rows - 1).bit_length()

    @property
    def sum_latency(self) -> int:
        return self.element.latency + self.levels

    def work(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        return self._results(m, n) * self._result_interval(k)

    def steady(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        return self._results(m, n) * self.pieces(k) * self.element.interval

    def once(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:  # noqa: ARG002 - there is neither loading nor skew
        """Nothing follows the last result: its way through the tree, which the next one would wait for, is latency."""
        return 0 * m - self._waits

    def arrivals(self, m: int, k: int, n: int) -> NDArray[np.int64]:
        i, j = np.arange(m)[:, None], np.arange(n)[None, :]
        rows, columns = self.granule
        result = (j // columns) * whole(m, rows) + i // rows
        cycles: NDArray[np.int64] = result * self._result_interval(k) + (self.pieces(k) - 1) * self.element.interval
        return cycles

    def reads(self, m: Sizes, n: Sizes) -> tuple[Sizes, Sizes]:
        rows, columns = self.granule
        return whole(m, rows), whole(n, columns)

    def partial_sums(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:  # noqa: ARG002 - sums stay in the units
        return 0 * m

    def _results(self, m: Sizes, n: Sizes) -> Sizes:
        """Results that each unit makes."""
        rows, columns = self.granule
        return whole(m, rows) * whole(n, columns)

    def _result_interval(self, k: Sizes) -> Sizes:
        return self.pieces(k) * self.element.interval + self._waits

    @property
    def _waits(self) -> int:
        """Cycles between one result's last step and the next one's first, when that may not begin earlier."""
        return 0 if self.double_buffered else self.levels
