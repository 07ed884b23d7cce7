"""Which recipes an overlay takes: exactly those that leave one tensor, whose zeros stay behind pruning."""

from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.budget import filled
from sim.overlay.design import OverlayDesign, load_overlay
from sim.overlay.sparsity import least_densities
from workloads.overlay.recipes import ONE_TENSOR, overlay_recipe
from workloads.recipes import RECIPES

DENSE = OverlayDesign("dense", sparse=False, kept=16, group_size=32)
SPARSE = OverlayDesign("sparse", kept=8, group_size=32)


@pytest.mark.parametrize("name", RECIPES)
def test_what_a_recipe_leaves(name: str, rng: np.random.Generator) -> None:
    weights, activations = (rng.standard_normal(shape).astype(np.float32) for shape in ((64, 32), (80, 64)))
    scheme = DENSE.schemes["int4"]
    layer = RECIPES[name](weights, activations, scheme)
    is_one = len(layer.parts) == 1 and not layer.boundary and layer.bias is None and layer.parts[0].weights.scheme == scheme
    assert is_one == (name in ONE_TENSOR)
    if not is_one:
        with pytest.raises(InputError, match=f"recipe of an overlay is one that leaves one tensor: nearest, .*, not '{name}'"):
            overlay_recipe(DENSE, name)
        return
    assert np.array_equal(overlay_recipe(DENSE, name)(weights, activations, scheme).effective(), layer.effective())
    left = overlay_recipe(SPARSE, name)(weights, activations, scheme).effective()
    assert (np.count_nonzero(left.reshape(4, 16, 32), axis=1) <= 8).all()
    assert np.count_nonzero(left) > 0.8 * 64 * 32 / 2


@pytest.mark.parametrize("name", ["nearest", "gptq"])
def test_n_of_blocks_is_where_it_counts(name: str, rng: np.random.Generator) -> None:
    """Of two blocks of a group the one with greater weights keeps more; what is left fits the design's cells."""
    weights = np.kron(np.tile([[4], [1]], (3, 1)), np.ones((16, 32))) * rng.uniform(0.5, 1, (96, 32))
    activations, scheme = rng.standard_normal((200, 96)).astype(np.float32), DENSE.schemes["int4"]
    left = overlay_recipe(replace(SPARSE, kept=6, per_block=True), name)(weights.astype(np.float32), activations, scheme)
    least = least_densities(left.effective() != 0)
    assert filled(least, 6, 2).tolist() == [[8, 8], [4, 4]] * 3


def test_weights_that_are_multiplied_in_fp16_are_rounded_by_no_recipe() -> None:
    design = load_overlay("dfx-u280")
    assert overlay_recipe(design, "nearest") is RECIPES["nearest"]
    with pytest.raises(InputError, match="weights of dfx-u280 are fp16 numbers, so its recipe is nearest, not 'gptq'"):
        overlay_recipe(design, "gptq")
