"""Cross-layer weight equalization: ranges of two layers are made equal, input by output.

Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019. AIMET and Brevitas
have it for modules of torch that they find by tracing; here it is a function of arrays.
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.quantized import Scheme
from workloads.recipes.calibration import Reals, check_operands
from workloads.recipes.layer import QuantizedLayer, Recipe
from workloads.recipes.rounding import nearest

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def equalized(
    weights: Pair, activations: Pair, scheme: Scheme, inner: Recipe = nearest
) -> tuple[QuantizedLayer, QuantizedLayer, NDArray[np.float32]]:
    """``inner`` on two layers, ``weights [k, h]`` and ``[h, n]``, one after the other, whose ranges are made equal.

    Between them is what keeps positive factors: nothing, ReLU, a product with a gate. Outputs of the first are then divided
    by the factors ``[h]``, the third result, and so must its bias be. ``activations`` are the inputs of both before that.
    """
    (first, second), (x, between) = weights, activations
    check_operands(first, x)
    check_operands(second, between)
    factors = equalization(first, second)
    return inner(first / factors, x, scheme), inner(second * factors[:, None], between / factors, scheme), factors


def equalization(first: Reals, second: Reals) -> NDArray[np.float32]:
    """``s_i = sqrt(r1_i * r2_i) / r2_i`` of section 4.1, with the ranges ``r1`` of the first layer's outputs and ``r2`` of the
    second's inputs: divided and multiplied by it, both are ``sqrt(r1_i * r2_i)``. 1 where either is 0.
    """
    if first.shape[1] != second.shape[0]:
        raise InputError(f"the second layer has the {first.shape[1]} outputs of the first as inputs, not {second.shape[0]}")
    ranges = np.abs(first).max(axis=0).astype(np.float64), np.abs(second).max(axis=1).astype(np.float64)
    alive = (ranges[0] > 0) & (ranges[1] > 0)
    of_first, of_second = (np.where(alive, r, 1) for r in ranges)
    factors: NDArray[np.float32] = (np.sqrt(of_first * of_second) / of_second).astype(np.float32)
    return factors
