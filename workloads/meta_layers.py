"""Attention and KV cache of a model that runs on sizes alone."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache, PretrainedConfig

from workloads.rewrites import attention

IMPLEMENTATION = "shiftwise_shapes"
"""The name under which transformers finds this attention; it makes no masks for one of a kind of its own."""


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **extras: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it, on ``[batch, heads, tokens, head_dim]``.

    The square of a causal prefill is computed whole; masking is one operation for each of its scores.
    """
    del attention_mask
    causal = query.shape[2] > 1 and bool(getattr(module, "is_causal", False))
    bias, softcap, sinks = (extras.get(name) for name in ("position_bias", "softcap", "s_aux"))
    return attention(query, key, value, bias, causal, scaling, softcap, sinks).transpose(1, 2), None


AttentionInterface.register(IMPLEMENTATION, _attention)


class Past(DynamicCache):  # type: ignore[misc]
    """A KV cache that holds ``past`` tokens of every sequence, or as many as a layer's sliding window keeps of them."""

    def __init__(self, config: PretrainedConfig, past: int) -> None:
        super().__init__(config=config)
        self.past = past

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """The cached and the new keys and values ``[batch, kv_heads, context, head_dim]``."""
        del args, kwargs
        window = getattr(self.layers[layer_idx], "sliding_window", None) if layer_idx < len(self.layers) else None
        kept = self.past if window is None else min(self.past, window - 1)
        return _after(keys, kept), _after(values, kept)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens of each sequence so far."""
        del layer_idx
        return self.past


def _after(new: Tensor, kept: int) -> Tensor:
    batch, heads, _, width = new.shape
    return torch.cat([new.new_empty(batch, heads, kept, width), new], dim=-2)
