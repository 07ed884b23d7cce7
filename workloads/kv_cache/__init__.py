"""Recipes that a KV cache is quantized by, one line each. Attention's products by them: :mod:`workloads.kv_cache.attention`.

Products are as :mod:`workloads.products` sees them: ``<module>.scores`` of queries ``[count, m, d_head]`` and keys
``[count, d_head, tokens]``, ``<module>.values`` of probabilities ``[count, m, tokens]`` and values ``[count, tokens,
d_head]``; ``count`` is batch times heads of keys and values. The last ``new`` of the tokens are those that are computed
together, and row ``r`` is the query of new token ``r % new``. A query sees tokens up to its own: other scores are masked
afterwards, other probabilities are 0. No result depends on how many tokens are computed together.
"""

from typing import Protocol

from sim.design import DesignPoint
from sim.errors import choose
from sim.formats import Format
from workloads.kv_cache.kivi import Kivi
from workloads.kv_cache.per_token import PerToken
from workloads.kv_cache.products import Array, Floats

__all__ = ["KV_RECIPES", "Array", "KVRecipe", "Kivi", "PerToken", "kv_bits"]


class KVRecipe(Protocol):
    """How one head's cache is quantized, and its products by an array."""

    def scores(self, queries: Floats, keys: Floats, new: int, array: Array) -> Floats:
        """``[m, tokens]`` of queries ``[m, d_head]`` and keys ``[d_head, tokens]``."""

    def values(self, probabilities: Floats, values: Floats, new: int, array: Array) -> Floats:
        """``[m, d_head]`` of probabilities ``[m, tokens]`` and values ``[tokens, d_head]``."""

    def bits(self, format_: Format, d_head: int) -> float:
        """Storage [bit] of a cached number, scales and zero points included."""


FLOAT = "float"
FLOAT_BITS = 32

KV_RECIPES: dict[str, KVRecipe | None] = {FLOAT: None, "per_token": PerToken(), "kivi": Kivi()}
"""``float``: products as torch computes them in fp32, nothing is quantized."""


def kv_bits(design: DesignPoint, recipe: str | KVRecipe, d_head: int) -> float:
    """Storage [bit] of a cached number, scales and zero points counted, a window of full precision not."""
    chosen = choose("KV recipe", recipe, KV_RECIPES) if isinstance(recipe, str) else recipe
    return FLOAT_BITS if chosen is None else chosen.bits(design.attention.weight, d_head)
