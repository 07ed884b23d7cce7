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

from sim.errors import InputError
from sim.kernels.compiled import compiled
from sim.quantized import QuantizedTensor, Scheme
from sim.quantized.one_row import round_row, row_rounding
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
    codes, rounding = np.empty_like(tensor.codes), row_rounding(tensor)
    for first in range(0, len(left), BLOCK):
        block = slice(first, first + BLOCK)
        errors, zeros = np.empty_like(left[block]), keep_zeros & (weights[order[block]] == 0)
        _compensate(left[block], zeros, np.ascontiguousarray(factor[block, block]), order[block], rounding, codes, errors)
        if not np.isfinite(errors).all():
            raise InputError(f"weights that make up for errors are fp32 numbers, not {left[block][~np.isfinite(errors)][0]}")
        left[block.stop :] -= factor[block, block.stop :].T @ errors
    return codes


@compiled
def _compensate(left, zeros, factor, inputs, rounding, codes, errors):  # type: ignore[no-untyped-def]
    """The codes of a block of inputs, each rounded after the errors of those before it have been subtracted, or 0."""
    numbers, reals = np.empty(left.shape[1], np.float32), np.empty(left.shape[1], np.float32)
    for i in range(len(left)):
        for j in range(len(numbers)):
            numbers[j] = np.float32(0) if zeros[i, j] else np.float32(left[i, j])
        round_row(rounding, inputs[i], numbers, codes[inputs[i]], reals)
        for j in range(len(numbers)):
            # of a number beyond fp32 there is no error, whatever its code
            errors[i, j] = (left[i, j] - reals[j]) / factor[i, i] if np.isfinite(numbers[j]) else np.nan
        for later in range(i + 1, len(left)):
            weight = factor[i, later]
            for j in range(len(numbers)):
                left[later, j] -= weight * errors[i, j]


def better_outputs(
    weights: NDArray[np.float32], moment: Double, one: QuantizedTensor, other: QuantizedTensor
) -> QuantizedTensor:
    """Of two tensors with the same scales, the codes of whichever has the lesser error, for each output."""
    errors = [output_errors(moment, tensor.dequantize() - weights.astype(np.float64)) for tensor in (one, other)]
    return replace(one, codes=np.where(errors[1] < errors[0], other.codes, one.codes))
