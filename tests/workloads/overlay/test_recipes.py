"""Which recipes an overlay takes: exactly those that leave one tensor, whose zeros stay behind pruning."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.design import OverlayDesign
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
