"""Traces: every matrix product of one forward pass with its real operands, in order."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.errors import InputError
from sim.schedule import Product
from workloads.checkpoint import LanguageModel
from workloads.passes import Phase, check_pass
from workloads.products import float_multiply, products_by


@dataclass(frozen=True)
class TracedProduct:
    """A matrix product as the model computed it: activations ``[count, m, k]``, weights ``[count, k, n]``, in fp32."""

    name: str
    activations: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def kind(self) -> str:
        """``scores`` or ``values`` of an attention, else ``linear``."""
        last = self.name.rpartition(".")[2]
        return last if last in ("scores", "values") else "linear"

    @property
    def shape(self) -> Product:
        """The product's name and sizes alone."""
        count, m, k = self.activations.shape
        return Product(self.name, m, k, self.weights.shape[2], count)


def trace(model: LanguageModel, tokens: Tensor, phase: Phase, batch: int, sequence: int) -> tuple[TracedProduct, ...]:
    """Products of a prefill of ``batch`` sequences, or of the decode step that makes each ``sequence`` tokens long.

    The sequences are consecutive stretches of ``tokens``. As in generation, only the last position's logits are
    computed. Raises ``InputError`` for a phase, batch or sequence that cannot be run.
    """
    check_pass(phase, batch, sequence)
    if sequence > model.context:
        raise InputError(f"sequence is at most the model's context of {model.context} tokens, not {sequence}")
    if batch * sequence > len(tokens):
        raise InputError(f"batch x sequence is at most the text's {len(tokens)} tokens, not {batch} x {sequence}")
    windows = tokens[: batch * sequence].reshape(batch, sequence)
    recorded: list[TracedProduct] = []

    def record(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        recorded.append(TracedProduct(name, activations.numpy().copy(), weights.contiguous().numpy()))
        return float_multiply(name, activations, weights)

    with torch.inference_mode():
        cache = None
        if phase == "decode" and sequence > 1:
            cache = model.network(windows[:, :-1], use_cache=True, logits_to_keep=1).past_key_values
        with products_by(model.network, record):
            if phase == "prefill":
                model.network(windows, use_cache=False, logits_to_keep=1)
            else:
                model.network(windows[:, -1:], past_key_values=cache, use_cache=True, logits_to_keep=1)
    return tuple(recorded)
