"""Arrays of real numbers become codes: the fast twin of ``rounding.encode_one``.

A number's code is found by bisection among the points that it may be rounded to, or among their midpoints; both are
float64 numbers exactly, as a format's significands are at most 52 bits wide.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, choose
from sim.formats.format import Format
from sim.formats.rounding import ROUNDINGS, infinity_code, nan_code, origin_of, points_of


@dataclass(frozen=True, eq=False)
class _Ladder:
    """The points of :func:`_points` as arrays, the midpoints between them, and whether each point is an even one."""

    points: NDArray[np.float64]
    midpoints: NDArray[np.float64]
    even: NDArray[np.bool_]
    codes: NDArray[np.uint16]


@lru_cache(maxsize=256)
def _ladder(format_: Format, saturate: bool) -> _Ladder:
    exact, codes = points_of(format_, saturate)
    midpoints = [(low + high) / 2 for low, high in pairwise(exact)]
    even = (np.arange(len(exact)) - origin_of(exact)) % 2 == 0
    return _Ladder(
        np.array([float(p) for p in exact]), np.array([float(p) for p in midpoints]), even, np.array(codes, dtype=np.uint16)
    )


def encode(
    format_: Format, numbers: ArrayLike, rounding: str = "nearest_even", saturate: bool = True, seed: int | None = None
) -> NDArray[np.uint16]:
    """Codes of an array of numbers of any shape, as :func:`encode_one` has them.

    Stochastic rounding draws from numpy's default generator of the given seed, in the order of the array; the draw
    is compared in float64. Raises ``InputError`` as :func:`encode_one` does, and for stochastic rounding without a seed.
    """
    choose("rounding", rounding, ROUNDINGS)
    reals = np.ascontiguousarray(numbers, dtype=np.float64)
    flat = reals.reshape(-1)
    ladder = _ladder(format_, saturate)
    indices = np.empty(flat.shape, dtype=np.int32)
    if rounding == "stochastic":
        if seed is None:
            raise InputError("stochastic rounding needs the seed of its draws, an integer, not None")
        draws = np.random.default_rng(seed).random(flat.shape)
        _stochastic(flat, ladder.points, draws, indices)
    elif rounding == "toward_zero":
        _toward_zero(flat, ladder.points, indices)
    else:
        _nearest_even(flat, ladder.midpoints, ladder.even, indices)
    codes = ladder.codes[indices]
    _put_special(format_, flat, codes, saturate)
    return codes.reshape(reals.shape)


def _put_special(format_: Format, flat: NDArray[np.float64], codes: NDArray[np.uint16], saturate: bool) -> None:
    negative_zero = format_.special_code(-0.0)
    if negative_zero is not None:
        codes[(codes == format_.values.index(0)) & np.signbit(flat)] = negative_zero
    finite = np.isfinite(flat)
    if finite.all():
        return
    for chosen, code in (
        (np.isnan(flat), lambda: nan_code(format_)),
        (flat == np.inf, lambda: infinity_code(format_, True, saturate)),
        (flat == -np.inf, lambda: infinity_code(format_, False, saturate)),
    ):
        if chosen.any():
            codes[chosen] = code()


def round_to(
    format_: Format, numbers: ArrayLike, rounding: str = "nearest_even", saturate: bool = True, seed: int | None = None
) -> NDArray[np.float64]:
    """The numbers that the codes of :func:`encode` stand for."""
    return format_.to_real(encode(format_, numbers, rounding, saturate, seed))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _nearest_even(numbers: Any, midpoints: Any, even: Any, indices: Any) -> None:
    for i in range(numbers.size):
        number = numbers[i]
        index = np.searchsorted(midpoints, number)
        if index < midpoints.size and midpoints[index] == number and not even[index]:
            index += 1
        indices[i] = index


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _toward_zero(numbers: Any, points: Any, indices: Any) -> None:
    last = points.size - 1
    for i in range(numbers.size):
        number = numbers[i]
        if number >= 0:
            indices[i] = max(np.searchsorted(points, number, side="right") - 1, 0)
        else:
            indices[i] = min(np.searchsorted(points, number), last)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _stochastic(numbers: Any, points: Any, draws: Any, indices: Any) -> None:
    last = points.size - 1
    for i in range(numbers.size):
        number = numbers[i]
        lower = min(max(np.searchsorted(points, number, side="right") - 1, 0), last)
        upper = min(lower + 1, last)
        step = points[upper] - points[lower]
        indices[i] = upper if draws[i] * step < number - points[lower] else lower
