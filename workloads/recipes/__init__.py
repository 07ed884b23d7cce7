"""Recipes that weights are quantized by, one line each; any works with any scheme. Tests are parametrised over them.

Equalization takes two layers, so it is beside them: :func:`workloads.recipes.equalization.equalized`.
"""

from functools import partial

from workloads.recipes.bias import bias_corrected
from workloads.recipes.boundary import Boundary, Divided, Rotated
from workloads.recipes.clipping import STARTS, by_max, by_mse, by_percentile
from workloads.recipes.compensation import gptq
from workloads.recipes.equalization import equalized
from workloads.recipes.layer import Part, QuantizedLayer, Recipe
from workloads.recipes.learned import learned_rounding
from workloads.recipes.mixed import mixed_blocks, mixed_outputs
from workloads.recipes.rotation import rotated
from workloads.recipes.rounding import nearest
from workloads.recipes.smoothing import awq, smoothquant
from workloads.recipes.two_level import dual_grained, progressive

__all__ = [
    "RECIPES",
    "STARTS",
    "WEIGHTS_ALONE",
    "Boundary",
    "Divided",
    "Part",
    "QuantizedLayer",
    "Recipe",
    "Rotated",
    "awq",
    "bias_corrected",
    "dual_grained",
    "equalized",
    "gptq",
    "learned_rounding",
    "mixed_blocks",
    "mixed_outputs",
    "nearest",
    "progressive",
    "rotated",
    "smoothquant",
]

RECIPES: dict[str, Recipe] = {
    "nearest": nearest,
    "nearest_mse": partial(nearest, start=by_mse),
    "nearest_percentile": partial(nearest, start=by_percentile),
    "bias_correction": bias_corrected,
    "smoothquant": smoothquant,
    "awq": awq,
    "gptq": partial(gptq, activation_order=False),
    "gptq_max": partial(gptq, start=by_max),
    "gptq_activation_order": gptq,
    "rotation": rotated,
    "rotation_gptq": partial(rotated, inner=gptq),
    "learned_rounding": learned_rounding,
    "two_level_qserve": progressive,
    "two_level_dgq": dual_grained,
    "mixed_outputs": mixed_outputs,
    "mixed_blocks": mixed_blocks,
}
"""From weights ``[k, n]``, calibration activations ``[m, k]`` and a scheme to a :class:`QuantizedLayer`."""

WEIGHTS_ALONE = ("nearest", "nearest_mse", "nearest_percentile")
"""Recipes whose result does not depend on the activations."""
