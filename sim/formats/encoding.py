"""Arrays of real numbers become codes: the fast twin of ``rounding.encode_one``.

Rounding is monotone, so that a number's code follows from how many thresholds lie below it. Numbers and thresholds are
compared as integers in the order of the float64 numbers, so that each threshold is exact and -0 lies below 0.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, choose, demand
from sim.formats.format import Format
from sim.formats.rounding import ROUNDINGS, encode_one, points_of
from sim.kernels.ladder import Ladder, ladder_codes, ladder_of, ordered

ONE = np.ones((1, 1))


@lru_cache(maxsize=256)
def _rungs(format_: Format, rounding: str, saturate: bool) -> tuple[NDArray[np.float64], NDArray[np.uint16], NDArray[np.int64]]:
    """What numbers are rounded to, ascending, the code of each, and the thresholds between them.

    -0 has a place before 0 where a format has it.
    """
    points, point_codes = points_of(format_, rounding, saturate)
    codes = np.array(point_codes, dtype=np.uint16)
    reals = np.array(points, dtype=np.float64) * 2.0**format_.lsb
    lower, upper = reals[:-1], reals[1:]
    thresholds = _from(upper) if rounding == "stochastic" else _midway(format_, reals)
    if rounding == "toward_zero":
        thresholds = np.where(lower >= 0, _from(upper), np.where(upper <= 0, ordered(lower), thresholds))
    negative_zero = format_.special_code(-0.0)
    if negative_zero is not None:
        zero = np.searchsorted(reals, 0.0)
        reals, codes = np.insert(reals, zero, 0.0), np.insert(codes, zero, negative_zero)
        thresholds = np.insert(thresholds, zero, ordered(np.array(-0.0)))
    return reals, codes, thresholds


@lru_cache(maxsize=256)
def ladder(format_: Format, rounding: str = "nearest_even", saturate: bool = True) -> Ladder:
    """Codes by the thresholds between them; of stochastic rounding, places of the lower neighbours."""
    reals, codes, thresholds = _rungs(format_, rounding, saturate)
    return ladder_of(thresholds, np.arange(len(reals)) if rounding == "stochastic" else codes)


def _from(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Thresholds that the numbers themselves, 0 of either sign, just pass."""
    return ordered(np.where(numbers == 0, -0.0, numbers)) - 1


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
    return np.where(passed, _from(total / 2), ordered(total / 2))


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
    stochastic = rounding == "stochastic"
    codes = np.empty(flat.shape, np.int64 if stochastic else np.uint16)
    row, its_codes = flat.reshape(1, -1), codes.reshape(1, -1)
    finite = flat.size == 0 or ladder_codes(row, ONE, None, 0, ladder(format_, rounding, saturate), its_codes)
    if stochastic:
        codes = _drawn(flat, codes, _rungs(format_, rounding, saturate), seed)
    if not finite:
        for number in (np.nan, np.inf, -np.inf):
            chosen = np.isnan(flat) if np.isnan(number) else flat == number
            if chosen.any():
                codes[chosen] = encode_one(format_, number, rounding, saturate)
    if not saturate and not format_.signed:
        codes[flat <= 0 if format_.smallest > 0 else flat < 0] = encode_one(format_, -1.0, rounding, saturate)
    return codes.reshape(reals.shape)


def _drawn(
    numbers: NDArray[np.float64],
    places: NDArray[np.int64],
    rungs: tuple[NDArray[np.float64], NDArray[np.uint16], NDArray[np.int64]],
    seed: int | None,
) -> NDArray[np.uint16]:
    """Codes of the lower neighbour or the one above it, by the numbers' place between them."""
    if type(seed) is not int or seed < 0:
        raise InputError(f"stochastic rounding needs the seed of its draws, an integer of at least 0, not {seed}")
    points, codes, _ = rungs
    draws = np.random.default_rng(seed).random(numbers.shape)
    steps = np.diff(points, append=points[-1])
    below = np.clip(numbers, points[0], points[-1]) - points[places]
    chosen: NDArray[np.uint16] = codes[places + (draws * steps[places] < below)]
    return chosen


def round_to(
    format_: Format, numbers: ArrayLike, rounding: str = "nearest_even", saturate: bool = True, seed: int | None = None
) -> NDArray[np.float64]:
    """The numbers that the codes of :func:`encode` stand for."""
    return format_.to_real(encode(format_, numbers, rounding, saturate, seed))
