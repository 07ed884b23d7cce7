"""Arrays of real numbers become codes: the fast twin of ``rounding.encode_one``.

Rounding is monotone, so that a number's code follows from how many thresholds lie below it. Numbers and thresholds are
compared as integers in the order of the float64 numbers, so that each threshold is exact and -0 lies below 0.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, choose, demand
from sim.formats.format import Format
from sim.formats.rounding import ROUNDINGS, encode_one, points_of

_MAGNITUDE = np.int64(2**63 - 1)
_EXPONENT = np.int64(0x7FF << 52)
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class _Ladder:
    """What numbers are rounded to, ascending, with the code of each; number ``i`` of the ``thresholds`` lies before ``i + 1``.

    -0 has a place before 0 where a format has it. ``thresholds`` are filled up to ``2**n - 1``.
    """

    points: NDArray[np.float64]
    codes: NDArray[np.uint16]
    thresholds: NDArray[np.int64]


@lru_cache(maxsize=256)
def _ladder(format_: Format, rounding: str, saturate: bool) -> _Ladder:
    points, point_codes = points_of(format_, rounding, saturate)
    codes = np.array(point_codes, dtype=np.uint16)
    reals = np.array(points, dtype=np.float64) * 2.0**format_.lsb
    lower, upper = reals[:-1], reals[1:]
    thresholds = _from(upper) if rounding == "stochastic" else _midway(format_, reals)
    if rounding == "toward_zero":
        thresholds = np.where(lower >= 0, _from(upper), np.where(upper <= 0, _ordered(lower), thresholds))
    negative_zero = format_.special_code(-0.0)
    if negative_zero is not None:
        zero = np.searchsorted(reals, 0.0)
        reals, codes = np.insert(reals, zero, 0.0), np.insert(codes, zero, negative_zero)
        thresholds = np.insert(thresholds, zero, _ordered(np.array(-0.0)))
    filled = np.full((1 << len(thresholds).bit_length()) - 1, _MAGNITUDE)
    filled[: len(thresholds)] = thresholds
    return _Ladder(reals, codes, filled)


def _ordered(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integers in the order of the numbers, neighbours one apart: thresholds that the numbers themselves do not pass."""
    bits = numbers.view(np.int64)
    return bits ^ ((bits >> 63) & _MAGNITUDE)


def _from(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Thresholds that the numbers themselves, 0 of either sign, just pass."""
    return _ordered(np.where(numbers == 0, -0.0, numbers)) - 1


def _midway(format_: Format, reals: NDArray[np.float64]) -> NDArray[np.int64]:
    """Thresholds midway between neighbours; a tie goes as the definition says, always up at 0."""
    lower, upper = reals[:-1], reals[1:]
    total = lower + upper
    added = total - lower
    error = (lower - (total - added)) + (upper - added)  # total + error is the exact sum (Knuth, TwoSum)
    tie_up = (np.arange(len(lower)) - np.searchsorted(reals, 0.0)) % 2 == 1
    if format_.significand_bits == 1:
        tie_up = np.where((lower > 0) | (upper < 0), lower > 0, tie_up)
    passed = (error < 0) | ((error == 0) & tie_up)
    return np.where(passed, _from(total / 2), _ordered(total / 2))


def encode(
    format_: Format, numbers: ArrayLike, rounding: str = "nearest_even", saturate: bool = True, seed: int | None = None
) -> NDArray[np.uint16]:
    """Codes of an array of numbers of any shape, taken as float64, as :func:`encode_one` has them.

    Stochastic rounding draws from numpy's default generator of the given seed, in the order of the array; the draw
    is compared in float64. Raises ``InputError`` as :func:`encode_one` does, and for stochastic rounding without a seed.
    """
    demand("format", format_, Format)
    choose("rounding", rounding, ROUNDINGS)
    reals = np.asarray(numbers, dtype=np.float64)
    flat = np.ascontiguousarray(reals).reshape(-1)
    ladder = _ladder(format_, rounding, saturate)
    indices = np.empty(flat.shape, dtype=np.int32)
    finite = _search(flat.view(np.int64), ladder.thresholds, indices)
    if rounding == "stochastic":
        if type(seed) is not int or seed < 0:
            raise InputError(f"stochastic rounding needs the seed of its draws, an integer of at least 0, not {seed}")
        draws = np.random.default_rng(seed).random(flat.shape)
        steps = np.diff(ladder.points, append=ladder.points[-1])
        below = np.clip(flat, ladder.points[0], ladder.points[-1]) - ladder.points[indices]
        indices += draws * steps[indices] < below
    codes = ladder.codes[indices]
    if not finite:
        for number in (np.nan, np.inf, -np.inf):
            chosen = np.isnan(flat) if np.isnan(number) else flat == number
            if chosen.any():
                codes[chosen] = encode_one(format_, number, rounding, saturate)
    if not saturate and not format_.signed:
        codes[flat <= 0 if format_.smallest > 0 else flat < 0] = encode_one(format_, -1.0, rounding, saturate)
    return codes.reshape(reals.shape)


def round_to(
    format_: Format, numbers: ArrayLike, rounding: str = "nearest_even", saturate: bool = True, seed: int | None = None
) -> NDArray[np.float64]:
    """The numbers that the codes of :func:`encode` stand for."""
    return format_.to_real(encode(format_, numbers, rounding, saturate, seed))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _search(bits: Any, thresholds: Any, indices: Any) -> bool:
    """How many of ``2**n - 1`` ascending thresholds lie below each float64 number; whether all numbers are finite.

    A block takes each step of the bisection together: without a branch on the comparison this becomes vector code.
    """
    finite = True
    ordered = np.empty(_BLOCK, np.int64)
    found = np.empty(_BLOCK, np.uint32)
    for start in range(0, bits.size, _BLOCK):
        count = min(_BLOCK, bits.size - start)
        for i in range(count):
            number = bits[start + i]
            finite &= (number & _EXPONENT) != _EXPONENT
            ordered[i] = number ^ ((number >> 63) & _MAGNITUDE)
            found[i] = 0
        step = (thresholds.size + 1) >> 1
        while step:
            for i in range(count):
                index = found[i]
                found[i] = index + np.uint32(step) * np.uint32(ordered[i] > thresholds[index + np.uint32(step - 1)])
            step >>= 1
        for i in range(count):
            indices[start + i] = found[i]
    return finite
