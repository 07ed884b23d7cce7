"""GPTQ: weights are rounded one input after the other, and those not rounded yet make up for the error.

Frantar et al., "GPTQ: accurate post-training quantization for generative pre-trained transformers", ICLR 2023, algorithm 1.
With ``U`` upper triangular and ``U^T U = H^-1`` (section 4, step 3), input ``i`` is rounded, its error divided by
``U[i, i]``, and that times ``U[i, j]`` subtracted from every later input ``j``: together they are then the least squares
solution for what is left. Activation order, from the authors' code: inputs of great second moment first.

Scales are those of the float weights ("static groups" in the authors' code), so that with any order a group stays
consecutive ``k``, which is what an array accumulates. The algorithm is greedy and may lose against rounding to nearest; since
outputs do not depend on each other, of each the better of both is kept. Libraries that have GPTQ (GPTQModel, llm-compressor)
round to integers alone.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.quantized import QuantizedTensor, Scheme, codes_of
from workloads.recipes.calibration import Double, check_operands, output_errors, second_moment
from workloads.recipes.clipping import Start, by_mse
from workloads.recipes.layer import Indices, QuantizedLayer

DAMPING = 0.01
"""Of the mean diagonal of the second moment, added to it (section 4, step 3)."""

BLOCK = 128
"""Inputs after which all later ones are updated at once (section 4, step 2); this does not change the result."""


def gptq(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    scheme: Scheme,
    start: Start = by_mse,
    activation_order: bool = True,
    keep_zeros: bool = False,
) -> QuantizedLayer:
    """Weights ``[k, n]`` rounded so that outputs for activations ``[m, k]`` change little; scales are those of ``start``.

    With ``keep_zeros``, weights that are 0 stay so, as pruned ones must (:mod:`workloads.recipes.pruning`), and the others make
    up for what they would have become.
    """
    check_operands(weights, activations)
    moment = second_moment(activations)
    diagonal = np.diagonal(moment)
    order = np.argsort(-diagonal, kind="stable") if activation_order else np.arange(len(weights))
    tensor = start(weights, scheme)
    if not diagonal.any():
        return QuantizedLayer.of(tensor)
    damped = moment + DAMPING * diagonal.mean() * np.eye(len(moment))
    compensated = replace(tensor, codes=compensated_codes(weights, tensor, damped, order, keep_zeros))
    return QuantizedLayer.of(better_outputs(weights, moment, tensor, compensated))


def compensated_codes(
    weights: NDArray[np.float32], tensor: QuantizedTensor, moment: Double, order: Indices, keep_zeros: bool = False
) -> NDArray[np.unsignedinteger]:
    """Codes ``[k, n]`` by the scales of a tensor, inputs rounded in that order, for a positive definite moment ``[k, k]``."""
    factor = np.linalg.cholesky(np.linalg.inv(moment[np.ix_(order, order)])).T
    left = weights[order].astype(np.float64)
    codes = np.empty_like(tensor.codes)
    for first in range(0, len(left), BLOCK):
        block = range(first, min(first + BLOCK, len(left)))
        errors = np.empty((len(block), left.shape[1]))
        for i in block:
            k = int(order[i])
            rounded = _rounded_input(tensor, k, np.where(weights[k] == 0, 0, left[i]) if keep_zeros else left[i])
            codes[k] = rounded.codes[0]
            errors[i - first] = (left[i] - rounded.dequantize()[0]) / factor[i, i]
            left[i + 1 : block.stop] -= np.outer(factor[i, i + 1 : block.stop], errors[i - first])
        left[block.stop :] -= factor[first : block.stop, block.stop :].T @ errors
    return codes


def better_outputs(
    weights: NDArray[np.float32], moment: Double, one: QuantizedTensor, other: QuantizedTensor
) -> QuantizedTensor:
    """Of two tensors with the same scales, the codes of whichever has the lesser error, for each output."""
    errors = [output_errors(moment, tensor.dequantize() - weights.astype(np.float64)) for tensor in (one, other)]
    return replace(one, codes=np.where(errors[1] < errors[0], other.codes, one.codes))


def _rounded_input(tensor: QuantizedTensor, k: int, numbers: Double) -> QuantizedTensor:
    """Numbers ``[n]`` in the place of input ``k``, rounded by its scales: a tensor ``[1, n]``."""

    def of_input(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return values[[k // tensor.group_size]] if tensor.group_size and len(values) > 1 else values

    scales = tuple(of_input(values) for values in tensor.scales)
    zero = None if tensor.zero is None else of_input(tensor.zero)
    codes = codes_of(numbers[None], tensor.scheme, 0, scales, zero)
    return QuantizedTensor(codes, tensor.scheme, 0, scales, zero)
