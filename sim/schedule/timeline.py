"""A product block after block: when each is loaded, computed and stored. For looking at; cycles are counted elsewhere."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.design import DesignPoint
from sim.schedule.pipeline import array_traffic, cycles_alone, loads_of, overlap, stores_of
from sim.schedule.products import ProductCycles
from sim.schedule.tiling import Tilings
from sim.schedule.visits import REPEAT, Visits, column

Lane = Literal["load", "compute", "store"]


@dataclass(frozen=True)
class Interval:
    """One block in one lane, from cycle ``start`` up to, not including, cycle ``end``."""

    lane: Lane
    block: int
    start: int
    end: int


def timeline(design: DesignPoint, run: ProductCycles, blocks: int) -> tuple[Interval, ...]:
    """The first ``blocks`` blocks of a product in time, from the beginning of its first load.

    While a block is computed, the one before is stored, and then the next one is loaded, as totals of the one may take the
    place of the other's. The last block of all is followed by its store.
    """
    d = design.seen_by(run.product.kind, run.product.weight_format)
    now = _in_order(d, run, blocks)
    during = overlap(now, array_traffic(now))
    lengths = [_flat(now, values).tolist() for values in (during.work, during.load, during.store, during.cycles)]
    first = int(_flat(now, cycles_alone(d, loads_of(now, now.preceding())))[0])
    last = int(_flat(now, cycles_alone(d, stores_of(now, now.following())))[-1])
    found = [Interval("load", 0, 0, first)]
    clock = first
    for block, (work, load, store, cycles) in enumerate(zip(*lengths, strict=True)):
        found.append(Interval("compute", block, clock, clock + work))
        found.append(Interval("store", block - 1, clock, clock + store))
        found.append(Interval("load", block + 1, clock + store, clock + store + load))
        clock += cycles
    if bool(_flat(now, now.last)[-1]):
        found.append(Interval("store", len(lengths[0]) - 1, clock, clock + last))
    return tuple(interval for interval in found if interval.end > interval.start)


def _in_order(d: DesignPoint, run: ProductCycles, blocks: int) -> Visits:
    """The first blocks as visits, along the innermost of the kinds' axes."""
    p, b = run.product, run.blocking
    tilings = Tilings(d, p, np.array([b.m]), np.array([b.k]), np.array([b.n]))
    counts = [p.count, *(int(tilings.count(axis)[0]) for axis in b.order)]
    places = np.unravel_index(np.arange(min(blocks, int(np.prod(counts)))), counts)
    indices = tuple(place.astype(np.int64).reshape(1, 1, 1, 1, -1) for place in places)
    many = column(np.ones(1, dtype=np.int64))
    return Visits(tilings, (REPEAT, *b.order), tuple(column(np.array([count])) for count in counts), indices, many)


def _flat(now: Visits, values: "np.ndarray") -> "np.ndarray":
    return np.broadcast_to(values, np.broadcast_shapes(values.shape, *(index.shape for index in now.indices))).ravel()
