"""The blocks of a loop nest by kind: first, last but one, last, or one in between along each loop.

Whatever is computed of a block depends on its own size, and on whether its neighbours in time are the same or another
one along each axis. So it is enough to compute it for one block of each kind, and to count these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.schedule.tiling import Axis, Bools, Ints, Tilings

REPEAT = "repeat"
"""The outermost loop: over the repetitions of a product."""

LOOPS = 4

Step = Callable[[Ints, Ints], Ints]
Wraps = Callable[[Ints, Ints], Bools]


@dataclass(frozen=True)
class Visits:
    """Blocks ``[tilings, kinds, kinds, kinds, kinds]``: the index of each along the loops, outermost first, and its number."""

    tilings: Tilings
    loops: tuple[str, ...]
    counts: tuple[Ints, ...]
    indices: tuple[Ints, ...]
    many: Ints

    def at(self, loop: str) -> Ints:
        """Index along a loop."""
        return self.indices[self.loops.index(loop)]

    def ends(self, loop: str) -> Bools:
        """Whether it is the last along a loop."""
        place = self.loops.index(loop)
        found: Bools = self.indices[place] == self.counts[place] - 1
        return found

    def size(self, axis: Axis) -> Ints:
        """Size along an axis."""
        return np.where(self.ends(axis), column(self.tilings.last(axis)), column(self.tilings.size(axis)))

    def start(self, axis: Axis) -> Ints:
        """Where it begins along an axis."""
        return self.at(axis) * column(self.tilings.size(axis))

    def of_k(self, bits: Callable[[Ints], Ints]) -> Ints:
        """Bits of an operand's block along ``k``; see :meth:`sim.schedule.tiling.Tilings.part`."""
        return self.tilings.part(bits, self.start("k"), self.size("k"))

    @property
    def first(self) -> Bools:
        """Whether nothing comes before it."""
        found: Bools = np.logical_and.reduce(np.broadcast_arrays(*(index == 0 for index in self.indices)))
        return found

    @property
    def last(self) -> Bools:
        """Whether nothing comes after it."""
        found: Bools = np.logical_and.reduce(np.broadcast_arrays(*(self.ends(loop) for loop in self.loops)))
        return found

    def following(self) -> "Visits":
        """The block after each; after the last comes the first."""
        return self._moved(
            lambda index, count: index == count - 1, lambda index, count: np.where(index == count - 1, 0, index + 1)
        )

    def preceding(self) -> "Visits":
        """The block before each; before the first comes the last."""
        return self._moved(lambda index, _: index == 0, lambda index, count: np.where(index == 0, count - 1, index - 1))

    def differs(self, other: "Visits", *loops: str) -> Bools:
        """Whether it is another block than the other along any of these loops."""
        found: Bools = np.logical_or.reduce(np.broadcast_arrays(*(self.at(loop) != other.at(loop) for loop in loops)))
        return found

    def total(self, values: Ints) -> Ints:
        """Sum ``[tilings]`` of something over all blocks."""
        summed: Ints = (self.many * values).sum(axis=tuple(range(1, 1 + len(self.loops))))
        return summed

    def _moved(self, wraps: Wraps, step: Step) -> "Visits":
        """One step along the innermost loop, which carries over to the next outer one where it wraps."""
        carry: Bools = np.ones((1,) * (1 + len(self.loops)), dtype=bool)
        indices = []
        for index, count in zip(reversed(self.indices), reversed(self.counts), strict=True):
            indices.append(np.where(carry, step(index, count), index))
            carry = carry & wraps(index, count)
        return Visits(self.tilings, self.loops, self.counts, tuple(reversed(indices)), self.many)


def visits(tilings: Tilings, order: Sequence[Axis]) -> Visits:
    """All kinds of blocks of tilings under one order of loops."""
    counts = [np.full(len(tilings.m), tilings.product.count), *(tilings.count(axis) for axis in order)]
    indices: list[Ints] = []
    many = column(np.ones(1, dtype=np.int64))
    for place, count in enumerate(counts):
        # With one block, it is the first; with two, the first and the last; only from four on is there one in between.
        occurs = np.stack([0 * count + 1, np.maximum(count - 3, 0), count >= 3, count >= 2], axis=1)
        kinds = occurs.any(axis=0)
        shape = [len(count), *(kinds.sum() if p == place else 1 for p in range(len(counts)))]
        indices.append(np.stack([0 * count, 0 * count + 1, count - 2, count - 1], axis=1)[:, kinds].reshape(shape))
        many = many * occurs[:, kinds].reshape(shape)
    return Visits(tilings, (REPEAT, *order), tuple(map(column, counts)), tuple(indices), many)


def column(values: NDArray[np.generic]) -> Ints:
    """Values ``[tilings]`` in a shape that broadcasts with visits."""
    return values.reshape(-1, *(1,) * LOOPS)  # type: ignore[return-value]
