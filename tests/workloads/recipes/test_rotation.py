"""Rotation against Sylvester's matrix written out, on a layer and on a whole model."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sim.errors import InputError
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair, errors_of
from workloads.checkpoint import LanguageModel
from workloads.products import float_multiply, products_by
from workloads.recipes import RECIPES
from workloads.recipes.boundary import Boundary, Rotated
from workloads.recipes.rotation import rotation
from workloads.recipes.smoothing import smoothing


def test_the_matrix_is_sylvesters(rng: np.random.Generator) -> None:
    """Twice [[1, 1], [1, -1]] by Kronecker's product, in blocks of 4 of 12 inputs, over 2."""
    two = np.array([[1, 1], [1, -1]])
    matrix = np.kron(np.eye(3), np.kron(two, two)) / 2
    step = rotation(12)
    x, w = rng.normal(size=(5, 12)), rng.normal(size=(12, 3))
    turn = np.diag(step.signs) @ matrix
    assert step.block == 4
    assert set(step.signs.tolist()) == {-1, 1}
    assert np.allclose(step.of_activations(x), x @ turn, atol=1e-12)
    assert np.allclose(step.of_weights(w), np.linalg.inv(turn) @ w, atol=1e-12)
    assert np.allclose(step.undone(step.of_weights(w)), w, atol=1e-12)


def test_an_outlier_is_spread_over_its_block() -> None:
    x = np.zeros((1, 64), np.float32)
    x[0, 17] = 100
    assert np.abs(rotation(64).of_activations(x)).tolist() == [[12.5] * 64]


def test_what_is_no_rotation() -> None:
    with pytest.raises(InputError, match=r"signs of a rotation are 1 and -1, not 0\.5$"):
        Rotated(np.float32([0.5, 1]), 2)
    for block in (0, 3, 8):
        with pytest.raises(InputError, match=f"a power of two that divides 12, not {block}$"):
            Rotated(np.ones(12, np.float32), block)


@pytest.mark.parametrize("kind", ["smoothing", "rotation"])
def test_a_model_stays_what_it_is(tiny: LanguageModel, held_out: bytes, kind: str) -> None:
    """Every layer's activations and weights pass a boundary; the logits change by fp32 rounding alone."""
    tokens = tiny.encode(held_out[:64])[None]

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if name.endswith((".scores", ".values")):
            return float_multiply(name, activations, weights)
        x, w = activations[0].numpy(), weights[0].numpy()
        step: Boundary = smoothing(w, x) if kind == "smoothing" else rotation(len(w))
        return torch.from_numpy(step.of_activations(x) @ step.of_weights(w))[None]

    with torch.no_grad():
        exact = tiny.network(tokens).logits
        with products_by(tiny.network, multiply):
            changed = tiny.network(tokens).logits
    assert (changed - exact).abs().max() <= 1e-5 * exact.abs().max()
    assert (changed != exact).any()


def test_rotation_helps_where_activations_have_outliers(operands: Pair) -> None:
    """Inputs of very different size, with four bits for a token; GPTQ on what was turned lowers the weights' error too."""
    weights, activations = operands[0][:32], operands[1][:, :32]
    eight, narrow = FORMATS_OF_ALL_KINDS["mxint8"], FORMATS_OF_ALL_KINDS["mxfp4"]
    exact = activations @ weights
    layers = [RECIPES[name](weights, activations, eight) for name in ("rotation", "nearest")]
    losses = [np.linalg.norm(layer.product(activations, narrow) - exact) for layer in layers]
    assert losses[0] < 0.8 * losses[1]
    plain, compensated = (
        errors_of(RECIPES[name](weights, activations, narrow), (weights, activations)).sum()
        for name in ("rotation", "rotation_gptq")
    )
    assert compensated < 0.7 * plain
