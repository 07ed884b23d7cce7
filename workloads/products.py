"""A model's forward pass with every matrix product handed to one function.

Tracing records the operands, hardware in the loop computes the result: both are a ``multiply`` function. Linear
layers are called by their module's name; attention is two products for each key-value head, named
``<attention module>.scores`` and ``.values``, the queries that share the head stacked along ``m``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

from sim.errors import InputError

Multiply = Callable[[str, Tensor, Tensor], Tensor]
"""From a name, activations ``[count, m, k]`` and weights ``[count, k, n]`` to the products ``[count, m, n]``."""

ATTENTION = "shiftwise_products"

CHANGES_ATTENTION = ("softcap", "s_aux", "position_bias", "head_mask")
"""Arguments of transformers' attention functions that change what is computed."""


def float_multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
    """The product as torch computes it."""
    del name
    return activations @ weights


@contextmanager
def products_by(network: PreTrainedModel, multiply: Multiply) -> Iterator[None]:
    """Within the context, the network's linear layers and attention products are computed by ``multiply``."""
    linears = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    names = {module: name for name, module in network.named_modules()}
    previous = network.config._attn_implementation
    AttentionInterface.register(ATTENTION, partial(_attention, multiply, names))
    AttentionMaskInterface.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["eager"])
    network.set_attn_implementation(ATTENTION)
    for name, module in linears.items():
        module.forward = partial(_linear, multiply, name, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in linears.values():
            del module.forward
        network.set_attn_implementation(previous)


def _linear(multiply: Multiply, name: str, module: nn.Linear, x: Tensor) -> Tensor:
    y = multiply(name, x.reshape(1, -1, x.shape[-1]), module.weight.T[None]).reshape(*x.shape[:-1], -1)
    return y if module.bias is None else y + module.bias


def _attention(
    multiply: Multiply,
    names: dict[nn.Module, str],
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **extras: Any,
) -> tuple[Tensor, Tensor]:
    """Grouped-query attention (Ainslie et al., arXiv 2305.13245) on ``[batch, heads, sequence, head_dim]`` operands.

    Sliding windows are in the mask. Raises ``InputError`` for what would change the result and is not computed here.
    """
    for name in CHANGES_ATTENTION:
        if extras.get(name) is not None:
            raise InputError(
                f"attention of {names[module]!r} uses {name}, which is not simulated; allowed is plain softmax attention"
            )
    batch, heads, length, width = query.shape
    kv_heads, context = key.shape[1:3]
    stacked = query.reshape(batch * kv_heads, -1, width)
    scores = multiply(f"{names[module]}.scores", stacked, key.flatten(0, 1).transpose(1, 2))
    scores = scores.reshape(batch, heads, length, context) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    values = multiply(f"{names[module]}.values", probabilities.reshape(batch * kv_heads, -1, context), value.flatten(0, 1))
    return values.reshape(batch, heads, length, width).transpose(1, 2).contiguous(), probabilities
