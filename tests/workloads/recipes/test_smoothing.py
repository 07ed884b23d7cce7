"""SmoothQuant by the paper's own example and AWQ by its promise; neither changes what the float layer computes."""

from weakref import WeakSet

import numpy as np
import pytest

from sim.errors import InputError
from sim.quantized import Scheme
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair, errors_of
from workloads.recipes import RECIPES, awq, gptq, smoothquant
from workloads.recipes.layer import Part, QuantizedLayer
from workloads.recipes.smoothing import GRID, smoothing


def test_the_example_of_the_paper() -> None:
    """Figure 5 of SmoothQuant: the factors of its 2 x 4 activations and 4 x 3 weights are 1, 4, 1 and 3."""
    x = np.array([[1, -16, 2, 6], [-2, 8, -1, -9]], np.float32)
    w = np.array([[2, 1, -2], [1, -1, -1], [2, -1, -2], [-1, -1, 1]], np.float32)
    step = smoothing(w, x)
    assert step.factors.tolist() == [1, 4, 1, 3]
    assert step.of_activations(x).tolist() == [[1, -4, 2, 2], [-2, 2, -1, -3]]
    assert step.of_weights(w).tolist() == [[2, 1, -2], [4, -4, -4], [2, -1, -2], [-3, -3, 3]]


def test_strength_by_hand() -> None:
    """max|x| = 16 and max|w| = 81: equation 4 with 0, a quarter and 1."""
    x, w = np.float32([[16], [-2]]), np.float32([[-81, 3]])
    assert [smoothing(w, x, strength).factors[0] for strength in (0, 0.25, 1)] == pytest.approx([1 / 81, 2 / 27, 16])


@pytest.mark.parametrize("strength", [0, 0.3, 1])
def test_the_float_layer_stays_what_it_is(operands: Pair, strength: float) -> None:
    weights, activations = (x.astype(np.float64) for x in operands)
    step = smoothing(*operands, strength)
    exact = activations @ weights
    assert np.abs(step.of_activations(activations) @ step.of_weights(weights) - exact).max() <= 1e-5 * np.abs(exact).max()
    assert np.allclose(step.undone(step.of_weights(weights)), weights, rtol=1e-12)


def test_smoothing_helps_narrow_activations(operands: Pair) -> None:
    """Inputs of very different size: with four bits for a token the great ones leave nothing to the small ones."""
    weights, activations = operands
    narrow = Scheme(FORMATS_OF_ALL_KINDS["int4"].format, FORMATS_OF_ALL_KINDS["int4"].levels, group_size=40)
    eight = FORMATS_OF_ALL_KINDS["e4m3_channel"]
    exact = activations @ weights
    losses = [
        np.linalg.norm(RECIPES[name](*operands, eight).product(activations, narrow) - exact)
        for name in ("smoothquant", "nearest")
    ]
    assert losses[0] < losses[1]


def test_strength_that_is_none(operands: Pair) -> None:
    with pytest.raises(InputError, match=r"between 0 and 1, not 1\.5$"):
        smoothing(*operands, 1.5)


def test_awq_is_the_best_of_its_grid(operands: Pair) -> None:
    """Against the definition, worked out here: factors mean|x|**a, error of the outputs for the calibration activations."""
    weights, activations = operands
    scheme = FORMATS_OF_ALL_KINDS["int3_channel"]
    mean = np.abs(activations).mean(axis=0)
    losses = []
    for a in GRID:
        s = (mean / mean.max()) ** a
        s = (s / np.sqrt(s.min() * s.max())).astype(np.float32)
        q = RECIPES["nearest"](weights * s[:, None], activations, scheme).effective() / s[:, None]
        losses.append(((activations @ (q - weights)) ** 2).mean(axis=0).sum())
    assert errors_of(awq(*operands, scheme), operands).sum() == pytest.approx(min(losses), rel=1e-3)
    assert min(losses) < 0.8 * losses[0]


def test_awq_holds_the_best_and_the_one_that_is_tried(operands: Pair) -> None:
    parts: WeakSet[Part] = WeakSet()
    most = 0

    def inner(weights: np.ndarray, activations: np.ndarray, scheme: Scheme) -> QuantizedLayer:
        nonlocal most
        most = max(most, len(parts))
        layer = RECIPES["nearest"](weights, activations, scheme)
        parts.update(layer.parts)
        return layer

    awq(*operands, FORMATS_OF_ALL_KINDS["int3_channel"], inner)
    assert most <= 2


@pytest.mark.parametrize("name", ["e2m1"])
def test_recipes_go_into_each_other(operands: Pair, name: str) -> None:
    """GPTQ on what AWQ has scaled is better than either, or as good, for what AWQ tries is judged with it inside."""
    scheme = FORMATS_OF_ALL_KINDS[name]
    both = errors_of(awq(*operands, scheme, gptq), operands).sum()
    assert both <= errors_of(gptq(*operands, scheme), operands).sum() * (1 + 1e-9)
    assert len(smoothquant(*operands, scheme, inner=awq).boundary) == 2
