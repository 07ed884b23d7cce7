"""Attention, mixtures of experts and KV cache of a model that runs on shapes alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache, PretrainedConfig
from transformers.integrations.moe import ExpertsInterface

from sim.errors import InputError
from sim.operators import VectorWork
from workloads.aten_products import Sizes
from workloads.lane_operations import LANES
from workloads.meta_trace import Recorder
from workloads.products import CHANGES_ATTENTION

IMPLEMENTATION = "shiftwise_shapes"
"""The name under which transformers finds attention and experts; it makes no masks for an attention of its own kind."""

SOFT_CAP = 3
"""Operations of a soft cap for each score: multiply, tanh, multiply."""

NOT_SEEN = tuple(name for name in CHANGES_ATTENTION if name not in ("softcap", "s_aux"))


_RECORDER: ContextVar[Recorder] = ContextVar("recorder")


@contextmanager
def layers_seen_by(recorder: Recorder) -> Iterator[None]:
    """Within the context, attention and experts are recorded as what they are made of."""
    token = _RECORDER.set(recorder)
    try:
        yield
    finally:
        _RECORDER.reset(token)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **extras: Any,
) -> tuple[Tensor, None]:
    """Grouped-query attention on ``[batch, heads, tokens, head_dim]``: scores, softmax, values.

    The square of a causal prefill is computed whole; masking is one operation for each of its scores. Raises
    ``InputError`` for what would change the work and is not counted here.
    """
    del attention_mask
    recorder = _RECORDER.get()
    name = recorder.names[module]
    for extra in NOT_SEEN:
        if extras.get(extra) is not None:
            raise InputError(f"attention of {name!r} uses {extra}, which is not counted; allowed is softmax attention")
    batch, heads, tokens, width = query.shape
    kv_heads, context = key.shape[1:3]
    rows, count = heads // kv_heads * tokens, batch * kv_heads
    scores = recorder.product(f"{name}.scores", Sizes(rows, width, context, count, (query, key)), "scores")
    each = LANES["_softmax"].operations + (scaling != 1) + (tokens > 1 and bool(getattr(module, "is_causal", False)))
    each += SOFT_CAP if extras.get("softcap") is not None else 0
    elements, sinks = count * rows * context, extras.get("s_aux")
    operations = each * elements
    if sinks is not None:  # one more number in the maximum and the sum of each row
        operations += LANES["_softmax"].operations * count * rows
    reads = elements + (0 if sinks is None else sinks.numel())
    softmax = VectorWork(f"{name}.softmax", "softmax", operations, reads, elements, count, (scores,))
    probabilities = recorder.made(query.new_empty(batch, heads, tokens, context), recorder.add(softmax))
    sizes = Sizes(rows, context, value.shape[-1], count, (probabilities, value))
    values = recorder.product(f"{name}.values", sizes, "values")
    return recorder.made(query.new_empty(batch, tokens, heads, value.shape[-1]), values), None


def _experts(module: Any, hidden: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """A mixture of experts on tokens ``[tokens, hidden]``, each of which chose ``top_k`` experts.

    Which ones is not known, so the tokens are spread evenly: ``min(experts, tokens * top_k)`` experts are at work and
    their rows differ by one at most; where they differ there are two products. A skewed router loads fewer experts with
    more rows, so this is the lightest load of the busiest expert, and the most weights that are read.
    """
    tokens, top_k = chosen.shape
    first = "gate_up_proj" if module.has_gate else "up_proj"
    rows = hidden.unsqueeze(1).expand(tokens, top_k, hidden.shape[-1]).reshape(tokens * top_k, -1)
    middle = _expert_product(module, first, rows, chosen)
    middle = module._apply_gate(middle) if module.has_gate else module.act_fn(middle)
    out = _expert_product(module, "down_proj", middle, chosen)
    if module.has_post_expert_norm:
        out = module.post_expert_norm(out)
    return (out * weights.reshape(-1, 1)).view(tokens, top_k, -1).sum(dim=1).to(hidden.dtype)


def _expert_product(module: Any, name: str, rows: Tensor, chosen: Tensor) -> Tensor:
    recorder, weight = _RECORDER.get(), getattr(module, name)
    experts, k, n = weight.shape if module.is_transposed else (weight.shape[0], *weight.shape[:0:-1])
    most, long = divmod(len(rows), experts)
    places = [
        recorder.product(f"{recorder.names[module]}.{name}", Sizes(m, k, n, count, (rows, chosen)))
        for m, count in ((most + 1, long), (most, experts - long))
        if m * count
    ]
    out = recorder.made(rows.new_empty(len(rows), n), *places)
    return out + getattr(module, f"{name}_bias")[:1] if module.has_bias else out


AttentionInterface.register(IMPLEMENTATION, _attention)
ExpertsInterface.register(IMPLEMENTATION, _experts)


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
