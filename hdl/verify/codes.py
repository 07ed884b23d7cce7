"""Codes of a format that are worth trying."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.formats import Format

Codes = NDArray[np.int64]


@lru_cache(maxsize=256)
def codes_of(format_: Format) -> NDArray[np.int64]:
    """Codes that are numbers."""
    return np.array([code for code, value in enumerate(format_.values) if value is not None], dtype=np.int64)


@lru_cache(maxsize=256)
def numbers_of(format_: Format) -> NDArray[np.float64]:
    """What these codes stand for, in units of the format."""
    return np.array([float(format_.values[code]) for code in codes_of(format_)])


def corners(format_: Format) -> NDArray[np.int64]:
    """Codes of the extremes, of the numbers next to zero, and the first and the last code."""
    codes, values = codes_of(format_), numbers_of(format_)
    order = np.argsort(np.abs(values), kind="stable")
    return np.unique(codes[[values.argmin(), values.argmax(), 0, len(codes) - 1, *order[:4]]])


def extremes(format_: Format) -> Codes:
    """Codes of the least and of the greatest number."""
    codes, values = codes_of(format_), numbers_of(format_)
    return codes[[values.argmin(), values.argmax()]]


def nearest_above(format_: Format, magnitudes: NDArray[np.float64]) -> Codes:
    """Codes of the least numbers that are not below these magnitudes, in units of the format; of the greatest, if none is."""
    codes, values = codes_of(format_), numbers_of(format_)
    codes, values = codes[values >= 0], values[values >= 0]
    order = np.argsort(values, kind="stable")
    found: Codes = codes[order[np.minimum(np.searchsorted(values[order], magnitudes), len(order) - 1)]]
    return found


def powers_of_two(format_: Format) -> Codes:
    """Codes of the powers of two, of either sign."""
    codes, values = codes_of(format_), np.abs(numbers_of(format_))
    found: Codes = codes[np.frexp(values)[0] == 1 / 2]
    return found


def around_powers_of_two(format_: Format) -> Codes:
    """Codes of the powers of two and of the numbers next below them in magnitude, of either sign, nearest to zero first."""
    codes, values = codes_of(format_), np.abs(numbers_of(format_))
    magnitudes = np.unique(values)
    powers = np.flatnonzero(np.frexp(magnitudes)[0] == 1 / 2)
    order = np.argsort(values, kind="stable")
    return codes[order[np.isin(values[order], magnitudes[np.concatenate([powers, np.maximum(powers - 1, 0)])])]]


def smallest(format_: Format) -> Codes:
    """Codes of the numbers nearest to zero: of a minifloat its subnormals and some more."""
    codes, values = codes_of(format_), np.abs(numbers_of(format_))
    return codes[np.argsort(values, kind="stable")[: max(4, len(codes) // 16)]]


def negated(format_: Format, codes: Codes) -> Codes:
    """Codes of the numbers of the other sign; of two's complement, the least has none and stays."""
    top = 1 << format_.bits - 1
    return -codes & 2 * top - 1 if format_.is_integer else codes ^ top
