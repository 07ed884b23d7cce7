"""N:M pruning: of 16 consecutive inputs each output keeps N, one N for all or one for each block of 16 x 16 weights.

N of each block is what is worth most: of all blocks (``Average``), or in each group along ``k`` by itself (``Budget``), as
overlays have them whose design says ``per_block`` (:mod:`sim.overlay.budget`).

What a weight is worth is its magnitude, or what its loss costs when the others make up for it: ``w**2 / [H^-1]_kk`` with the
second moment ``H`` of the inputs (Hassibi and Stork, "Second order derivatives for network pruning: optimal brain surgeon",
NeurIPS 1992). They make up for it as in Frantar and Alistarh, "SparseGPT", ICML 2023, algorithm 1: 16 inputs after the other,
each block's pruned ones chosen when their turn comes, their error subtracted from all later inputs as GPTQ does with that of
rounding.

Recipes of quantization follow, those that keep zeros: ``partial(gptq, keep_zeros=True)``, rounding to nearest, and both
behind a scaling of inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, choose, demand
from sim.overlay.budget import best_within, check_mean
from sim.overlay.densities import check_densities, check_divides
from sim.overlay.engine import BLOCK, DENSITIES, check_group
from sim.quantized import Scheme
from workloads.recipes.calibration import Double, check_operands, second_moment
from workloads.recipes.compensation import DAMPING
from workloads.recipes.layer import QuantizedLayer, Recipe
from workloads.recipes.rounding import nearest

Densities = NDArray[np.uint8]
Reals = NDArray[np.float32]


@dataclass(frozen=True)
class Uniform:
    """Every block keeps ``kept`` of 16."""

    kept: int

    def __post_init__(self) -> None:
        demand("N of N:16", self.kept, int)
        check_densities(np.array([self.kept]))

    def densities(self, scores: Double) -> Densities:
        """N of each block ``[k/16, n/16]``."""
        k, n = scores.shape
        return np.full((k // BLOCK, n // BLOCK), self.kept, np.uint8)


@dataclass(frozen=True)
class Average:
    """Blocks keep what is worth most, at most this part of all weights together."""

    density: float

    def __post_init__(self) -> None:
        if not 0 < self.density <= 1:
            raise InputError(f"average density is above 0 and at most 1, not {self.density}")

    def densities(self, scores: Double) -> Densities:
        """N of each block ``[k/16, n/16]``: the steps from N to the next that add most for each weight, until one does not fit.

        What a block keeps grows ever more slowly with N, as columns keep their best first; so a block's steps come in order,
        and what is kept is worth as much as that many weights can be.
        """
        k, n = scores.shape
        costs = np.diff(DENSITIES) * BLOCK
        rates = np.diff(_worth(scores), axis=2) / costs
        # Rounding must not put a step before the one that it follows.
        rates = np.minimum.accumulate(rates, axis=2).reshape(-1)
        order = np.argsort(-rates, kind="stable")
        spent = np.cumsum(np.broadcast_to(costs, (len(rates) // len(costs), len(costs))).reshape(-1)[order])
        taken = np.zeros(len(rates), bool)
        taken[order[spent <= self.density * k * n]] = True
        steps = taken.reshape(k // BLOCK, n // BLOCK, len(costs)).sum(axis=2)
        chosen: Densities = np.array(DENSITIES, np.uint8)[steps]
        return chosen


@dataclass(frozen=True)
class Budget:
    """Blocks keep what is worth most, ``kept`` of 16 in the mean of every group of ``group_size`` along ``k``."""

    kept: int
    group_size: int

    def __post_init__(self) -> None:
        demand("mean N of N:16", self.kept, int)
        check_group(self.group_size, 1)
        check_mean(self.kept, max(1, self.group_size // BLOCK))

    def densities(self, scores: Double) -> Densities:
        """N of each block ``[k/16, n/16]``."""
        return best_within(_worth(scores), self.kept, self.group_size // BLOCK or len(scores) // BLOCK)


Pattern = Uniform | Average | Budget


def magnitude(weights: Reals, activations: Reals, pattern: Pattern) -> Reals:  # noqa: ARG001 - as every pruning
    """Weights ``[k, n]``, those of least magnitude 0 and the others as they were."""
    scores = np.abs(weights).astype(np.float64)
    return np.where(_greatest(scores, pattern.densities(scores)), weights, 0).astype(np.float32)


def second_order(weights: Reals, activations: Reals, pattern: Pattern) -> Reals:
    """Weights ``[k, n]``, those that cost least 0, and the others such that outputs for activations ``[m, k]`` change little.

    Of weights that cost as much each by itself, such as those of equal inputs, both may go.
    """
    moment = second_moment(activations)
    diagonal = np.diagonal(moment)
    if not diagonal.any():
        return magnitude(weights, activations, pattern)
    inverse = np.linalg.inv(moment + DAMPING * diagonal.mean() * np.eye(len(moment)))
    left = weights.astype(np.float64)
    densities = pattern.densities(left**2 / np.diagonal(inverse)[:, None])
    factor = np.linalg.cholesky(inverse).T
    for first in range(0, len(left), BLOCK):
        block = slice(first, first + BLOCK)
        costs = left[block] ** 2 / np.diagonal(factor)[block, None] ** 2
        kept = _greatest(costs, densities[first // BLOCK : first // BLOCK + 1])
        errors = np.empty((BLOCK, left.shape[1]))
        for i in range(BLOCK):
            errors[i] = np.where(kept[i], 0, left[first + i]) / factor[first + i, first + i]
            left[first + i + 1 : block.stop] -= np.outer(factor[first + i, first + i + 1 : block.stop], errors[i])
        left[block] = np.where(kept, left[block], 0)
        left[block.stop :] -= factor[block, block.stop :].T @ errors
    return left.astype(np.float32)


Pruning = Callable[[Reals, Reals, Pattern], Reals]

PRUNINGS: dict[str, Pruning] = {"magnitude": magnitude, "second_order": second_order}
"""From weights ``[k, n]``, calibration activations ``[m, k]`` and a pattern to weights with zeros."""


def pruned(
    weights: Reals,
    activations: Reals,
    scheme: Scheme,
    pattern: Pattern,
    pruning: str = "magnitude",
    inner: Recipe = nearest,
) -> QuantizedLayer:
    """The recipe ``inner`` on pruned weights, whose zeros stay.

    Raises ``InputError`` for weights that blocks of 16 x 16 do not divide, a scheme with zero points, and a recipe that makes
    something of zeros.
    """
    check_operands(weights, activations)
    check_divides(*weights.shape)
    prune = choose("pruning", pruning, PRUNINGS)
    if scheme.zero != "none":
        raise InputError(f"sparse weights have no zero points, not {scheme.zero} ones")
    sparse = prune(weights, activations, pattern)
    layer = inner(sparse, activations, scheme)
    made = int(np.count_nonzero(layer.effective()[sparse == 0]))
    if made:
        raise InputError(f"a recipe behind pruning leaves every weight of 0 as it is, but of {made} something was made")
    return layer


def _worth(scores: Double) -> Double:
    """What the weights that a block keeps are worth, for each N ``[k/16, n/16, 5]``."""
    k, n = scores.shape
    best = -np.sort(-scores.reshape(k // BLOCK, BLOCK, n // BLOCK, BLOCK), axis=1)
    totals = np.concatenate([np.zeros_like(best[:, :1]), np.cumsum(best, axis=1)], axis=1).sum(axis=3)
    worth: Double = totals[:, list(DENSITIES)].transpose(0, 2, 1)
    return worth


def _greatest(scores: Double, densities: Densities) -> NDArray[np.bool_]:
    """Which weights ``[k, n]`` are kept: of 16 of a column the greatest, so many as their block keeps; of equals the first."""
    k, n = scores.shape
    blocks = scores.reshape(k // BLOCK, BLOCK, n)
    ranks = np.argsort(np.argsort(-blocks, axis=1, kind="stable"), axis=1, kind="stable")
    kept: NDArray[np.bool_] = ranks < np.repeat(densities, BLOCK, axis=1)[:, None, :]
    return kept.reshape(k, n)
