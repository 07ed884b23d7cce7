"""Recipes that weights of an overlay are quantized by: those that leave one tensor, of a sparse design behind pruning."""

from functools import partial

from sim.errors import InputError
from sim.overlay.design import OverlayDesign
from workloads.recipes import RECIPES, WEIGHTS_ALONE
from workloads.recipes.compensation import gptq
from workloads.recipes.layer import Recipe
from workloads.recipes.pruning import Budget, Uniform, pruned

ONE_TENSOR = (*WEIGHTS_ALONE, "gptq", "gptq_max", "gptq_activation_order", "learned_rounding")
"""Of :data:`workloads.recipes.RECIPES`, those without a boundary for activations, a bias of their own or scales of scales."""


def overlay_recipe(design: OverlayDesign, name: str) -> Recipe:
    """The recipe of that name for an overlay's weights.

    A sparse design's keeps ``kept`` of 16, of each block or in the mean of a group of them: the greatest where the recipe looks
    at weights alone, and those that cost most to lose where it is calibrated. Raises ``InputError`` for a recipe that leaves
    more than one tensor.
    """
    if name not in ONE_TENSOR:
        raise InputError(f"recipe of an overlay is one that leaves one tensor: {', '.join(ONE_TENSOR)}, not {name!r}")
    if not design.quantized and name != "nearest":
        raise InputError(f"weights of {design.name} are fp16 numbers, so its recipe is nearest, not {name!r}")
    recipe = RECIPES[name]
    if not design.is_sparse:
        return recipe
    pruning = "magnitude" if name in WEIGHTS_ALONE else "second_order"
    return partial(pruned, pattern=_pattern(design), pruning=pruning, inner=_with_zeros(recipe))


def _pattern(design: OverlayDesign) -> Uniform | Budget:
    """Of a sparse design: one N for all blocks, or one for each in its budget."""
    return Budget(design.kept, design.group_size) if design.per_block else Uniform(design.kept)


def _with_zeros(recipe: Recipe) -> Recipe:
    """The recipe such that weights of 0 stay."""
    made_of, options = (recipe.func, recipe.keywords) if isinstance(recipe, partial) else (recipe, {})
    return partial(gptq, **options, keep_zeros=True) if made_of is gptq else recipe
