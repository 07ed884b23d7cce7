"""How far a model whose weights are rounded is from the float one: the divergence of the tokens that both predict."""

from collections.abc import Callable

import torch
from torch import Tensor

from sim.design import DesignPoint
from workloads.accuracy import float_logits
from workloads.allocation.allocation import Allocation
from workloads.checkpoint import LanguageModel
from workloads.products import Multiply, float_multiply, is_attention, products_by
from workloads.recipes.rounding import nearest


def divergence_from(model: LanguageModel, tokens: Tensor, design: DesignPoint) -> Callable[[Allocation], float]:
    """A function that says of an allocation by how much [nat/token] the predictions for ``tokens [sequences, tokens]`` diverge.

    The mean Kullback-Leibler divergence of the float model's distribution of the next token to that of the model whose layers
    in the allocation are rounded to nearest, products in float32.
    """
    exact = _log_probabilities(model, tokens, float_multiply)

    def divergence(allocation: Allocation) -> float:
        found = _log_probabilities(model, tokens, rounded(allocation, design))
        return float((exact.exp() * (exact - found)).sum(-1).mean())

    return divergence


def rounded(allocation: Allocation, design: DesignPoint) -> Multiply:
    """Products whose weights are rounded where the allocation has them, in float32."""

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if is_attention(name) or not allocation.formats_of(name):
            return float_multiply(name, activations, weights)
        recipe = allocation.recipe(name, nearest)
        pairs = zip(weights.float().numpy(), activations.float().numpy(), strict=True)
        layers = [recipe(w, a, design.weight_scheme).effective() for w, a in pairs]
        return float_multiply(name, activations, torch.stack([torch.from_numpy(w).to(weights.dtype) for w in layers]))

    return multiply


def _log_probabilities(model: LanguageModel, tokens: Tensor, multiply: Multiply) -> Tensor:
    with torch.inference_mode(), products_by(model.network, multiply):
        return float_logits(model.network)(tokens).double().log_softmax(-1)
