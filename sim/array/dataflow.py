"""What all dataflows have in common: an array of PEs, how much of a product it takes at once, and when results leave.

The array has ``rows`` x ``columns`` PEs. A PE takes a pair of operands every ``interval`` cycles; an operand of
``lanes`` activations and weights is so many numbers side by side, each activation times each weight. Operands move from
PE to PE in registers. What the array does between loading what stays in it and its last product of that is a fold.

A cycle is an index that counts from 0, the cycle in which the first operand is at the array's inputs. A number of
cycles is a count.

Sizes ``m, k, n`` may be integers or arrays of them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim import epilogue
from sim.pe import Element

Sizes = TypeVar("Sizes", int, NDArray[np.int64])


def whole(size: Sizes, step: int) -> Sizes:
    """How many steps cover a size."""
    return -(-size // step)


def larger(size: Sizes, least: int) -> Sizes:
    """The size, or what it is at least."""
    result: Sizes = np.maximum(size, least)
    return result


@dataclass(frozen=True)
class Dataflow(ABC):
    """The order in which an array computes a product, in closed form; the fields are those of a design point."""

    rows: int
    columns: int
    group_size: int
    double_buffered: bool
    element: Element

    keeps_order: ClassVar[bool]
    """Whether a group's products are added up in the order of ``k``, one after the other."""

    keeps_sums: ClassVar[bool]
    """Whether a group's sum stays in one place until it is complete."""

    @property
    @abstractmethod
    def granule(self) -> tuple[int, int]:
        """Rows ``m`` and columns ``n`` of results that the array works on at once; a tile has a multiple of each."""

    @property
    @abstractmethod
    def sum_latency(self) -> int:
        """Cycles from a pair of operands at its PE to the group sum, which contains it, at the epilogue."""

    @abstractmethod
    def work(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        """Cycles from the first operand of a product to that of the next product, operands at hand."""

    @abstractmethod
    def steady(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        """Cycles of a product in which operands arrive: what there would be without loads, skew and waiting."""

    @abstractmethod
    def once(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        """Cycles that are left of the last product when its :meth:`work` has passed, up to its last accumulation."""

    @abstractmethod
    def arrivals(self, m: int, k: int, n: int) -> NDArray[np.int64]:
        """The cycle ``[m, n]`` in which the last pair of operands of each result is at its PE."""

    @abstractmethod
    def reads(self, m: Sizes, n: Sizes) -> tuple[Sizes, Sizes]:
        """How often the weights of a block are read from their scratchpad, by its rows ``m``; and its activations, by ``n``."""

    @abstractmethod
    def partial_sums(self, m: Sizes, k: Sizes, n: Sizes) -> Sizes:
        """Sums of folds that are written to the output scratchpad because they are not yet sums of a group."""

    @property
    def result_latency(self) -> int:
        """Cycles from the last pair of operands at its PE to the finished result."""
        return self.sum_latency + epilogue.LATENCY

    def compute_cycles(self, m: int, k: int, n: int) -> int:
        """Cycles of a product with every operand at hand, from the first operand to the last accumulation."""
        return int(self.work(m, k, n) + self.once(m, k, n))

    @property
    def drain_cycles(self) -> int:
        """Cycles from the last accumulation to the last result."""
        return self.result_latency + 1 - self.element.interval

    def result_cycles(self, m: int, k: int, n: int) -> NDArray[np.int64]:
        """The cycle ``[m, n]`` in which each result is valid."""
        return self.arrivals(m, k, n) + self.result_latency

    def groups(self, k: Sizes) -> tuple[Sizes, Sizes]:
        """How many whole groups a reduction has, and the length of the short one after them, or 0."""
        return k // self.group_size, k % self.group_size

    def pieces(self, k: Sizes) -> Sizes:
        """Pieces of a reduction of at most ``rows`` each, none of which is shared by two groups."""
        full, rest = self.groups(k)
        return full * whole(self.group_size, self.rows) + whole(rest, self.rows)


def group_lengths(group_size: int, k: int) -> list[int]:
    """Lengths of the groups of a reduction of length ``k``; the last one may be short."""
    full, rest = divmod(k, group_size)
    return [group_size] * full + ([rest] if rest else [])
