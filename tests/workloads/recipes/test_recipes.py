"""What holds of every recipe with every kind of format: shapes, what it computes, what it refuses, what its bits are."""

from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.quantized import SCHEMES, QuantizedTensor, ScaleLevel, Scheme, quantize
from tests.workloads.recipes.conftest import Pair, errors_of
from workloads.recipes import RECIPES, Part, QuantizedLayer
from workloads.recipes.boundary import Divided

WIDE = Scheme(FORMATS["fp16"])
NEVER_WORSE = {"awq": "nearest", "gptq": "nearest_mse", "gptq_activation_order": "nearest_mse", "gptq_max": "nearest"}
NEVER_WORSE |= {"learned_rounding": "nearest_mse", "mixed_outputs": "nearest"}
"""Recipes that see the error of the outputs, and the one that they start from."""


NEEDS_GROUPS = {"two_level_qserve", "two_level_dgq"}


def fitting(name: str, scheme: Scheme) -> Scheme:
    """The scheme, with a scale per group in the place of its own where the recipe needs that and it has none."""
    grouped = replace(scheme, levels=(ScaleLevel("group", "fp16"),), group_size=scheme.group_size or 16)
    return grouped if name in NEEDS_GROUPS and scheme.levels else scheme


@pytest.mark.parametrize("name", RECIPES)
def test_the_product_is_that_of_the_effective_weights(operands: Pair, scheme: Scheme, name: str) -> None:
    """By float64 arithmetic on what the layer says it stands for; activations are fp16 numbers, a 2**-11 of each other."""
    weights, activations = operands
    if name in NEEDS_GROUPS and not scheme.levels:
        pytest.skip("numbers without scales have no levels")
    layer = RECIPES[name](weights, activations, fitting(name, scheme))
    y = layer.product(activations[:8], WIDE)
    bound = np.abs(activations[:8]).astype(np.float64) @ np.abs(layer.effective())
    expected = activations[:8].astype(np.float64) @ layer.effective() + (0 if layer.bias is None else layer.bias)
    assert y.dtype == np.float32
    assert (np.abs(y - expected) <= 2.0**-10 * bound + 1e-6).all()


@pytest.mark.parametrize("name", RECIPES)
def test_eight_bits_are_close(operands: Pair, name: str) -> None:
    weights, activations = operands
    layer = RECIPES[name](weights, activations, fitting(name, SCHEMES["int8_channel"]))
    exact = activations @ weights
    y = layer.product(activations, SCHEMES["int8_token"])
    assert np.linalg.norm(y - exact) <= 0.05 * np.linalg.norm(exact)


@pytest.mark.parametrize(("name", "start"), NEVER_WORSE.items())
def test_never_worse_than_what_it_starts_from(operands: Pair, scheme: Scheme, name: str, start: str) -> None:
    better, worse = (errors_of(RECIPES[recipe](*operands, scheme), operands) for recipe in (name, start))
    assert better.sum() <= worse.sum()


@pytest.mark.parametrize("name", RECIPES)
def test_zeros_and_inputs_that_are_never_used(operands: Pair, name: str) -> None:
    weights, activations = (x.copy() for x in operands)
    weights[3], weights[:, 2], activations[:, 5] = 0, 0, 0
    scheme = fitting(name, SCHEMES["int8_channel"])
    layer = RECIPES[name](weights, activations, scheme)
    exact = activations @ weights
    assert np.linalg.norm(activations @ layer.effective() - exact) <= 0.02 * np.linalg.norm(exact)
    assert (layer.effective()[:, 2] == 0).all()
    assert np.isfinite(RECIPES[name](weights, 0 * activations, scheme).effective()).all()
    assert (RECIPES[name](0 * weights, activations, scheme).effective() == 0).all()


@pytest.mark.parametrize("name", RECIPES)
def test_operands_that_are_none(operands: Pair, name: str) -> None:
    weights, activations = operands
    with pytest.raises(InputError, match="^calibration activations have the 40 inputs of their weights, not 39$"):
        RECIPES[name](weights, activations[:, 1:], SCHEMES["int8_channel"])
    with pytest.raises(InputError, match="^activations of a recipe are finite numbers, not nan$"):
        RECIPES[name](weights, activations * np.float32("nan"), SCHEMES["int8_channel"])
    with pytest.raises(InputError, match=r"^activations of a recipe have two axes of at least 1, not shape \(0, 40\)$"):
        RECIPES[name](weights, activations[:0], SCHEMES["int8_channel"])


def tensor(k: int, n: int) -> QuantizedTensor:
    return quantize(np.ones((k, n)), SCHEMES["int8_channel"], axis=0)


def test_parts_by_hand() -> None:
    """Inputs 0 and 2 with output 1, all else in three parts; activations are halved before, 10 is added after."""
    eye = np.eye(3, dtype=np.float32)
    one, other, third = np.array([0, 2]), np.array([1]), np.array([0])
    parts = (Part(tensor(2, 1), one, other), Part(tensor(1, 1), other, other), Part(tensor(3, 1), np.arange(3), third))
    layer = QuantizedLayer((3, 2), parts, (Divided(np.full(3, 2, np.float32)),), np.full(2, 10, np.float32), map_bits=7)
    assert np.allclose(layer.effective(), 0.5, atol=1e-4)
    assert np.allclose(layer.product(4 * eye, WIDE), 12, atol=1e-3)
    assert layer.bits == (2 + 1 + 3) * 8 + 3 * 16 + 7 + 2 * 16
    assert layer.bits_per_weight == layer.bits / 6


def test_parts_that_do_not_make_a_layer() -> None:
    whole = QuantizedLayer.of(tensor(3, 2))
    with pytest.raises(InputError, match="in one part, not in 2$"):
        replace(whole, parts=whole.parts * 2)
    with pytest.raises(InputError, match="in one part, not in 0$"):
        replace(whole, parts=())
    with pytest.raises(InputError, match=r"have shape \(3, 1\), not \(3, 2\)$"):
        replace(whole, parts=(replace(whole.parts[0], n=np.array([0])),))
    with pytest.raises(InputError, match=r"factors of inputs are positive finite numbers, not 0\.0$"):
        Divided(np.array([1, 0], np.float32))
