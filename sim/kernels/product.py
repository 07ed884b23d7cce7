"""Whole-matrix products with the bits of the processing elements, at the speed of a GEMM.

A sum of integers is the same by any order of exact additions. In float32 every integer up to 2**24 is exact; a
partial sum of a group is at most ``terms * max|a| * max|w|`` in magnitude, whatever the order, so up to that bound a
float32 GEMM, blocked, fused or not, returns the integer sum. The GEMMs are torch's: numpy's would bring a second pool
of threads that contends with the one in which the rest of the model runs.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from sim import epilogue
from sim.epilogue import LARGEST_EXACT
from sim.errors import InputError
from sim.quantized import QuantizedActivations, QuantizedWeights


def exact_dtype(terms: int, activation: int, weight: int) -> torch.dtype:
    """The float in which torch's GEMM is exact for sums of ``terms`` products of such magnitudes.

    float32, unless torch was told that its float32 GEMMs may round their operands (to bfloat16, say). The epilogue
    takes sums up to 2**24 only, so a larger bound is refused.
    """
    bound = terms * activation * weight
    if bound > LARGEST_EXACT:
        raise InputError(f"group sums are at most {LARGEST_EXACT} in magnitude, not {bound}")
    return torch.float32 if _float32_is_ieee() else torch.float64


def _float32_is_ieee() -> bool:
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # torch refuses to answer once precision was set per backend
        return False


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
