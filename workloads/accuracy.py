"""Accuracy of a language model whose linear layers are computed by the simulated hardware."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sim.design import DesignPoint
from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.quantized import QuantizedTensor, quantize
from workloads.checkpoint import LanguageModel
from workloads.products import Multiply, float_multiply, products_by

WINDOW = 512
"""Tokens that are predicted together, each window begun afresh."""


def hardware_multiply(design: DesignPoint) -> Multiply:
    """Products with weights by the design's arithmetic, bit for bit; attention's as torch computes them.

    Weights are quantized when they are first met and kept, and so are the weights themselves: as long as they are, no
    others can be in their place.
    """
    kept: dict[str, tuple[Tensor, list[QuantizedTensor]]] = {}

    def quantized(name: str, weights: Tensor) -> list[QuantizedTensor]:
        if name not in kept or not _is_same(kept[name][0], weights):
            kept[name] = weights, [quantize(w.numpy(), design.weight_scheme, axis=0) for w in weights.float()]
        return kept[name][1]

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if name.endswith((".scores", ".values")):
            return float_multiply(name, activations, weights)
        rows = (quantize(a.numpy(), design.activation_scheme, axis=1) for a in activations.float())
        pairs = zip(rows, quantized(name, weights), strict=True)
        result = np.stack([matrix_product(a, w, design.accumulator) for a, w in pairs])
        if not np.isfinite(result).all():
            bad = result[~np.isfinite(result)][0]
            raise InputError(f"results of {name} fit the accumulator {design.accumulator} or fp32, which is not so of {bad}")
        return torch.from_numpy(result).to(activations.dtype)

    return multiply


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are one view of the same memory."""
    return (one.data_ptr(), one.shape, one.stride()) == (other.data_ptr(), other.shape, other.stride())


def bits_per_byte(
    model: LanguageModel,
    text: bytes,
    multiply: Multiply = float_multiply,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """Cross entropy [bit per byte of text] of the model on a text, in windows of at most ``WINDOW`` tokens.

    ``progress`` is told windows done and in all. Raises ``InputError`` for a text without two tokens.
    """
    tokens = model.encode(text)
    if len(tokens) < 2:
        raise InputError(f"a text of at least 2 tokens is needed, not {len(tokens)}")
    length = min(WINDOW, model.context)
    starts = range(0, len(tokens) - 1, length)
    total = 0.0
    with torch.inference_mode(), products_by(model.network, multiply):
        for index, start in enumerate(starts):
            window = tokens[start : start + length + 1]
            logits = model.network(window[None, :-1], use_cache=False).logits[0]
            total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
            if progress:
                progress(index + 1, len(starts))
    predicted = len(text) * (len(tokens) - 1) / len(tokens)
    return total / math.log(2) / predicted
