"""Round to nearest: each weight by itself, by scales that are chosen from the weights alone."""

import numpy as np
from numpy.typing import NDArray

from sim.quantized import Scheme
from workloads.recipes.calibration import check_operands
from workloads.recipes.clipping import Start, by_max
from workloads.recipes.layer import QuantizedLayer


def nearest(
    weights: NDArray[np.float32], activations: NDArray[np.float32], scheme: Scheme, start: Start = by_max
) -> QuantizedLayer:
    """Weights ``[k, n]`` rounded to the nearest number of a scheme; ``start`` (:mod:`~workloads.recipes.clipping`) scales."""
    check_operands(weights, activations)
    return QuantizedLayer.of(start(weights, scheme))
