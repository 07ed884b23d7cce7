"""Signal to quantization noise: how far a product's results on a design are from those of its float operands."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.kv_cache.positions import seen
from workloads.model_trace import TracedProduct


@dataclass(frozen=True)
class Noise:
    """Sums of squares of exact results, and of what the results that were found differ by from them."""

    signal: float = 0.0
    noise: float = 0.0

    def __add__(self, other: "Noise") -> "Noise":
        return Noise(self.signal + other.signal, self.noise + other.noise)

    @property
    def sqnr(self) -> float:
        """Signal to quantization noise [dB]."""
        return float(10 * np.log10(self.signal / self.noise)) if self.noise else float("inf")


def noise_of(product: TracedProduct, results: NDArray[np.float32], new: int) -> Noise:
    """Of ``results [count, m, n]`` in a pass that computes ``new`` tokens of each sequence.

    Scores that are masked are left out: nobody reads them, and a KV recipe may leave anything there.
    """
    exact = product.activations.astype(np.float64) @ product.weights.astype(np.float64)
    error = results - exact
    if product.kind == "scores":
        _, rows, tokens = exact.shape
        read = seen(rows, tokens, new)
        exact, error = exact[:, read], error[:, read]
    return Noise(float(np.square(exact).sum()), float(np.square(error).sum()))
