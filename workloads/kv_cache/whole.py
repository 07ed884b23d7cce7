"""A cache that transformers fills and that drops no token, for recipes that quantize tokens by where they stand."""

from torch import nn
from transformers import DynamicCache

BEYOND_ANY = 1 << 40
"""[token] More than any sequence has."""


def whole_cache(network: nn.Module) -> DynamicCache | None:
    """An empty cache for a network, or ``None`` where its own keeps every token.

    Layers that attend to a sliding window or a chunk keep no more than that, and what is left begins in the middle of the
    groups that keys were quantized in. Here they keep all; what a query does not see is masked, as in a prefill.
    """
    cache = DynamicCache(config=network.config)
    limited = [layer for layer in cache.layers if layer.is_sliding]
    for layer in limited:
        layer.sliding_window = BEYOND_ANY
    return cache if limited else None
