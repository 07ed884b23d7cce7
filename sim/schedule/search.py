"""The best tiling of a product, over all legal tilings and orders of loops: fewest cycles, then least energy.

Cycles that differ by less than one part in ``RESOLUTION`` are taken as equal: a smaller first block would otherwise save
some dozens of cycles of millions at several times the DRAM's traffic.

Nothing of what :mod:`sim.schedule.tiling` calls legal is left out. Whatever the size of the blocks, a bound follows from
their numbers, and sizes for which that is too high cannot be better. The others are tried in the order of a bound
(:mod:`sim.schedule.bounds`), first of their cycles and then of their energy, and those whose bound exceeds what has been
found cannot be better.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.memory import Prices
from sim.schedule.bounds import Bounds, Totals, least_totals, totals
from sim.schedule.pipeline import Pipeline, pipeline
from sim.schedule.tiling import ORDERS, Axis, Bools, Ints, Tilings, size_counts, with_all_sizes

RESOLUTION = 1000
LARGEST = int(np.iinfo(np.int64).max)

FIRST_CHUNK, LARGEST_CHUNK = 16, 256
"""Tilings that are computed at once: few where the first ones are the best, more where many must be tried."""


AT_ONCE = 1 << 18
"""Tilings that are bounded at once, for the memory that this takes."""


@dataclass(frozen=True)
class Found:
    """A tiling, its order of loops, and what it takes, each with one entry."""

    tilings: Tilings
    order: tuple[Axis, ...]
    taken: Pipeline


def best_tiling(smallest: Tilings, prices: Prices) -> Found:
    """The legal tiling whose memory traffic takes the least energy [pJ] of those with the fewest cycles.

    ``smallest``: :func:`sim.schedule.tiling.smallest_tilings`. They are searched first, and then the larger sizes with those
    numbers of blocks that could be better.
    """
    sums = totals(smallest)
    exact = _bounds(smallest, sums)
    least = _bounds(smallest, least_totals(smallest, sums))
    fewest = _fewest_cycles(exact, LARGEST)
    for larger in _larger(smallest, [b.distinct & (b.cycles < fewest) for b in least]):
        fewest = _fewest_cycles(_bounds(larger, totals(larger)), fewest)
    limit = fewest * (RESOLUTION + 1) // RESOLUTION
    best = _least_energy(exact, prices, limit, None)
    enough = math.inf if best is None else best.least
    for larger in _larger(smallest, [b.distinct & (b.cycles <= limit) & (b.energy(prices) < enough) for b in least]):
        best = _least_energy(_bounds(larger, totals(larger)), prices, limit, best)
    assert best is not None, "a tiling with the fewest cycles is within the limit"
    return Found(best.tilings, best.order, pipeline(best.tilings, best.order))


def _bounds(tilings: Tilings, sums: Totals) -> list[Bounds]:
    return [Bounds(tilings, order, sums) for order in ORDERS]


def _larger(smallest: Tilings, promising: Sequence[Bools]) -> Iterator[Tilings]:
    """All sizes with those numbers of blocks that are promising under any order, some at a time."""
    chosen = smallest.chosen(np.flatnonzero(np.logical_or.reduce(promising)))
    sizes = size_counts(chosen, "m") * size_counts(chosen, "k") * size_counts(chosen, "n")
    chosen, sizes = chosen.chosen(np.flatnonzero(sizes > 1)), sizes[sizes > 1]
    parts = sizes.cumsum() // AT_ONCE
    for part in np.unique(parts):
        yield with_all_sizes(chosen.chosen(np.flatnonzero(parts == part)))


def _fewest_cycles(bounds: Sequence[Bounds], fewest: int) -> int:
    """The fewest cycles, if they are fewer than those found before."""
    for b in bounds:
        # A first guess under each order, so that few are left to be put into the order of their bounds.
        promising = np.array([np.where(b.distinct, b.cycles, LARGEST).argmin()])
        if b.distinct[promising] and b.cycles[promising] < fewest:
            fewest = min(fewest, int(pipeline(b.tilings.chosen(promising), b.order).cycles[0]))
    for tried in _ranked((b, b.cycles, b.distinct & (b.cycles < fewest)) for b in bounds):
        if tried.least >= fewest:
            break
        fewest = min(fewest, int(pipeline(tried.tilings, tried.order).cycles.min()))
    return fewest


def _least_energy(bounds: Sequence[Bounds], prices: Prices, limit: int, best: "Candidates | None") -> "Candidates | None":
    """The one of least energy within that limit of cycles, if it is less than that found before."""
    enough = math.inf if best is None else best.least
    energies = [(b, b.energy(prices)) for b in bounds]
    for tried in _ranked((b, energy, b.distinct & (b.cycles <= limit) & (energy < enough)) for b, energy in energies):
        if best is not None and tried.least >= best.least:
            break
        fast = np.flatnonzero(pipeline(tried.tilings, tried.order).cycles <= limit)
        if len(fast) and (best is None or tried.ranks[fast[0]] < best.least):
            best = tried.chosen(fast[:1])
    return best


@dataclass(frozen=True)
class Candidates:
    """Tilings that share an order of loops, with their ranks ``[tilings]``, the least first."""

    tilings: Tilings
    order: tuple[Axis, ...]
    ranks: NDArray[Any]

    @property
    def least(self) -> float:
        least: float = self.ranks[0].item()
        return least

    def chosen(self, which: Ints) -> "Candidates":
        """Some of them."""
        return Candidates(self.tilings.chosen(which), self.order, self.ranks[which])


def _ranked(ranks: Iterable[tuple[Bounds, NDArray[Any], Bools]]) -> Iterator[Candidates]:
    """All tilings that may be tried, under all orders: chunks in the order of the least rank in each."""
    chunks = []
    for b, values, tried in ranks:
        places = np.flatnonzero(tried)
        places = places[np.lexsort((b.cycles[places], values[places]))]
        start, size = 0, FIRST_CHUNK
        while start < len(places):
            chunks.append((b, values, places[start : start + size]))
            start, size = start + size, min(2 * size, LARGEST_CHUNK)
    for b, values, part in sorted(chunks, key=lambda chunk: chunk[1][chunk[2][0]]):
        yield Candidates(b.tilings.chosen(part), tuple(b.order), values[part])
