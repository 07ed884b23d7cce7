"""Hadamard rotation: outliers are spread over all inputs, of weights and activations alike.

Ashkboos et al., "QuaRot: outlier-free 4-bit inference in rotated LLMs", NeurIPS 2024, section 4, with the randomized Hadamard
matrix of its section 3.1. A rotation is folded into the weights; that of the activations is folded into the operation before,
or computed on the way by the fast transform. Libraries (fast-hadamard-transform, torchao) have the transform for GPUs alone.
"""

import numpy as np
from numpy.typing import NDArray

from sim.quantized import Scheme
from workloads.recipes.boundary import Rotated
from workloads.recipes.calibration import check_operands
from workloads.recipes.layer import QuantizedLayer, Recipe, through
from workloads.recipes.rounding import nearest

SEED = 0


def rotated(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    scheme: Scheme,
    inner: Recipe = nearest,
    seed: int = SEED,
) -> QuantizedLayer:
    """``inner`` on weights ``[k, n]`` and activations ``[m, k]`` that have been turned by :func:`rotation`."""
    check_operands(weights, activations)
    return through(rotation(len(weights), seed), weights, activations, scheme, inner)


def rotation(k: int, seed: int = SEED) -> Rotated:
    """Random signs, and the largest power of two that divides ``k`` as the block: all of 4096, 64 of 704, nothing of odd ``k``.

    QuaRot turns all of any ``k`` by tabulated matrices of further orders.
    """
    signs = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), k)
    return Rotated(signs, k & -k)
