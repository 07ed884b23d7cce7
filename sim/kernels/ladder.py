"""Codes of formats that are tables: a number's code follows from how many ascending thresholds lie below it.

Numbers and thresholds are compared as integers in the order of the float64 numbers, so that each threshold is exact and -0
lies below 0. The first bits of a number say how many thresholds are below all numbers with these bits; only the few that
begin with them too are compared with it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiled import compiled
from sim.kernels.rows import spans_of

MAGNITUDE = np.int64(2**63 - 1)
"""All bits of float64 but the sign: those that turn in a negative number, read as an integer, so that integers order floats."""

EXPONENT = np.int64(0x7FF << 52)
TABLE = 1 << 16
"""Entries of the table of first bits at most; numbers of one scale need a few hundred of them, which a near cache holds."""

BLOCK = 256
"""Numbers that take each step together: without a branch on the comparison this becomes vector code."""


@dataclass(frozen=True, eq=False)
class Ladder:
    """``codes`` of what lies between ascending ``thresholds``, one more than those.

    ``first[b]`` thresholds are below all numbers whose bits begin with ``low + b``, which is what remains of them after a
    ``shift`` to the right; further ones, below ``2**steps``, are found by bisection. ``thresholds`` are filled up so that
    this may look beyond the last one.
    """

    codes: NDArray[np.generic]
    thresholds: NDArray[np.int64]
    first: NDArray[np.uint32]
    low: int
    shift: int
    steps: int

    @property
    def arrays(self) -> tuple[Any, ...]:
        """As the compiled functions take it."""
        return self.codes, self.thresholds, self.first, np.int64(self.low), np.int64(self.shift), self.steps


def ladder_of(thresholds: NDArray[np.int64], codes: NDArray[np.generic]) -> Ladder:
    """A ladder of thresholds as :func:`ordered` has them."""
    thresholds = thresholds if len(thresholds) else np.array([MAGNITUDE])  # which no number passes
    shift, most = _shift(thresholds)
    starts = thresholds >> shift
    low, high = int(starts[0]), int(starts[-1])
    steps = most.bit_length()
    first = np.searchsorted(starts, np.arange(low, high + 1)).astype(np.uint32)
    filled = np.concatenate([thresholds, np.full(1 << steps, MAGNITUDE)])
    return Ladder(codes, filled, first, low, shift, steps)


def _shift(thresholds: NDArray[np.int64]) -> tuple[int, int]:
    """The widest shift that leaves no two thresholds the same, else the least that the table allows; how many it leaves."""
    shift = 63
    while True:
        starts = thresholds >> shift
        most = int(np.unique(starts, return_counts=True)[1].max())
        if most == 1 or shift == 0 or (int(thresholds[-1]) >> shift - 1) - (int(thresholds[0]) >> shift - 1) >= TABLE:
            return shift, most
        shift -= 1


def ordered(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integers in the order of the numbers, neighbours one apart: thresholds that the numbers themselves do not pass."""
    bits = numbers.view(np.int64)
    return bits ^ ((bits >> 63) & MAGNITUDE)


def ladder_codes(
    numbers: NDArray[np.floating],
    scales: NDArray[np.floating],
    minima: NDArray[np.float64] | None,
    group_size: int,
    ladder: Ladder,
    codes: NDArray[np.generic],
) -> bool:
    """Into ``codes [rows, columns]``: those of ``(number - minimum) / scale`` in float64; whether all quotients are finite.

    Scales and minima have, along each axis, one for all, one for each index, or one for each group; raises ``InputError``
    for another shape.
    """
    spans = spans_of(scales.shape, numbers.shape, group_size)
    offsets = np.zeros_like(scales) if minima is None else minima
    return bool(_codes(numbers, scales, offsets, *spans, ladder.arrays, codes))


@compiled
def _codes(numbers, scales, minima, high, wide, ladder, codes):  # type: ignore[no-untyped-def]
    finite = True
    quotients, found = np.empty(BLOCK, np.float64), np.empty(BLOCK, np.uint32)
    for row in range(len(numbers)):
        line = row // high
        if wide == 1:
            finite &= codes_each(numbers[row], scales[line], minima[line], ladder, quotients, found, codes[row])
            continue
        for part in range(scales.shape[1]):
            some, its_codes = numbers[row, part * wide : (part + 1) * wide], codes[row, part * wide : (part + 1) * wide]
            finite &= _codes_all(some, scales[line, part], minima[line, part], ladder, quotients, found, its_codes)
    return finite


@compiled
def _codes_all(numbers, scale, minimum, ladder, quotients, found, codes):  # type: ignore[no-untyped-def]
    """Of numbers that share a scale."""
    finite = True
    for start in range(0, len(numbers), BLOCK):
        some = numbers[start : start + BLOCK]
        for i in range(len(some)):
            quotients[i] = (np.float64(some[i]) - minimum) / scale
        finite &= _search(ladder, quotients, found, codes[start : start + BLOCK])
    return finite


@compiled
def codes_each(numbers, scales, minima, ladder, quotients, found, codes):  # type: ignore[no-untyped-def]
    """Of numbers with a scale each; ``quotients`` and ``found`` have room for a block."""
    finite = True
    for start in range(0, len(numbers), BLOCK):
        some, its_scales = numbers[start : start + BLOCK], scales[start : start + BLOCK]
        its_minima = minima[start : start + BLOCK]
        for i in range(len(some)):
            quotients[i] = (np.float64(some[i]) - its_minima[i]) / its_scales[i]
        finite &= _search(ladder, quotients, found, codes[start : start + BLOCK])
    return finite


@compiled
def _search(ladder, quotients, found, codes):  # type: ignore[no-untyped-def]
    """The codes of the first of the quotients, which are lost; whether all are finite."""
    of_place, thresholds, first, low, shift, steps = ladder
    keys, finite, last = quotients.view(np.int64), np.int64(1), np.int64(len(first) - 1)
    for i in range(len(codes)):
        number = keys[i]
        finite &= np.int64((number & EXPONENT) != EXPONENT)
        key = number ^ ((number >> 63) & MAGNITUDE)
        keys[i] = key
        found[i] = first[np.uint64(min(max((key >> shift) - low, np.int64(0)), last))]
    for step in range(steps - 1, -1, -1):
        reach = np.uint32(1 << step)
        for i in range(len(codes)):
            place = found[i]
            found[i] = place + reach * np.uint32(keys[i] > thresholds[place + reach - np.uint32(1)])
    for i in range(len(codes)):
        codes[i] = of_place[found[i]]
    return finite != 0
