"""Attention's two products by the exact arithmetic of a design, its KV cache quantized by a recipe."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sim.design import DesignPoint
from sim.errors import InputError, choose
from sim.kernels.product import matrix_product
from workloads.kv_cache import KV_RECIPES, Array, KVRecipe
from workloads.products import float_multiply
from workloads.recipes.layer import MatrixProduct


class Attention(Protocol):
    """From a product's name, activations ``[count, m, k]``, weights ``[count, k, n]`` and new tokens to ``[count, m, n]``.

    What is quantized is multiplied by ``multiply``.
    """

    def __call__(
        self, name: str, activations: Tensor, weights: Tensor, new: int, multiply: MatrixProduct = matrix_product
    ) -> Tensor: ...


def attention_products(design: DesignPoint, recipe: str | KVRecipe) -> Attention:
    """Attention's products by the exact arithmetic of a design, its cache quantized by a recipe or the one of that name.

    Raises ``InputError`` for an unknown name, and the function that is returned for new tokens that are not among those
    of the cache.
    """
    chosen = choose("KV recipe", recipe, KV_RECIPES) if isinstance(recipe, str) else recipe

    def attention(
        name: str, activations: Tensor, weights: Tensor, new: int, multiply: MatrixProduct = matrix_product
    ) -> Tensor:
        if chosen is None:
            return float_multiply(name, activations, weights)
        is_scores = name.rpartition(".")[2] == "scores"
        rows, tokens = activations.shape[1], weights.shape[2 if is_scores else 1]
        if not 1 <= new <= tokens or rows % new:
            raise InputError(f"new tokens are between 1 and {tokens} and divide {rows} rows of queries, not {new}")
        one = chosen.scores if is_scores else chosen.values
        array = Array(design.attention, multiply)
        heads = zip(activations.float().numpy(), weights.float().numpy(), strict=True)
        return torch.from_numpy(np.stack([one(a, w, new, array) for a, w in heads])).to(activations.dtype)

    return attention
