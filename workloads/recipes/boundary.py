"""What happens to activations before they are quantized, and to the weights so that their product stays what it was.

With an invertible ``T`` of ``k`` inputs, ``x W = (x T) (T^-1 W)``. A real accelerator has ``T`` in the weights of the operation
before wherever that is linear, and computes it otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled
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


@dataclass(frozen=True, eq=False)
class Rotated:
    """Inputs get ``signs [k]`` of 1 and -1, and then each ``block`` of consecutive ones a Hadamard matrix.

    It is Sylvester's, divided by the root of ``block``, a power of two that divides ``k``: orthogonal and symmetric.
    """

    signs: NDArray[np.float32]
    block: int

    def __post_init__(self) -> None:
        if (np.abs(self.signs) != 1).any():
            raise InputError(f"signs of a rotation are 1 and -1, not {self.signs[np.abs(self.signs) != 1][0]}")
        if self.block < 1 or self.block & (self.block - 1) or len(self.signs) % self.block:
            raise InputError(f"block of a rotation is a power of two that divides {len(self.signs)}, not {self.block}")

    def of_activations(self, activations: Reals) -> Reals:
        """``x T`` of activations ``[m, k]``."""
        return self._hadamard(activations * self.signs)

    def of_weights(self, weights: Reals) -> Reals:
        """``T^-1 W`` of weights ``[k, n]``."""
        return self._hadamard((weights * self.signs[:, None]).T).T

    def undone(self, weights: Reals) -> Reals:
        """``T W``: the weights as the activations before the boundary see them."""
        return self._hadamard(weights.T).T * self.signs[:, None]

    def _hadamard(self, rows: Reals) -> Reals:
        """Along the last axis of ``[.., k]``, by the fast transform: sums and differences at distance 1, 2, 4, ..."""
        turned = rows.copy(order="C")
        _transform(turned.reshape(-1, self.block))
        turned /= np.sqrt(self.block, dtype=turned.dtype)
        return turned


@compiled
def _transform(rows):  # type: ignore[no-untyped-def]
    for line in range(len(rows)):
        row, distance = rows[line], 1
        while distance < len(row):
            for first in range(0, len(row), 2 * distance):
                one, other = row[first : first + distance], row[first + distance : first + 2 * distance]
                for i in range(distance):
                    one[i], other[i] = one[i] + other[i], one[i] - other[i]
            distance *= 2


Boundary = Divided | Rotated
