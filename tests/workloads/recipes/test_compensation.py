"""GPTQ against the closed form, worked out anew for each weight, and against its own promise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import FORMATS
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme, codes_of
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair, errors_of
from workloads.recipes import RECIPES, gptq
from workloads.recipes.calibration import second_moment
from workloads.recipes.clipping import by_max
from workloads.recipes.compensation import compensated_codes


def test_three_weights_by_hand() -> None:
    """H = [[1, .5, 0], [.5, 1, 0], [0, 0, 1]], scale 1, weights 0.4, 0.4 and 7.

    Rounded to nearest 0, 0, 7: the error is .16 + .16 + .16. GPTQ rounds the first to 0, so the second becomes
    0.4 + 0.5 * 0.4 = 0.6 (0.598 with damping), which is 1: the error is .16 + .36 - .24.
    """
    moment = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    activations = (np.sqrt(3) * np.linalg.cholesky(moment).T).astype(np.float32)
    weights = np.array([[0.4], [0.4], [7]], np.float32)
    scheme = FORMATS_OF_ALL_KINDS["int4"]
    layer = gptq(weights, activations, scheme, by_max, activation_order=False)
    assert layer.effective().ravel().tolist() == [0, 1, 7]
    assert errors_of(layer, (weights, activations)) == pytest.approx([0.28], abs=1e-6)
    assert errors_of(RECIPES["nearest"](weights, activations, scheme), (weights, activations)) == pytest.approx(
        [0.48], abs=1e-6
    )


def one_by_one(weights: NDArray[np.float32], tensor: QuantizedTensor, moment: NDArray[np.float64], order: list[int]) -> object:
    """Codes of which each is rounded where the least squares solution for all that are left, given the rounded ones, is."""
    target = weights.astype(np.float64)
    codes, rounded = tensor.codes.copy(), target.copy()
    for place, k in enumerate(order):
        done, left = order[:place], order[place:]
        e = rounded[done] - target[done]
        optimum = target[left] - np.linalg.solve(moment[np.ix_(left, left)], moment[np.ix_(left, done)] @ e)
        whole = target.copy()
        whole[k] = optimum[0]
        codes[k] = codes_of(whole, tensor.scheme, 0, tensor.scales, tensor.zero)[k]
        rounded[k] = QuantizedTensor(codes, tensor.scheme, 0, tensor.scales, tensor.zero).dequantize()[k]
    return codes


@pytest.mark.parametrize("ordered", [False, True])
def test_codes_are_those_of_the_closed_form(operands: Pair, scheme: Scheme, ordered: bool) -> None:
    weights, activations = operands
    moment = second_moment(activations) + 0.01 * np.eye(len(weights))
    order = np.argsort(-np.diagonal(moment)) if ordered else np.arange(len(weights))
    tensor = by_max(weights, scheme)
    expected = one_by_one(weights, tensor, moment, order.tolist())
    assert np.array_equal(compensated_codes(weights, tensor, moment, order), expected)


def test_blocks_do_not_show(operands: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = FORMATS_OF_ALL_KINDS["int4"]
    whole = gptq(*operands, scheme)
    monkeypatch.setattr("workloads.recipes.compensation.BLOCK", 7)
    assert gptq(*operands, scheme).parts[0].weights == whole.parts[0].weights


def test_never_worse_for_any_output_and_far_better_for_all(operands: Pair, scheme: Scheme) -> None:
    nearest = errors_of(RECIPES["nearest"](*operands, scheme), operands)
    for ordered in (False, True):
        errors = errors_of(gptq(*operands, scheme, by_max, ordered), operands)
        assert (errors <= nearest).all()
        if scheme.levels and scheme.format.bits < 8:
            assert errors.sum() < 0.7 * nearest.sum()


@pytest.mark.parametrize(("name", "start"), [("gptq", "nearest_mse"), ("gptq_max", "nearest")])
def test_heavy_tails_are_no_exception(name: str, start: str) -> None:
    """Among these layers is one, of seed 56, that ``nearest`` rounds better than ``gptq``, which has other scales."""
    scheme = Scheme(FORMATS["uint4"], (ScaleLevel("group", "fp16"),), "integer", 16)
    for seed in range(50, 60):
        rng = np.random.default_rng(seed)
        weights = rng.standard_t(4, size=(32, 8)).astype(np.float32) * np.float32(0.1)
        activations = (rng.normal(size=(100, 32)) * rng.lognormal(sigma=1.5, size=32)).astype(np.float32)
        layers = [RECIPES[recipe](weights, activations, scheme) for recipe in (name, start)]
        better, worse = (errors_of(layer, (weights, activations)) for layer in layers)
        assert (better <= worse).all(), seed


def test_uncorrelated_inputs_are_rounded_to_nearest(operands: Pair) -> None:
    weights, scheme = operands[0], FORMATS_OF_ALL_KINDS["int4"]
    activations = np.diag(np.arange(1, 41)).astype(np.float32)
    assert gptq(weights, activations, scheme, by_max).parts[0].weights == by_max(weights, scheme)


def test_weights_beyond_fp32_are_refused() -> None:
    """The first weight leaves 3e38 to the second one, by hand: 0.9 * 3e38 more than its own."""
    scheme = Scheme(FORMATS["int4"], (ScaleLevel("tensor", "fp32"),))
    tensor = by_max(np.ones((2, 1), np.float32), scheme)
    weights = np.full((2, 1), 3e38, np.float32)
    with pytest.raises(InputError, match=r"fp32 numbers, not 5\.7\d*e\+38$"):
        compensated_codes(weights, tensor, np.array([[1, 0.9], [0.9, 1]]), np.arange(2))
