"""Whole-matrix products with the bits of the processing elements, at the speed of a GEMM.

A sum of integers is the same by any order of exact additions. In float32 every integer up to 2**24 is exact, in
float64 up to 2**53; a partial sum of a group is at most ``terms * max|a| * max|w|`` in magnitude, whatever the
order, so below that bound a floating-point GEMM, blocked, fused or not, returns the integer sum.
:func:`exact_dtype` picks by that bound. The GEMMs are torch's: numpy's would bring a second pool of threads that
contends with the one in which the rest of the model runs.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from sim import epilogue
from sim.errors import InputError
from sim.quantized import QuantizedActivations, QuantizedWeights


def exact_dtype(terms: int, activation: int, weight: int) -> torch.dtype:
    """The narrowest float in which torch's GEMM is exact for sums of ``terms`` products of such magnitudes.

    Below torch's highest float32 precision its float32 GEMM may round operands to bfloat16, so float64 is taken.
    """
    bound = terms * activation * weight
    if bound <= 1 << 24 and torch.get_float32_matmul_precision() == "highest":
        return torch.float32
    if bound <= 1 << 53:
        return torch.float64
    raise InputError(f"sums of magnitude {bound} are not exact in float64; at most {1 << 53} is allowed")


def grouped_product(activations: QuantizedActivations, weights: QuantizedWeights) -> NDArray[np.float32]:
    """The accelerator's result ``[m, n]`` for activations ``[m, k]`` and weights ``[k, n]``, bit for bit.

    Subtracting the zero point from the codes before the sum gives the same integer as correcting the sum by
    the zero point times the row sum after it, as both are exact. Raises ``InputError`` for shapes that differ in ``k``.
    """
    (m, k), (k_weights, n) = activations.shape, weights.shape
    if k != k_weights:
        raise InputError(f"activations and weights of one product have the same k, not {k} and {k_weights}")
    largest_a = max(-activations.format.smallest, activations.format.largest)
    largest_w = max(-weights.format.smallest, weights.format.largest)
    dtype = exact_dtype(min(k, weights.group_size), largest_a, largest_w)
    a = torch.from_numpy(activations.format.decode(activations.codes)).to(dtype)
    w = torch.from_numpy(weights.centered).to(dtype)
    scales = torch.from_numpy(weights.scale).float()
    total = torch.zeros(m, n)
    for group, start in enumerate(range(0, k, weights.group_size)):
        part = slice(start, start + weights.group_size)
        corrected = torch.mm(a[:, part], w[part]).float()
        epilogue.accumulate_group(total, corrected, scales[group])
    result: NDArray[np.float32] = epilogue.apply_token_scale(total, torch.from_numpy(activations.scale).float()).numpy()
    return result
