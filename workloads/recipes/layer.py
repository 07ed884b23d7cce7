"""A linear layer as a recipe leaves it: quantized weights, and what is done to activations before and outputs after."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.quantized import QuantizedTensor, Scheme, quantize
from workloads.recipes.boundary import Boundary
from workloads.recipes.calibration import Double, Reals

Indices = NDArray[np.intp]

MatrixProduct = Callable[[QuantizedTensor, QuantizedTensor, str], NDArray[np.float32]]
"""From activations ``[m, k]``, weights ``[k, n]`` and an accumulator's name to the results ``[m, n]``."""


@dataclass(frozen=True, eq=False)
class Part:
    """Quantized weights from the inputs ``k`` of their layer to its outputs ``n``, ``[len(k), len(n)]``."""

    weights: QuantizedTensor
    k: Indices
    n: Indices


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """A layer of ``shape`` ``[k, n]``.

    Activations pass the ``boundary``, first to last; each part takes its inputs and adds to its outputs; then comes the
    ``bias [n]``. ``map_bits`` [bit] tell which weights are in which part. Raises ``InputError`` where a weight is in no part
    or in two.
    """

    shape: tuple[int, int]
    parts: tuple[Part, ...]
    boundary: tuple[Boundary, ...] = ()
    bias: NDArray[np.float32] | None = None
    map_bits: int = 0

    def __post_init__(self) -> None:
        times = np.zeros(self.shape, np.uint8)
        for part in self.parts:
            if part.weights.shape != (len(part.k), len(part.n)):
                raise InputError(f"weights of a part have shape {(len(part.k), len(part.n))}, not {part.weights.shape}")
            times[np.ix_(part.k, part.n)] += 1
        if (times != 1).any():
            raise InputError(f"every weight of a layer is in one part, not in {times[times != 1][0]}")

    @staticmethod
    def of(weights: QuantizedTensor) -> "QuantizedLayer":
        """The layer of one quantized tensor ``[k, n]``."""
        k, n = weights.shape
        return QuantizedLayer((k, n), (Part(weights, np.arange(k), np.arange(n)),))

    @property
    def bits(self) -> int:
        """Storage [bit] of the weights with everything counted but the boundary, and 16 for each bias."""
        bias = 0 if self.bias is None else 16 * self.bias.size
        return sum(part.weights.bits for part in self.parts) + self.map_bits + bias

    @property
    def bits_per_weight(self) -> float:
        """Storage [bit] divided by the number of weights."""
        return self.bits / math.prod(self.shape)

    def effective(self) -> Double:
        """The float weights ``[k, n]`` that unquantized activations see, boundary undone; exact but for its rounding."""
        weights: Reals = np.empty(self.shape)
        for part in self.parts:
            weights[np.ix_(part.k, part.n)] = part.weights.dequantize()
        for step in reversed(self.boundary):
            weights = step.undone(weights)
        return weights.astype(np.float64, copy=False)

    def product(
        self,
        activations: NDArray[np.float32],
        scheme: Scheme,
        accumulator: str = "exact",
        multiply: MatrixProduct = matrix_product,
    ) -> NDArray[np.float32]:
        """The accelerator's ``[m, n]`` for float activations ``[m, k]``, quantized by a scheme for each part; see
        :func:`sim.kernels.product.matrix_product`. Parts are added in fp32, in their order, and then the bias.
        """
        inputs: Reals = activations
        for step in self.boundary:
            inputs = step.of_activations(inputs)
        if self._is_one:
            result = multiply(quantize(inputs, scheme, axis=1), self.parts[0].weights, accumulator)
        else:
            result = np.zeros((len(activations), self.shape[1]), np.float32)
            for part in self.parts:
                result[:, part.n] += multiply(quantize(inputs[:, part.k], scheme, axis=1), part.weights, accumulator)
        return result if self.bias is None else result + self.bias

    @cached_property
    def _is_one(self) -> bool:
        """Whether there is one part, of all weights in their order."""
        return all(
            np.array_equal(own, range(size)) for own, size in zip((self.parts[0].k, self.parts[0].n), self.shape, strict=True)
        )


Recipe = Callable[[NDArray[np.float32], NDArray[np.float32], Scheme], QuantizedLayer]
"""From weights ``[k, n]``, calibration activations ``[m, k]`` and the scheme of the weights to the quantized layer."""


def through(
    step: Boundary, weights: NDArray[np.float32], activations: NDArray[np.float32], scheme: Scheme, inner: Recipe
) -> QuantizedLayer:
    """A recipe on operands that have passed a boundary, which the layer's activations then pass first."""
    layer = inner(step.of_weights(weights).astype(np.float32), step.of_activations(activations).astype(np.float32), scheme)
    return replace(layer, boundary=(step, *layer.boundary))
