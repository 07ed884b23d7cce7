"""Learned rounding against all choices of a small layer, and by what must hold of its result."""

from itertools import product

import numpy as np
import pytest

from sim.quantized import Scheme
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair, errors_of
from workloads.recipes import RECIPES, learned_rounding
from workloads.recipes.calibration import output_errors, second_moment
from workloads.recipes.clipping import by_max
from workloads.recipes.learned import codes_beyond, descended, settled


def test_neighbours_by_hand() -> None:
    """Scale 1 of E2M1: 2.4 lies between 2 and 3, -0.1 between 0 and -0.5, 6 at the end, 4 is a number itself."""
    weights = np.array([[2.4], [-0.1], [6], [4]], np.float32)
    tensor = by_max(weights, FORMATS_OF_ALL_KINDS["e2m1"])
    beyond = tensor.format.reals[codes_beyond(weights, tensor)]
    assert tensor.dequantize().ravel().tolist() == [2, 0, 6, 4]
    assert beyond.ravel().tolist() == [3, -0.5, 6, 4]


def test_weights_lie_between_their_neighbours(operands: Pair, scheme: Scheme) -> None:
    weights, _ = operands
    tensor = by_max(weights, scheme)
    nearest = tensor.dequantize().astype(np.float64)
    codes = codes_beyond(weights, tensor)
    farther = type(tensor)(codes, tensor.scheme, 0, tensor.scales, tensor.zero).dequantize().astype(np.float64)
    moved = farther != nearest
    assert (np.abs(farther - weights) >= np.abs(nearest - weights) - 1e-6).all()
    assert ((np.minimum(nearest, farther) - 1e-6 <= weights) & (weights <= np.maximum(nearest, farther) + 1e-6))[moved].all()
    assert moved.mean() > 0.5


def test_close_to_the_best_of_all_choices(rng: np.random.Generator) -> None:
    """Nine correlated inputs: of 2**9 choices for each output the best is known, and most of the way there is found."""
    activations = (rng.normal(size=(50, 3)) @ rng.normal(size=(3, 9)) + 0.2 * rng.normal(size=(50, 9))).astype(np.float64)
    moment = second_moment(activations)
    start = rng.uniform(-0.5, 0.5, size=(9, 20))
    gap = -np.sign(start)
    choices = np.array(list(product([False, True], repeat=9)))
    best = np.array([output_errors(moment, start[:, [n]] + choices.T * gap[:, [n]]).min() for n in range(20)])
    chosen = settled(start, gap, moment, descended(start, gap, moment, 500))
    errors = output_errors(moment, start + chosen * gap)
    assert (errors >= best - 1e-12).all()
    assert errors.sum() - best.sum() < 0.2 * (output_errors(moment, start).sum() - best.sum())


def test_descent_alone_helps(operands: Pair) -> None:
    weights, activations = operands
    moment = second_moment(activations)
    tensor = by_max(weights, FORMATS_OF_ALL_KINDS["int4"])
    start = tensor.dequantize() - weights.astype(np.float64)
    gap = -np.sign(start) * np.repeat(tensor.scales[0].astype(np.float64), 16, axis=0)[:40]
    chosen = descended(start, gap, moment, 500)
    assert output_errors(moment, start + chosen * gap).sum() < 0.8 * output_errors(moment, start).sum()


def test_no_change_of_one_weight_is_better(operands: Pair) -> None:
    moment = second_moment(operands[1])
    start = np.random.default_rng(5).uniform(-0.5, 0.5, size=(40, 4))
    gap = -np.sign(start)
    chosen = settled(start, gap, moment, np.zeros(start.shape, bool))
    errors = output_errors(moment, start + chosen * gap)
    for k in range(40):
        changed = chosen.copy()
        changed[k] ^= True
        assert (output_errors(moment, start + changed * gap) >= errors * (1 - 1e-6)).all()


@pytest.mark.parametrize("name", ["int3_channel", "e2m1", "nf4", "mxfp4", "uint4_minimum", "bipolar2"])
def test_far_better_than_nearest(operands: Pair, name: str) -> None:
    scheme = FORMATS_OF_ALL_KINDS[name]
    errors = [
        errors_of(layer, operands) for layer in (learned_rounding(*operands, scheme), RECIPES["nearest_mse"](*operands, scheme))
    ]
    assert (errors[0] <= errors[1]).all()
    assert errors[0].sum() < 0.4 * errors[1].sum()
