"""Noise of an arithmetic: how far products of a real model are from exact ones, as a quick guess at what accuracy it costs.

Found once for each arithmetic on a few products of the embedded model, or of the first model that has weights: tokens of
its held-out text, weights rounded to nearest. It orders arithmetics; how much accuracy one loses is measured of the best.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftwise.digests import digest_of, model_digest
from sim.design import DesignPoint
from sim.errors import InputError
from workloads.embedded import HELD_OUT_TEXT

PRODUCTS = 4
"""Linear layers that are looked at, evenly among all of the model."""

TOKENS = 64
COLUMNS = 256
"""Of each layer, so many outputs at most."""

OPERANDS = ("weight_format", "activation_format", "scaling", "group_size")
SUMS = ("pe", "accumulator", "dataflow")

Arithmetic = tuple[Any, ...]

Operands = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Activations ``[m, k]`` and weights ``[k, n]``."""


@dataclass(frozen=True)
class Noise:
    """The noise [dB] to find, of the arithmetic of a design on a model's products."""

    model: str
    design: DesignPoint

    @property
    def arithmetic(self) -> Arithmetic:
        return arithmetic({}, self.design)

    @property
    def key(self) -> str:
        return digest_of("noise", model_digest(self.model), self.arithmetic)


def arithmetic(fields: Mapping[str, Any], base: DesignPoint) -> Arithmetic:
    """What of a design decides the noise, of fields in the place of the base's: exact sums are so in every PE and dataflow."""
    values = {name: fields.get(name, getattr(base, name)) for name in (*OPERANDS, *SUMS)}
    return tuple(values[name] for name in (OPERANDS if values["accumulator"] == "exact" else values))


def noise_db(asked: Noise) -> float | None:
    """Mean ratio of squared errors to squared results over the products [dB]; ``None`` where one overflows. For workers."""
    from sim.kernels.product import matrix_product
    from workloads.recipes.rounding import nearest

    d, ratios = asked.design, []
    try:
        for activations, weights in _operands(asked.model):
            exact = activations.astype(np.float64) @ weights.astype(np.float64)
            layer = nearest(weights, activations, d.weight_scheme)
            error = layer.product(activations, d.activation_scheme, d.accumulator, matrix_product) - exact
            ratios.append(np.square(error).sum() / np.square(exact).sum())
    except InputError:
        return None
    mean = float(np.mean(ratios))
    return 10 * float(np.log10(mean)) if 0 < mean < np.inf else None


@lru_cache(maxsize=1)
def _operands(model: str) -> tuple[Operands, ...]:
    from workloads.checkpoint import load_model
    from workloads.tracing import trace

    loaded = load_model(model)
    traced = trace(loaded, loaded.encode(HELD_OUT_TEXT.read_bytes()[: 16 * TOKENS]), "prefill", 1, TOKENS)
    layers = [product for product in traced if product.kind == "linear" and product.shape.count == 1 and product.shape.m > 1]
    chosen = layers[:: -(-len(layers) // PRODUCTS)]
    return tuple((product.activations[0], np.ascontiguousarray(product.weights[0][:, :COLUMNS])) for product in chosen)
