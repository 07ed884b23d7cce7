"""Operands of the special-function unit: all finite fp16 numbers, rows of many kinds, and numbers as the judge has them."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]

ALL = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE: Halves = ALL[np.isfinite(ALL)]
EXTREMES = np.array([0, -0.0, 2**-24, -(2**-24), 2**-14, -(2**-14), 1, -1, 65504, -65504, 6, -6, 5.996, -5.996], np.float16)


def some(rng: np.random.Generator, count: int) -> Halves:
    """Extremes, and numbers of every size."""
    return np.concatenate([EXTREMES, rng.choice(FINITE, count)])


def rows_of(rng: np.random.Generator, columns: int) -> Halves:
    """Rows of ordinary numbers, equal ones, of one great one, of zeros, of subnormals, of extremes, with a great mean."""
    normal = rng.normal(size=columns)
    kinds = [normal, 20 * normal, np.full(columns, 3.14), np.where(np.arange(columns) == columns // 2, 60000, normal)]
    kinds += [np.zeros(columns), normal * 2**-22, rng.choice([-65504, 65504], columns), 300 + normal]
    kinds += [rng.choice(FINITE, columns), np.linspace(-30, 0, columns), np.where(np.arange(columns) % 2, -1000, 1000)]
    return np.stack(kinds).astype(np.float16)


def fractions(numbers: Halves) -> list[Fraction]:
    return [Fraction(number) for number in numbers.astype(np.float64).tolist()]


def places(exact: NDArray[np.float64]) -> NDArray[np.float64]:
    """The last fp16 place of each number: of the binade that it is in, and that of subnormals at least."""
    _, exponents = np.frexp(exact)
    return np.ldexp(1.0, np.maximum(exponents - 1, -14) - 10)


def errors(found: Halves, exact: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far numbers are from the exact ones, in units of those's last places."""
    return np.abs(found.astype(np.float64) - exact) / places(exact)
