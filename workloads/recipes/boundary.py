"""What happens to activations before they are quantized, and to the weights so that their product stays what it was.

With an invertible ``T`` of ``k`` inputs, ``x W = (x T) (T^-1 W)``. A real accelerator has ``T`` in the weights of the operation
before wherever that is linear, and computes it otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from workloads.recipes.calibration import Reals


@dataclass(frozen=True, eq=False)
class Divided:
    """Activations are divided by positive ``factors [k]``, the weights' rows multiplied by them."""

    factors: NDArray[np.float32]

    def __post_init__(self) -> None:
        bad = ~(np.isfinite(self.factors) & (self.factors > 0))
        if bad.any():
            raise InputError(f"factors of inputs are positive finite numbers, not {self.factors[bad][0]}")

    def of_activations(self, activations: Reals) -> Reals:
        """``x T`` of activations ``[m, k]``."""
        return activations / self.factors

    def of_weights(self, weights: Reals) -> Reals:
        """``T^-1 W`` of weights ``[k, n]``."""
        return weights * self.factors[:, None]

    def undone(self, weights: Reals) -> Reals:
        """``T W``: the weights as the activations before the boundary see them."""
        return weights / self.factors[:, None]


Boundary = Divided
