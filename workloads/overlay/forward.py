"""Hugging Face decoders on an overlay, in torch, bit for bit what the overlay computes.

The network is one of the families in :data:`workloads.overlay.decoder.FAMILIES`. Its parameters are rounded to fp16 first; so
are the tables of positions (:func:`rotary_tables`). Numbers between operations are fp16. ``special`` is
:mod:`sim.overlay.special`, with the design's ``special_lanes``; ``matrix_product`` is that of
:mod:`sim.kernels.product`, with exact sums. ``fp16`` rounds to nearest even; a result that does not fit is an ``InputError``.

Rows are those of new tokens. Before the first layer, GPT-2's and OPT's row is ``special.add`` of the token's embedding and the
position's, the others' is the token's embedding. Then for each layer::

    h = norm(x)                                                     rms_norm, or layer_norm, with epsilon as fp32
    q, k, v = linear(h)
    q, k = special.rotary(q or k of each head, cos, sin of its position, twice) where positions are turned
    x = special.add(x, linear(attention(q, k, v)))
    h = norm(x)
    a = special.multiply(activation(linear_gate(h)), linear_up(h))  or activation(linear_up(h)) without a gate
    x = special.add(x, linear(a))

and the logits are ``linear(norm(x))``, without a bias. Of a row ``x[k]`` and weights ``w[k, n]``::

    linear(x) = fp16(matrix_product(special.quantize(x), w))                    without a bias
                fp16(fp32(matrix_product(special.quantize(x), w) + bias))       with one, which is fp16

the weights in groups of ``group_size`` along ``k`` with fp16 scales. Attention is done for each head of keys and values, with
the queries that share it, each a row. Tokens are 0, 1, ... from the beginning of the sequence, ``t`` of them are cached, those
of the new tokens included; the query of token ``i`` sees tokens 0 to ``i``::

    K, s_k = special.quantize(k)  of each token and head            V, s_v = special.quantize(v)  the same
    scores = fp16(matrix_product(special.quantize(q), K.T))         [t]; the scale of a group of k is the token's s_k
    p = special.softmax(scores, head_dim ** -0.5, lanes, seen)      scale as fp32; scores that are not seen are not looked at
    c, power = special.quantize_folded(p, s_v)
    out = fp16(fp32(matrix_product(c, V) * power))                  groups of group_size tokens from token 0, scales of 1

``matrix_product`` adds groups in fp32 in their order, multiplies by the row's scale, and with ``power`` the result is rounded
to fp32 again. A group of ``k`` begins at a multiple of ``group_size`` of a head's numbers in scores, of tokens in values.
Probabilities of tokens that are not seen are 0, so are their codes, and adding 0 to a sum changes nothing: so a pass of one
token with the cache finds the bits of a pass of all tokens at once.

Seen on the embedded model tiny-stdlib, all 65,536 bytes of its held-out text in windows of 512 [bit per byte], weights rounded
to nearest in groups of 64:

======= ======== ==================================== ===========
weights in float same products, all else in fp32      the overlay
======= ======== ==================================== ===========
int8    1.1461   1.1465                               1.1467
int4    1.1461   1.1688                               1.1687
======= ======== ==================================== ===========
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from transformers import AttentionInterface, PreTrainedModel

from sim.errors import InputError
from sim.overlay import special
from workloads.accuracy import Logits
from workloads.kv_cache.positions import seen
from workloads.kv_cache.whole import whole_cache
from workloads.overlay.decoder import decoder_of
from workloads.overlay.hardware import OverlayHardware
from workloads.overlay.mode import OverlayMode, halves
from workloads.passes import Phase

Halves = special.Halves

ATTENTION = "shiftwise_overlay"
"""What transformers calls the attention function below."""


def overlay_logits(network: PreTrainedModel, hardware: OverlayHardware, phase: Phase = "prefill") -> Logits:
    """Logits of a network by an overlay, of all tokens at once or token by token with the cache, which are the same.

    Raises ``InputError`` for a network of another family or whose weights are not all held, and the function that is returned
    for more tokens than the decoder's context and for numbers that fp16 does not hold.
    """
    on_overlay = OverlayNetwork(network, hardware)
    return {"prefill": on_overlay.at_once, "decode": on_overlay.by_token}[phase]


def rotary_tables(network: PreTrainedModel, context: int) -> tuple[Halves, Halves]:
    """Cosines and sines ``[context, head_dim / 2]`` of every position, as torch computes them in fp32, in fp16."""
    module = next(module for module in network.modules() if hasattr(module, "inv_freq"))
    with torch.inference_mode():
        tables = module(torch.empty(0, dtype=torch.float16), torch.arange(context)[None])
    cos, sin = (table[0, :, : table.shape[-1] // 2].numpy().copy() for table in tables)
    return cos, sin


class OverlayNetwork:
    """A copy of a network in fp16 whose operations are an overlay's."""

    def __init__(self, network: PreTrainedModel, hardware: OverlayHardware) -> None:
        self.hardware = hardware
        self.lanes = hardware.overlay.special_lanes
        self.decoder = decoder_of(network.config)
        self.network = _in_fp16(network)
        self._mode: OverlayMode | None = None
        if self.decoder.rotary:
            tables = rotary_tables(network, self.decoder.context)
            self._positions = tuple(torch.from_numpy(np.tile(table, 2)) for table in tables)
        for name, module in self.network.named_modules():
            self._adapt(name, module)
        self.network.config._attn_implementation = ATTENTION

    def at_once(self, tokens: Tensor) -> Tensor:
        """Logits ``[sequences, tokens, vocabulary]`` of a prefill."""
        with self._pass(tokens, tokens.shape[1]):
            found: Tensor = self.network(tokens, position_ids=_positions(tokens, 0), use_cache=False).logits
        return found.float()

    def by_token(self, tokens: Tensor) -> Tensor:
        """Logits ``[sequences, tokens, vocabulary]`` of decode steps."""
        steps, cache = [], whole_cache(self.network)
        with self._pass(tokens, 1):
            for place, token in enumerate(torch.split(tokens, 1, dim=1)):
                step = self.network(token, position_ids=_positions(token, place), past_key_values=cache, use_cache=True)
                steps.append(step.logits)
                cache = step.past_key_values
        return torch.cat(steps, dim=1).float()

    @contextmanager
    def _pass(self, tokens: Tensor, new: int) -> Iterator[None]:
        if tokens.shape[1] > self.decoder.context:
            raise InputError(f"tokens of a sequence on this overlay are at most {self.decoder.context}, not {tokens.shape[1]}")
        self._mode = OverlayMode(self.network, self.hardware.multiply(new), self.lanes)
        with self._mode.watching():
            yield

    def _adapt(self, name: str, module: Any) -> None:
        """Have a module compute what is defined above where its operations, seen one by one, would not."""
        kind = type(module).__name__
        if kind.endswith("RMSNorm"):
            module.forward = partial(self._rms_norm, module)
        elif kind == "NewGELUActivation":
            module.forward = partial(nn.functional.gelu, approximate="tanh")
        elif hasattr(module, "inv_freq"):
            module.forward = self._angles
        elif hasattr(module, "is_causal") and hasattr(module, "scaling"):
            if module.scaling != module.head_dim**-0.5:
                raise InputError(f"scores of {name} are scaled by {module.head_dim**-0.5} on an overlay, not {module.scaling}")
            module.scaling = 1.0  # OPT's queries are not scaled: scores are, in the softmax
            module.overlay_attention = self._attention

    def _angles(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, ...]:
        del x
        return tuple(table[position_ids] for table in self._positions)

    def _rms_norm(self, module: Any, x: Tensor) -> Tensor:
        with _disable_current_modes():
            rows, weight = x.numpy().reshape(-1, x.shape[-1]), module.weight.numpy()
            return torch.from_numpy(special.rms_norm(rows, weight, module.variance_epsilon, self.lanes)).view(x.shape)

    def _attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """``[sequences, new, heads, head_dim]`` of queries, keys and values ``[sequences, heads, tokens, head_dim]``."""
        mode = self._mode
        assert mode is not None, "a pass is under way"
        with _disable_current_modes():
            (sequences, heads, new, width), (kv_heads, tokens) = query.shape, key.shape[1:3]
            queries = query.reshape(sequences * kv_heads, -1, width)
            keys, values = (cached.reshape(-1, tokens, width) for cached in (key, value))
            visible = torch.from_numpy(seen(queries.shape[1], tokens, new)).expand(len(queries), -1, -1)
            sums = mode.multiply(f"{mode.module}.scores", queries.float(), keys.mT)
            scores = halves(f"{mode.module}.scores", sums.where(visible, 0)).view(-1, tokens)
            chances = special.softmax(scores.numpy(), width**-0.5, self.lanes, visible.reshape(-1, tokens).numpy())
            rows = torch.from_numpy(chances).view(len(queries), -1, tokens)
            mixed = halves(f"{mode.module}.values", mode.multiply(f"{mode.module}.values", rows.float(), values))
            return mixed.view(sequences, heads, new, width).transpose(1, 2)


def _positions(tokens: Tensor, first: int) -> Tensor:
    """Of ``tokens [sequences, new]`` that begin there; told to all networks, for OPT counts them in fp32."""
    return torch.arange(first, first + tokens.shape[1]).expand_as(tokens)


def _attention_of_module(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """What transformers calls."""
    if mask is not None or options.get("dropout"):
        raise InputError("attention on an overlay is causal, without another mask and without dropout")
    attention: Callable[[Tensor, Tensor, Tensor], Tensor] = module.overlay_attention
    return attention(query, key, value), None


AttentionInterface.register(ATTENTION, _attention_of_module)


def _in_fp16(network: PreTrainedModel) -> PreTrainedModel:
    if any(parameter.is_meta for parameter in network.parameters()):
        raise InputError("a network on an overlay holds all of its weights, which is not so of one that reads them from files")
    half = copy.deepcopy(network).half().eval().requires_grad_(False)
    for name, parameter in half.named_parameters():
        if not parameter.isfinite().all():
            raise InputError(f"parameters on an overlay are fp16 numbers, at most 65504 in size, which is not so of {name}")
    return half
