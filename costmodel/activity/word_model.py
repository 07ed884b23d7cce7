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
from costmodel.least_squares import held_out_errors, least_squares
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
    parts = np.random.default_rng(seed).permutation(len(rates)) % FOLDS
    return WordModel(activity.design, least_squares(rates, energies), *held_out_errors(rates, energies, parts.tolist()))


def _rates(counts: Sequence[Counts], macs: Sequence[int]) -> NDArray[np.floating]:
    """Toggles per MAC ``[piece, 1 + word]`` after a one."""
    rates: NDArray[np.floating] = np.array(counts) / np.array(macs)[:, None]
    return np.concatenate([np.ones((len(rates), 1)), rates], axis=1)
