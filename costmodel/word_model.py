"""Energy of a MAC from toggles of words: a straight line through what gates need with many kinds of operands.

    E_mac = c_0 + sum over words of c_w x toggles of the word per MAC

Least squares of relative errors, over pieces of streams that :mod:`costmodel.activity` has measured; its error is that of
pieces that the fit has not seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from costmodel.operands import Codes, Piece, Product
from costmodel.word_counts import Counts, WordCounter
from hdl.codes import codes_of, numbers_of
from sim.design import DesignPoint
from sim.formats import Format

SPARSITY = 0.75
"""Of the operands that stand for sparse ones: the probability of a zero."""

STEP = 0.05
"""Of correlated ones: standard deviation of a step from number to number, as a part of all numbers in order."""

FOLDS = 5


def _sparse(rng: np.random.Generator, format_: Format, codes: Codes) -> Codes:
    """Codes at random, most of them that of the number next to zero."""
    zero = codes_of(format_)[np.abs(numbers_of(format_)).argmin()]
    return np.where(rng.random(codes.shape) < SPARSITY, zero, rng.choice(codes_of(format_), codes.shape))


def _walk(rng: np.random.Generator, format_: Format, codes: Codes) -> Codes:
    """Codes whose numbers go up and down by small steps along the first axis."""
    order = codes_of(format_)[np.argsort(numbers_of(format_), kind="stable")]
    steps = np.round(rng.normal(0, max(1, STEP * len(order)), codes.shape)).astype(np.int64)
    places = (rng.integers(len(order), size=codes.shape[1:]) + np.cumsum(steps, axis=0)) % (2 * len(order))
    return order[np.minimum(places, 2 * len(order) - 1 - places)]


def _correlated(design: DesignPoint, rng: np.random.Generator, product: Product) -> Product:
    """Walks along the axis in whose order operands come: ``k``, or that of activations past a weight that stays."""
    a, w = product
    stays = design.dataflow == "weight_stationary"
    activations = _walk(rng, design.activation, a) if stays else _walk(rng, design.activation, a.T).T
    return activations, _walk(rng, design.weight, w)


ARTIFICIAL: dict[str, Callable[[DesignPoint, np.random.Generator, Product], Product]] = {
    "uniform": lambda d, rng, p: (rng.choice(codes_of(d.activation), p[0].shape), rng.choice(codes_of(d.weight), p[1].shape)),
    "sparse": lambda d, rng, p: (_sparse(rng, d.activation, p[0]), _sparse(rng, d.weight, p[1])),
    "correlated": _correlated,
}
"""Operands that are not traced, in place of those of a product; of all, the fit learns what traced ones rarely show."""


@dataclass(frozen=True)
class WordModel:
    """``coefficients`` [fJ] of the constant and of :data:`costmodel.word_counts.WORDS`.

    ``median_error`` and ``worst_error`` are relative ones, of pieces held out.
    """

    design: DesignPoint
    coefficients: NDArray[np.float64]
    median_error: float
    worst_error: float

    def energy(self, products: Sequence[Product]) -> float:
        """Energy of a MAC [fJ] in the mean over whole products."""
        counter = WordCounter(self.design)
        counts = np.sum([counter.product(product) for product in products], axis=0)
        macs = sum(a.size * w.shape[1] for a, w in products)
        return float(_rates([counts], [macs])[0] @ self.coefficients)


def artificial(design: DesignPoint, products: Sequence[Product], seed: int = 0) -> Mapping[str, list[Product]]:
    """Products of the same shapes of each of :data:`ARTIFICIAL` kinds."""
    rng = np.random.default_rng(seed)
    return {name: [make(design, rng, product) for product in products] for name, make in ARTIFICIAL.items()}


def fitted(design: DesignPoint, pieces: Sequence[Piece], energies: NDArray[np.float64], seed: int = 0) -> WordModel:
    """The model for a design from pieces of operands and their energies of a MAC [fJ]."""
    counter = WordCounter(design)
    rates = _rates([counter.piece(piece) for piece in pieces], [sum(run.macs for run in piece) for piece in pieces])
    part = np.random.default_rng(seed).permutation(len(pieces)) % FOLDS
    guesses = np.empty(len(pieces))
    for fold in range(FOLDS):
        guesses[part == fold] = rates[part == fold] @ _least_squares(rates[part != fold], energies[part != fold])
    errors = np.abs(guesses / energies - 1)
    return WordModel(design, _least_squares(rates, energies), float(np.median(errors)), float(errors.max()))


def _rates(counts: Sequence[Counts], macs: Sequence[int]) -> NDArray[np.float64]:
    """Toggles per MAC ``[piece, 1 + word]`` after a one."""
    rates = np.array(counts) / np.array(macs)[:, None]
    return np.concatenate([np.ones((len(rates), 1)), rates], axis=1)


def _least_squares(rates: NDArray[np.float64], energies: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.linalg.lstsq(rates / energies[:, None], np.ones(len(energies)), rcond=None)[0]
    return found
