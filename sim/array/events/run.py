"""What a machine hands over, and how those that sum across PEs cut up the reduction."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class Run:
    """``group_sums[groups, m, n]``; the cycle ``[m, n]`` in which each result's last group sum is at the epilogue.

    ``busy[rows, columns]`` and ``last_accumulation`` as in :class:`sim.array.events.ArrayEvents`; how often each hazard was
    met, by what it is called.
    """

    group_sums: NDArray[np.int64]
    sum_cycles: NDArray[np.int64]
    busy: NDArray[np.int64]
    last_accumulation: int
    hazards: Mapping[str, int]


@njit(cache=True)
def pieces(k, group_size, rows):  # type: ignore[no-untyped-def]
    """Cut ``k`` into pieces of ``rows`` that do not reach across groups: where each begins, and how long it is."""
    starts = np.zeros(k, np.int64)
    lengths = np.zeros(k, np.int64)
    count, place = 0, 0
    while place < k:
        end = min(place + rows, (place // group_size + 1) * group_size, k)
        starts[count], lengths[count] = place, end - place
        count, place = count + 1, end
    return starts[:count], lengths[:count]
