"""The best tiling of a product, over all legal tilings and orders of loops: fewest cycles, then least energy.

Cycles that differ by less than one part in ``RESOLUTION`` are taken as equal: a smaller first block would otherwise save
some dozens of cycles of millions at several times the DRAM's traffic.

Nothing of what :mod:`sim.schedule.tiling` calls legal is left out. Tilings are tried in the order of a bound
(:mod:`sim.schedule.bounds`), first of their cycles and then of their energy, and those whose bound exceeds what has been
found cannot be better.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.memory import Prices
from sim.schedule.bounds import Bounds, totals
from sim.schedule.pipeline import Pipeline, pipeline
from sim.schedule.tiling import ORDERS, Axis, Bools, Ints, Tilings

RESOLUTION = 1000
LARGEST = int(np.iinfo(np.int64).max)

FIRST_CHUNK, LARGEST_CHUNK = 16, 256
"""Tilings that are computed at once: few where the first ones are the best, more where many must be tried."""


@dataclass(frozen=True)
class Found:
    """A tiling, its order of loops, and what it takes, each with one entry."""

    tilings: Tilings
    order: tuple[Axis, ...]
    taken: Pipeline


def best_tiling(legal: Tilings, prices: Prices) -> Found:
    """The legal tiling whose memory traffic takes the least energy [pJ] of those with the fewest cycles."""
    sums = totals(legal)
    bounds = [Bounds(legal, order, sums) for order in ORDERS]
    limit = _fewest_cycles(bounds) * (RESOLUTION + 1) // RESOLUTION
    best: Candidates | None = None
    for tried in _ranked((b, b.energy(prices), b.distinct & (b.cycles <= limit)) for b in bounds):
        if best is not None and tried.least >= best.least:
            break
        enough = np.flatnonzero(pipeline(tried.tilings, tried.order).cycles <= limit)
        if len(enough) and (best is None or tried.ranks[enough[0]] < best.least):
            best = tried.chosen(enough[:1])
    assert best is not None, "a tiling with the fewest cycles is within the limit"
    return Found(best.tilings, best.order, pipeline(best.tilings, best.order))


def _fewest_cycles(bounds: Sequence[Bounds]) -> int:
    fewest = LARGEST
    for b in bounds:
        # A first guess under each order, so that few are left to be put into the order of their bounds.
        promising = np.array([np.where(b.distinct, b.cycles, LARGEST).argmin()])
        if b.distinct[promising]:
            fewest = min(fewest, int(pipeline(b.tilings.chosen(promising), b.order).cycles[0]))
    for tried in _ranked((b, b.cycles, b.distinct & (b.cycles < fewest)) for b in bounds):
        if tried.least >= fewest:
            break
        fewest = min(fewest, int(pipeline(tried.tilings, tried.order).cycles.min()))
    return fewest


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
