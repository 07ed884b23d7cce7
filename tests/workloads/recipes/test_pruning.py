"""Pruning against enumeration and least squares, and recipes behind it whose zeros stay."""

from functools import partial
from itertools import product

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.engine import DENSITIES
from sim.overlay.sparsity import sparse_of
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair
from workloads.recipes import awq, gptq, nearest, rotated, smoothquant
from workloads.recipes.calibration import output_errors, second_moment
from workloads.recipes.pruning import PRUNINGS, Average, Uniform, magnitude, pruned, second_order

INT4 = FORMATS_OF_ALL_KINDS["int4"]
GPTQ = partial(gptq, keep_zeros=True)


@pytest.fixture
def layer(rng: np.random.Generator) -> Pair:
    """Weights ``[64, 48]`` and correlated activations ``[400, 64]``."""
    weights = rng.standard_t(4, size=(64, 48)) * 0.1
    latent = rng.normal(size=(400, 16)) @ rng.normal(size=(16, 64)) + 0.3 * rng.normal(size=(400, 64))
    return weights.astype(np.float32), latent.astype(np.float32)


def most_kept(weights: np.ndarray) -> np.ndarray:
    """The most that a column of each block keeps."""
    k, n = weights.shape
    return (weights != 0).reshape(k // 16, 16, n // 16, 16).sum(axis=1).max(axis=2)


@pytest.mark.parametrize("name", PRUNINGS)
@pytest.mark.parametrize("kept", DENSITIES)
def test_uniform(layer: Pair, name: str, kept: int) -> None:
    weights = PRUNINGS[name](*layer, Uniform(kept))
    assert (most_kept(weights) == kept).all()
    if kept == 16:
        assert (weights == layer[0]).all()


def test_the_greatest_of_sixteen_are_kept(layer: Pair) -> None:
    weights = magnitude(*layer, Uniform(4))
    for column in range(48):
        for first in range(0, 64, 16):
            before, after = layer[0][first : first + 16, column], weights[first : first + 16, column]
            assert sorted(np.flatnonzero(after)) == sorted(np.argsort(-np.abs(before))[:4])


@pytest.mark.parametrize("density", [0.1, 0.3, 0.5, 0.9, 1])
def test_no_choice_of_densities_keeps_more(layer: Pair, density: float) -> None:
    """All 5**4 choices for four blocks: what is kept is the most of any that stores as many weights or fewer."""
    scores = np.abs(layer[0][:32, :32]).astype(np.float64)
    chosen = Average(density).densities(scores)
    best = -np.sort(-scores.reshape(2, 16, 2, 16), axis=1)
    worth = np.concatenate([np.zeros((2, 1, 2, 16)), best.cumsum(axis=1)], axis=1).sum(axis=3)

    def total(choice: np.ndarray) -> float:
        return sum(worth[i, choice[i, j], j] for i in range(2) for j in range(2))

    assert chosen.sum() * 16 <= density * 32 * 32
    others = [np.reshape(choice, (2, 2)) for choice in product(DENSITIES, repeat=4)]
    allowed = [total(other) for other in others if other.sum() <= chosen.sum()]
    assert total(chosen) == pytest.approx(max(allowed), rel=1e-12)


def test_average_uses_its_budget(layer: Pair) -> None:
    for name in PRUNINGS:
        most = most_kept(PRUNINGS[name](*layer, Average(0.4)))
        assert 0.4 * 16 - 8 / 12 <= most.mean() <= 0.4 * 16
        assert len(np.unique(most)) > 1


class FirstIsEmpty:
    def densities(self, scores: np.ndarray) -> np.ndarray:  # noqa: ARG002 - as every pattern
        return np.array([[0], [16]], np.uint8)


def test_copies_take_over(rng: np.random.Generator) -> None:
    """Inputs 16 to 31 are copies of the first 16: without those, a copy's weight becomes the sum of both, but for damping."""
    activations = np.tile(rng.normal(size=(300, 16)), 2).astype(np.float32)
    weights = rng.normal(size=(32, 16)).astype(np.float32)
    after = second_order(weights, activations, FirstIsEmpty())
    assert not after[:16].any()
    assert after[16:] == pytest.approx(weights[:16] + weights[16:], abs=0.05)


def test_second_order_loses_less(layer: Pair) -> None:
    moment = second_moment(layer[1])
    for pattern in (Uniform(4), Uniform(8), Average(0.5)):
        errors = [output_errors(moment, prune(*layer, pattern) - layer[0]).sum() for prune in (second_order, magnitude)]
        assert errors[0] < 0.5 * errors[1]


def test_last_block_is_least_squares(layer: Pair) -> None:
    """With nothing to prune before, the last weight that is kept minimises the damped error given all before it."""
    weights, activations = layer
    weights = weights.copy()
    weights[:48] = 0  # nothing to prune before the last block
    after = second_order(weights, activations, Uniform(8))
    moment = second_moment(activations)
    damped = moment + 0.01 * np.diagonal(moment).mean() * np.eye(64)
    for column in range(48):
        last = np.flatnonzero(after[48:, column])[-1] + 48
        fixed = list(range(last))
        e = after[fixed, column] - weights[fixed, column]
        left = list(range(last, 64))
        optimum = weights[left, column] - np.linalg.solve(damped[np.ix_(left, left)], damped[np.ix_(left, fixed)] @ e)
        assert after[last, column] == pytest.approx(optimum[0], rel=1e-4, abs=1e-6)


RECIPES = {
    "nearest": nearest,
    "gptq": GPTQ,
    "smoothquant": smoothquant,
    "awq_gptq": partial(awq, inner=GPTQ),
}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("pruning", PRUNINGS)
def test_recipes_behind_it(layer: Pair, name: str, pruning: str) -> None:
    for pattern in (Uniform(4), Average(0.5)):
        done = pruned(*layer, INT4, pattern, pruning, RECIPES[name])
        zeros = PRUNINGS[pruning](*layer, pattern) == 0
        assert not done.effective()[zeros].any()
        made = sparse_of(done.parts[0].weights)
        assert made.density <= (0.25 if pattern == Uniform(4) else 0.5)


def test_gptq_behind_it_loses_less_than_nearest(layer: Pair) -> None:
    moment = second_moment(layer[1])

    def error(inner: object) -> float:
        done = pruned(*layer, INT4, Uniform(8), "second_order", inner)
        return output_errors(moment, done.effective() - layer[0]).sum()

    assert error(GPTQ) < error(nearest)


def test_wrong_prunings(layer: Pair) -> None:
    weights, activations = layer
    for call, message in (
        (lambda: Uniform(3), "N of N:16 is 0, 2, 4, 8, 16, such as 4, not 3"),
        (lambda: Average(0), "average density is above 0 and at most 1, not 0"),
        (lambda: pruned(weights[:40], activations[:, :40], INT4, Uniform(4)), "a multiple of 16 such as 48, not 40"),
        (lambda: pruned(weights, activations, FORMATS_OF_ALL_KINDS["uint3_zero"], Uniform(4)), "no zero points, not integer"),
        (lambda: pruned(weights, activations, INT4, Uniform(4), "random"), "unknown pruning 'random'"),
        (lambda: pruned(weights, activations, INT4, Uniform(4), inner=rotated), "leaves every weight of 0 as it is, but of"),
    ):
        with pytest.raises(InputError, match=message):
            call()
