"""SmoothQuant and AWQ: a factor for each input moves magnitude from activations to weights, or back.

Libraries with either (llm-compressor, torchao) look for modules by name and round to integers of their own; the factors alone
are a line each.
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.quantized import Scheme
from workloads.recipes.boundary import Divided
from workloads.recipes.calibration import Double, check_operands, output_errors, second_moment
from workloads.recipes.layer import QuantizedLayer, Recipe, through
from workloads.recipes.rounding import nearest

STRENGTH = 0.5
"""How much of the difficulty goes to the weights: right for most models (SmoothQuant, section 4)."""

GRID = np.arange(21) / 20
"""Exponents that AWQ tries: 20 steps over [0, 1] (equation 5, section 5); 0 is no scaling. The authors' code leaves out 1."""

LEAST = 1e-4
"""Of the greatest mean magnitude: an input below counts as that, as one that is always 0 would have factor 0."""


def smoothquant(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    scheme: Scheme,
    strength: float = STRENGTH,
    inner: Recipe = nearest,
) -> QuantizedLayer:
    """Activations divided by the factors of :func:`smoothing`, then ``inner`` on what they and the weights have become."""
    return through(smoothing(weights, activations, strength), weights, activations, scheme, inner)


def smoothing(weights: NDArray[np.float32], activations: NDArray[np.float32], strength: float = STRENGTH) -> Divided:
    """``max|x_k|**strength / max|w_k|**(1 - strength)``; 1 for an input whose activations or weights are all 0.

    Xiao et al., "SmoothQuant: accurate and efficient post-training quantization for large language models", ICML 2023,
    equation 4.
    """
    check_operands(weights, activations)
    if not 0 <= strength <= 1:
        raise InputError(f"strength of smoothing is between 0 and 1, not {strength}")
    of_activations, of_weights = np.abs(activations).max(axis=0), np.abs(weights).max(axis=1)
    alive = (of_activations > 0) & (of_weights > 0)
    x, w = (np.where(alive, magnitudes, 1).astype(np.float64) for magnitudes in (of_activations, of_weights))
    return Divided((x**strength / w ** (1 - strength)).astype(np.float32))


def awq(
    weights: NDArray[np.float32], activations: NDArray[np.float32], scheme: Scheme, inner: Recipe = nearest
) -> QuantizedLayer:
    """``inner`` on weights whose important inputs are made greater, by as much as lowers the error of the outputs most.

    Factors are ``mean|x_k|**a`` with ``a`` from a grid. The loss is that of the layer's outputs with float activations, so
    the result is never worse than ``a = 0``, no scaling. Lin et al., "AWQ: activation-aware weight quantization for on-device
    LLM compression and acceleration", MLSys 2024, equations 4 and 5. As in the authors' code factors are divided by the
    geometric mean of the least and the greatest.
    """
    check_operands(weights, activations)
    moment = second_moment(activations)
    magnitudes = np.abs(activations).mean(axis=0, dtype=np.float64)
    magnitudes = np.maximum(magnitudes / (magnitudes.max() or 1), LEAST)
    # one after the other: of a large layer a single one fills memory
    tried = (through(_balanced(magnitudes**a), weights, activations, scheme, inner) for a in GRID)
    return min(tried, key=lambda layer: output_errors(moment, layer.effective() - weights).sum())


def _balanced(factors: Double) -> Divided:
    return Divided((factors / np.sqrt(factors.min() * factors.max())).astype(np.float32))
