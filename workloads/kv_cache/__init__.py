"""Recipes that a KV cache is quantized by, one line each, and attention's two products by a design and a recipe.

Products are as :mod:`workloads.products` sees them: ``<module>.scores`` of queries ``[count, m, d_head]`` and keys
``[count, d_head, tokens]``, ``<module>.values`` of probabilities ``[count, m, tokens]`` and values ``[count, tokens,
d_head]``; ``count`` is batch times heads of keys and values. The last ``new`` of the tokens are those that are computed
together, and row ``r`` is the query of new token ``r % new``. A query sees tokens up to its own: other scores are masked
afterwards, other probabilities are 0. No result depends on how many tokens are computed together.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sim.design import DesignPoint
from sim.errors import InputError, choose
from sim.formats import Format
from workloads.kv_cache.kivi import Kivi
from workloads.kv_cache.per_token import PerToken
from workloads.kv_cache.products import Floats
from workloads.products import float_multiply

__all__ = ["KV_RECIPES", "Attention", "KVRecipe", "Kivi", "PerToken", "attention_products", "kv_bits"]

Attention = Callable[[str, Tensor, Tensor, int], Tensor]
"""From a product's name, activations ``[count, m, k]``, weights ``[count, k, n]`` and new tokens to ``[count, m, n]``."""


class KVRecipe(Protocol):
    """How one head's cache is quantized, and its products for a design as its cache sees it (``design.attention``)."""

    def scores(self, queries: Floats, keys: Floats, new: int, design: DesignPoint) -> Floats:
        """``[m, tokens]`` of queries ``[m, d_head]`` and keys ``[d_head, tokens]``."""

    def values(self, probabilities: Floats, values: Floats, new: int, design: DesignPoint) -> Floats:
        """``[m, d_head]`` of probabilities ``[m, tokens]`` and values ``[tokens, d_head]``."""

    def bits(self, format_: Format, d_head: int) -> float:
        """Storage [bit] of a cached number, scales and zero points included."""


FLOAT = "float"
FLOAT_BITS = 32

KV_RECIPES: dict[str, KVRecipe | None] = {FLOAT: None, "per_token": PerToken(), "kivi": Kivi()}
"""``float``: products as torch computes them in fp32, nothing is quantized."""


def attention_products(design: DesignPoint, recipe: str | KVRecipe) -> Attention:
    """Attention's products by the exact arithmetic of a design, its cache quantized by a recipe or the one of that name.

    Raises ``InputError`` for an unknown name, and the function that is returned for new tokens that are not among those
    of the cache.
    """
    chosen = choose("KV recipe", recipe, KV_RECIPES) if isinstance(recipe, str) else recipe
    seen = design.attention

    def attention(name: str, activations: Tensor, weights: Tensor, new: int) -> Tensor:
        if chosen is None:
            return float_multiply(name, activations, weights)
        is_scores = name.rpartition(".")[2] == "scores"
        rows, tokens = activations.shape[1], weights.shape[2 if is_scores else 1]
        if not 1 <= new <= tokens or rows % new:
            raise InputError(f"new tokens are between 1 and {tokens} and divide {rows} rows of queries, not {new}")
        one = chosen.scores if is_scores else chosen.values
        heads = zip(activations.float().numpy(), weights.float().numpy(), strict=True)
        return torch.from_numpy(np.stack([one(a, w, new, seen) for a, w in heads])).to(activations.dtype)

    return attention


def kv_bits(design: DesignPoint, recipe: str | KVRecipe, d_head: int) -> float:
    """Storage [bit] of a cached number, scales and zero points counted, a window of full precision not."""
    chosen = choose("KV recipe", recipe, KV_RECIPES) if isinstance(recipe, str) else recipe
    return FLOAT_BITS if chosen is None else chosen.bits(design.attention.weight, d_head)
