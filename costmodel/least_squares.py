"""Lines through measured numbers that make the sum of squared relative errors least, and how far they are off."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def least_squares(terms: Floats, numbers: Floats) -> Floats:
    """Coefficients ``[term]`` of ``terms[row, term]`` for ``numbers[row]``, none of them negative."""
    sizes = _sizes(numbers)
    found: Floats = np.linalg.lstsq(terms / sizes[:, None], numbers / sizes, rcond=None)[0]
    return found


def held_out_errors(terms: Floats, numbers: Floats, folds: int, seed: int = 0) -> tuple[float, float]:
    """Median and worst relative error of rows that the line was not fitted to: each of so many parts in turn."""
    part = np.random.default_rng(seed).permutation(len(numbers)) % folds
    guesses = np.empty(len(numbers))
    for held_out in range(folds):
        seen = part != held_out
        guesses[~seen] = terms[~seen] @ least_squares(terms[seen], numbers[seen])
    errors = np.abs(guesses - numbers) / _sizes(numbers)
    return float(np.median(errors)), float(errors.max())


def _sizes(numbers: Floats) -> Floats:
    """What errors are relative to: the numbers, and of those that are 0 the least that is not."""
    there = numbers[numbers > 0]
    return np.where(numbers > 0, numbers, there.min() if len(there) else 1.0)
