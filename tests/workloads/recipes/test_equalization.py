"""Equalization and bias correction: by hand, and what must stay as it is."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.quantized import Scheme
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair
from workloads.recipes import RECIPES, bias_corrected, equalized, nearest
from workloads.recipes.equalization import equalization


def test_factors_by_hand() -> None:
    """Ranges 8 and 2 become 4 and 4, so the factor is 2; 1 and 9 become 3 and 3; an output that is always 0 keeps 1."""
    first = np.float32([[-8, 1, 0], [4, 0.5, 0]])
    second = np.float32([[2, -1], [3, -9], [1, 1]])
    factors = equalization(first, second)
    assert factors.tolist() == pytest.approx([2, 1 / 3, 1])
    assert np.abs(first / factors).max(axis=0).tolist() == pytest.approx([4, 3, 0])
    assert np.abs(second * factors[:, None]).max(axis=1).tolist() == pytest.approx([4, 3, 1])


def test_two_layers_stay_what_they_are_and_round_better(rng: np.random.Generator) -> None:
    """With ReLU between them; ranges differ by up to 100, and one scale serves a whole tensor, as in the paper."""
    sizes = rng.uniform(-1, 1, 24)
    first = (rng.normal(size=(16, 24)) * 10**sizes).astype(np.float32)
    second = (rng.normal(size=(24, 8)) / 10 ** sizes[:, None]).astype(np.float32)
    x = rng.normal(size=(100, 16)).astype(np.float32)
    between = np.maximum(x @ first, 0)
    exact = between @ second
    factors = equalization(first, second)
    moved = np.maximum(x @ (first / factors), 0) @ (second * factors[:, None])
    assert np.abs(moved - exact).max() <= 1e-5 * np.abs(exact).max()
    scheme = Scheme(FORMATS_OF_ALL_KINDS["int4_tensor"].format, FORMATS_OF_ALL_KINDS["int4_tensor"].levels)
    one, other, used = equalized((first, second), (x, between), scheme)
    assert np.array_equal(used, factors)
    plain = [nearest(w, a, scheme).effective() for w, a in ((first, x), (second, between))]
    losses = [
        np.linalg.norm(np.maximum(x @ a, 0) @ b - exact)
        for a, b in ((one.effective(), other.effective()), (plain[0], plain[1]))
    ]
    assert losses[0] < 0.5 * losses[1]


def test_layers_that_do_not_follow(operands: Pair) -> None:
    with pytest.raises(InputError, match="has the 12 outputs of the first as inputs, not 40$"):
        equalization(operands[0], operands[0])


@pytest.mark.parametrize("inner", ["nearest", "gptq", "rotation"])
def test_bias_correction_leaves_no_error_of_the_mean(operands: Pair, scheme: Scheme, inner: str) -> None:
    weights, activations = operands
    exact = (activations.astype(np.float64) @ weights).mean(axis=0)
    layer = bias_corrected(weights, activations, scheme, RECIPES[inner])
    assert layer.bias is not None
    mean = (activations.astype(np.float64) @ layer.effective()).mean(axis=0) + layer.bias
    assert np.abs(mean - exact).max() <= 1e-6 * np.abs(exact).max() + 1e-6
    assert np.array_equal(layer.effective(), RECIPES[inner](weights, activations, scheme).effective())


def test_a_bias_is_not_corrected_twice(operands: Pair) -> None:
    """Corrected twice is corrected once."""
    scheme = FORMATS_OF_ALL_KINDS["int3_channel"]
    once, twice = bias_corrected(*operands, scheme), bias_corrected(*operands, scheme, bias_corrected)
    assert once.bias is not None
    assert twice.bias is not None
    assert np.array_equal(twice.bias, once.bias)
    assert np.abs(once.bias).max() > 0
