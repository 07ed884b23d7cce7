"""Scales that leave the greatest numbers outside the range, so that the others are rounded finer.

Each function takes weights ``[k, n]`` and a scheme and returns the weights rounded to nearest. Only what shares an innermost
scale is looked at: outer levels of scales, and code books fitted to a tensor, stay those of its greatest magnitude.

torchao, gguf and compressed-tensors search scales for integers of their own layouts; none takes a table of codes or a tree
of scales.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.quantized import QuantizedTensor, Scheme, codes_of, quantize
from sim.quantized.blocks import reduced
from sim.quantized.scales import LEAST
from workloads.recipes.calibration import Double, Reals

Start = Callable[[NDArray[np.float32], Scheme], QuantizedTensor]

RATIOS = tuple(np.arange(98, 29, -2) / 100)
"""Parts of the full range that are tried besides all of it."""

RATIOS_OF_POWERS = (2.0, 0.5, 0.25)
"""Those of E8M0: its next scales. Rounded down as the specification says, it may cut off half the greatest magnitude."""

PERCENTILE = 99.0
"""[%] Of magnitudes, or of either side where there are zero points, inside the range: the example of Wu et al."""


def by_max(weights: NDArray[np.float32], scheme: Scheme) -> QuantizedTensor:
    """Scales as :mod:`sim.quantized.quantize` says: nothing is cut off, or what the scheme's definition cuts off."""
    return quantize(weights, scheme, axis=0)


def by_mse(weights: NDArray[np.float32], scheme: Scheme) -> QuantizedTensor:
    """Of all ratios the scale of least squared error, for what shares a scale by itself; never worse than :func:`by_max`.

    A search over ratios as in Nagel et al., "A white paper on neural network quantization", arXiv 2106.08295, section 3.1.
    """
    best = quantize(weights, scheme, axis=0)
    if not scheme.levels:
        return best
    full, least = best, squared_errors(best, weights)
    for ratio in RATIOS_OF_POWERS if scheme.levels[-1].format == "e8m0" else RATIOS:
        tried = _narrowed(full, weights, ratio)
        errors = squared_errors(tried, weights)
        better = errors < least
        least = np.where(better, errors, least)
        zero = None if best.zero is None or tried.zero is None else np.where(better, tried.zero, best.zero)
        best = recoded(weights, best, (*best.scales[:-1], np.where(better, tried.scales[-1], best.scales[-1])), zero)
    return best


def by_percentile(weights: NDArray[np.float32], scheme: Scheme, percentile: float = PERCENTILE) -> QuantizedTensor:
    """Scales as if the numbers beyond a percentile [%] of what shares a scale were not there.

    Wu et al., "Integer quantization for deep learning inference", arXiv 2004.09602 (percentile calibration). Percentiles are
    interpolated.
    """
    if not 0 < percentile <= 100:
        raise InputError(f"a percentile is above 0 and at most 100, not {percentile}")
    parts = slices_of(len(weights), scheme.group_size or len(weights))
    over = None if scheme.levels and scheme.levels[-1].per == "tensor" else 0
    limited = np.empty_like(weights)
    for part in parts if scheme.levels else ():
        numbers = weights[part]
        if scheme.zero == "none":
            high = np.percentile(np.abs(numbers), percentile, axis=over)
            low = -high
        else:
            low, high = (np.percentile(numbers, p, axis=over) for p in (100 - percentile, percentile))
        limited[part] = np.clip(numbers, low, high)
    fitted = quantize(limited if scheme.levels else weights, scheme, axis=0)
    return recoded(weights, fitted, fitted.scales, fitted.zero)


STARTS: dict[str, Start] = {"max": by_max, "mse": by_mse, "percentile": by_percentile}


def slices_of(k: int, size: int) -> list[slice]:
    """Groups of so many consecutive ``k``, the last one shorter."""
    return [slice(start, min(start + size, k)) for start in range(0, k, size)]


def squared_errors(tensor: QuantizedTensor, weights: Reals) -> Double:
    """The sum of squared errors of what shares an innermost scale, shaped like those scales."""
    squares = np.subtract(tensor.dequantize(), weights, dtype=np.float64)
    np.square(squares, out=squares)
    return reduced(np.add, squares, tensor.scheme.finest_shape(tensor.shape, 0), 0, tensor.group_size)


def recoded(
    weights: NDArray[np.float32],
    tensor: QuantizedTensor,
    scales: tuple[NDArray[np.generic], ...],
    zero: NDArray[np.generic] | None,
) -> QuantizedTensor:
    """Weights rounded to nearest in a tensor's scheme by other scales and zero points."""
    return replace(tensor, codes=codes_of(weights, tensor.scheme, 0, scales, zero), scales=scales, zero=zero)


def _narrowed(full: QuantizedTensor, weights: NDArray[np.float32], ratio: float) -> QuantizedTensor:
    """The innermost scales times a ratio; an integer zero point stays, a float minimum moves towards the middle."""
    innermost = full.level_values(len(full.scales) - 1).astype(np.float64)
    stored = full.scheme.levels[-1].scale_format.round_scale(innermost * ratio, LEAST)
    zero = full.zero
    if zero is not None and full.scheme.zero == "minimum":
        total = innermost * np.prod([full.level_values(i).astype(np.float64) for i in range(len(full.scales) - 1)], axis=0)
        zero = (zero + total * full.format.largest * (1 - ratio) / 2).astype(np.float16)
    return recoded(weights, full, (*full.scales[:-1], stored), zero)
