"""Mixed widths: which parts are wide, what they cost in bits."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.quantized import SCHEMES, Scheme
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair, errors_of
from workloads.recipes import RECIPES, gptq, mixed_blocks, mixed_outputs, rotated
from workloads.recipes.mixed import greatest


def test_the_outputs_that_lose_most_are_wide(operands: Pair) -> None:
    """Outputs 3 and 7 of 12 are a hundred times the others: a sixth of them is wide, in int8."""
    weights, activations = operands
    weights = weights.copy()
    weights[:, [3, 7]] *= 100
    layer = mixed_outputs(weights, activations, FORMATS_OF_ALL_KINDS["int4"], 1 / 6)
    narrow, wide = layer.parts
    assert wide.n.tolist() == [3, 7]
    assert (narrow.weights.format.name, wide.weights.format.name) == ("int4", "int8")
    assert layer.bits == 40 * (10 * 4 + 2 * 8) + 3 * 12 * 16 + 12


def test_the_blocks_that_lose_most_are_wide(operands: Pair) -> None:
    """Groups of 16 of 40 inputs: the second has activations a hundred times as great. The last one is short."""
    weights, activations = operands
    activations = activations.copy()
    activations[:, 16:32] *= 100
    layer = mixed_blocks(weights, activations, FORMATS_OF_ALL_KINDS["int4"], 1 / 3)
    narrow, wide = layer.parts
    assert wide.k.tolist() == list(range(16, 32))
    assert narrow.k.tolist() == [*range(16), *range(32, 40)]
    assert layer.bits == 12 * (24 * 4 + 16 * 8) + 3 * 12 * 16 + 3
    plain = RECIPES["nearest"](weights, activations, FORMATS_OF_ALL_KINDS["int4"])
    assert errors_of(layer, (weights, activations)).sum() < 0.1 * errors_of(plain, (weights, activations)).sum()


def test_parts_keep_the_scales_of_their_groups(operands: Pair) -> None:
    """Rounded apart, a group of weights gets the codes and the scale that it has in the whole."""
    weights, activations = operands
    layer = mixed_blocks(weights, activations, FORMATS_OF_ALL_KINDS["int4"], 1 / 3)
    whole = RECIPES["nearest"](weights, activations, FORMATS_OF_ALL_KINDS["int4"]).effective()
    assert np.array_equal(layer.effective()[layer.parts[0].k], whole[layer.parts[0].k])


def test_recipes_go_into_parts_and_parts_into_a_rotation(operands: Pair, scheme: Scheme) -> None:
    weights, activations = operands
    for mixed in (mixed_outputs, mixed_blocks):
        layer = mixed(weights, activations, scheme, inner=gptq)
        assert np.isfinite(layer.effective()).all()
        assert len(rotated(weights, activations, scheme, mixed).boundary) == 1
        with pytest.raises(InputError, match="without a boundary or bias of their own"):
            mixed(weights, activations, scheme, inner=rotated)


def test_all_may_be_wide(operands: Pair) -> None:
    weights, activations = operands
    for mixed in (mixed_outputs, mixed_blocks):
        layer = mixed(weights, activations, FORMATS_OF_ALL_KINDS["int3_channel"], 1)
        assert np.array_equal(layer.effective(), RECIPES["nearest"](weights, activations, SCHEMES["int8_channel"]).effective())


def test_shares_that_are_none() -> None:
    for share in (0, 1.5, -1):
        with pytest.raises(InputError, match=f"above 0 and at most 1, not {share}$"):
            greatest(np.ones(4), share)
    assert greatest(np.array([1.0, 5, 2, 4]), 0.01).tolist() == [False, True, False, False]
