"""A code book fitted to the numbers of a tensor: Lloyd's algorithm in one dimension, deterministic.

S. P. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28 (1982), method I; weights of
neural networks by code book: Han et al., "Deep compression", ICLR 2016. Numbers are counted in narrow bins first, so that
the work does not grow with the tensor: a bin belongs to one cell as a whole, at the mean of its numbers.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

BINS = 1 << 16
"""Bins from -1 to 1: at most 2**-15 wide, far narrower than a step of 256 codes."""

MOST_STEPS = 1000
"""A bound of the time; each step lowers the error, and a few dozen are usual."""


def fit_codebook(blocks: Iterable[NDArray[np.floating]], size: int) -> NDArray[np.float16]:
    """``size`` ascending fp16 numbers whose squared distance to the nearest of them is (locally) least over all numbers.

    ``blocks`` are arrays of numbers of any shape; what is beyond -1 or 1 counts as that. The start is ``size`` quantiles.
    Of fewer different numbers than ``size`` each becomes an entry, the greatest one the rest.
    """
    counts, means = _histogram(blocks)
    if len(means) <= size:
        entries = np.full(size, means[-1])
        entries[: len(means)] = means
        return entries.astype(np.float16)
    below = np.append(0, np.cumsum(counts))
    sums = np.append(0, np.cumsum(counts * means))
    numbers = means[np.searchsorted(below[1:], (np.arange(size) + 0.5) / size * below[-1])]
    cells = np.empty(0, dtype=np.intp)
    for _ in range(MOST_STEPS):
        ends = np.searchsorted(means, (numbers[1:] + numbers[:-1]) / 2)
        if np.array_equal(ends, cells):
            break
        cells = ends
        edges = np.concatenate([[0], ends, [len(means)]])
        inside = np.diff(below[edges])
        numbers = np.where(inside > 0, np.diff(sums[edges]) / np.maximum(inside, 1), numbers)
    fitted: NDArray[np.float16] = numbers.astype(np.float16)
    return fitted


def _histogram(blocks: Iterable[NDArray[np.floating]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many numbers are in each occupied bin, and their mean."""
    counts = np.zeros(BINS, dtype=np.int64)
    sums = np.zeros(BINS)
    for block in blocks:
        flat = np.clip(block.ravel(), -1, 1)
        bins = np.minimum((flat + 1) * (BINS / 2), BINS - 1).astype(np.int64)
        counts += np.bincount(bins, minlength=BINS)
        sums += np.bincount(bins, weights=flat, minlength=BINS)
    occupied = counts > 0
    return counts[occupied], sums[occupied] / counts[occupied]
