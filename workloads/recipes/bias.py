"""Bias correction: the mean error of each output is taken away.

Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019, section 4.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.quantized import Scheme
from workloads.recipes.calibration import check_operands
from workloads.recipes.layer import QuantizedLayer, Recipe
from workloads.recipes.rounding import nearest


def bias_corrected(
    weights: NDArray[np.float32], activations: NDArray[np.float32], scheme: Scheme, inner: Recipe = nearest
) -> QuantizedLayer:
    """``inner``, and a bias by which the mean output stays that of the float layer: ``-E[x] (W' - W)``.

    The mean is over the calibration activations, as in appendix D of the paper; its section 4 has it from batch
    normalization, which language models lack.
    """
    check_operands(weights, activations)
    layer = inner(weights, activations, scheme)
    shift = activations.mean(axis=0, dtype=np.float64) @ (weights - layer.effective())
    return replace(layer, bias=shift.astype(np.float32))
