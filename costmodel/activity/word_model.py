"""Energy of a MAC from toggles of words: a straight line through what gates need with many kinds of operands.

    E_mac = c_0 + sum over words of c_w x toggles of the word per MAC

Least squares of relative errors, over pieces of traced and of artificial streams that :mod:`costmodel.activity.measure` has
measured; its error is that of pieces that the fit has not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from costmodel.activity.measure import Activity
from costmodel.activity.operands import Product
from costmodel.activity.word_counts import Counts, WordCounter
from sim.design import DesignPoint

FOLDS = 5


@dataclass(frozen=True)
class WordModel:
    """``coefficients`` [fJ] of the constant and of :data:`costmodel.activity.word_counts.WORDS`.

    ``median_error`` and ``worst_error`` are relative ones, of pieces held out.
    """

    design: DesignPoint
    coefficients: NDArray[np.floating]
    median_error: float
    worst_error: float

    def energy(self, products: Sequence[Product]) -> float:
        """Energy of a MAC [fJ] in the mean over whole products."""
        counter = WordCounter(self.design)
        counts = np.sum([counter.product(product) for product in products], axis=0)
        macs = sum(a.size * w.shape[1] for a, w in products)
        return float(_rates([counts], [macs])[0] @ self.coefficients)


def fitted(activity: Activity, seed: int = 0) -> WordModel:
    """The model of a PE from what gates need for each piece of each kind of operands."""
    counter, energies = WordCounter(activity.design), activity.of_pieces
    pieces = [piece for of_kind in activity.pieces.values() for piece in of_kind]
    rates = _rates([counter.piece(piece) for piece in pieces], [sum(run.macs for run in piece) for piece in pieces])
    part = np.random.default_rng(seed).permutation(len(pieces)) % FOLDS
    guesses = np.empty(len(pieces))
    for fold in range(FOLDS):
        guesses[part == fold] = rates[part == fold] @ least_squares(rates[part != fold], energies[part != fold])
    errors = np.abs(guesses / energies - 1)
    return WordModel(activity.design, least_squares(rates, energies), float(np.median(errors)), float(errors.max()))


def _rates(counts: Sequence[Counts], macs: Sequence[int]) -> NDArray[np.floating]:
    """Toggles per MAC ``[piece, 1 + word]`` after a one."""
    rates: NDArray[np.floating] = np.array(counts) / np.array(macs)[:, None]
    return np.concatenate([np.ones((len(rates), 1)), rates], axis=1)


def least_squares(rates: NDArray[np.floating], energies: NDArray[np.floating]) -> NDArray[np.floating]:
    """Coefficients ``[column]`` of ``rates[row, column]`` that make the sum of squared relative errors least."""
    found: NDArray[np.floating] = np.linalg.lstsq(rates / energies[:, None], np.ones(len(energies)), rcond=None)[0]
    return found
