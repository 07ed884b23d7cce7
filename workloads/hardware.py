"""A model's matrix products by the simulated hardware, bit for bit: linear layers, scores and values of the KV cache."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sim.design import DesignPoint
from sim.errors import InputError
from sim.kernels.overflow import GroupSums, group_sums
from sim.kernels.product import matrix_product
from sim.quantized import QuantizedTensor
from workloads.kv_cache.attention import attention_products
from workloads.products import Multiply, products_by
from workloads.recipes.layer import QuantizedLayer, Recipe
from workloads.recipes.rounding import nearest

Layers = Mapping[str, tuple[QuantizedLayer, ...]]
"""Quantized layers by the names of their products, one for each of a product's ``count``."""

CACHE_PRODUCTS = (".scores", ".values")


class Hardware:
    """A model on a design.

    A product of ``layers`` has their weights; any other its own, as ``recipe`` leaves them when it is first met, or
    another one in :meth:`calibrate`. ``cache`` names how keys and values are stored (:data:`workloads.kv_cache.KV_RECIPES`).
    ``sums`` are the group sums of each product so far, and how many of them overflowed.
    """

    def __init__(
        self, design: DesignPoint, cache: str = "per_token", layers: Layers | None = None, recipe: Recipe = nearest
    ) -> None:
        self.design = design
        self.recipe = recipe
        self.layers = dict(layers or {})
        for name, of_product in self.layers.items():
            self._check(name, of_product)
        self.sums: dict[str, GroupSums] = {}
        self._made: dict[str, tuple[Tensor, tuple[QuantizedLayer, ...]]] = {}
        self._attention = attention_products(design, cache)

    def multiply(self, new: int) -> Multiply:
        """The products of a pass that computes ``new`` tokens of each sequence."""
        return partial(self._multiply, self.recipe, new)

    def calibrate(self, network: nn.Module, tokens: Tensor, recipe: Recipe, done: Callable[[int], None]) -> None:
        """Quantize every layer by a recipe, in a pass over calibration ``tokens [sequences, tokens]``.

        A recipe sees the activations that the layers before leave when they are quantized already. ``done`` is told how many
        products there have been.
        """
        multiply = partial(self._multiply, recipe, tokens.shape[1])
        count = itertools.count(1)

        def told(name: str, activations: Tensor, weights: Tensor) -> Tensor:
            result = multiply(name, activations, weights)
            done(next(count))
            return result

        with torch.inference_mode(), products_by(network, told):
            network(tokens, use_cache=False)
        self.sums.clear()

    def _multiply(self, recipe: Recipe, new: int, name: str, activations: Tensor, weights: Tensor) -> Tensor:
        counted, design = self._counted(name), self.design
        if name.endswith(CACHE_PRODUCTS):
            result = self._attention(name, activations, weights, new, counted)
        else:
            inputs = activations.float().numpy()
            layers = self.layers[name] if name in self.layers else self._quantized(recipe, name, inputs, weights)
            pairs = zip(layers, inputs, strict=True)
            products = [layer.product(a, design.activation_scheme, design.accumulator, counted) for layer, a in pairs]
            result = torch.from_numpy(np.stack(products)).to(activations.dtype)
        if not result.isfinite().all():
            bad = result[~result.isfinite()][0]
            raise InputError(f"results of {name} fit the accumulator {design.accumulator} or fp32, which is not so of {bad}")
        return result

    def _quantized(self, recipe: Recipe, name: str, inputs: NDArray[np.float32], weights: Tensor) -> tuple[QuantizedLayer, ...]:
        """Weights are kept as well: as long as they are, no others can be in their place."""
        if name not in self._made or not _is_same(self._made[name][0], weights):
            pairs = zip(weights.float().numpy(), inputs, strict=True)
            layers = tuple(recipe(w, a, self.design.weight_scheme) for w, a in pairs)
            self._check(name, layers)
            self._made[name] = weights, layers
        return self._made[name][1]

    def _check(self, name: str, layers: tuple[QuantizedLayer, ...]) -> None:
        """``InputError`` unless the design's PE takes weights of these formats in groups of these sizes."""
        design = self.design
        for weights in (part.weights for layer in layers for part in layer.parts):
            if weights.format != design.weight:
                try:
                    replace(design, weight_format=weights.format.name, kv_format=design.attention.weight_format)
                except InputError as error:
                    raise InputError(f"weights of {name} are in a format that the PE takes: {error}") from None
            if weights.group_size not in (0, design.group_size):
                raise InputError(f"weights of {name} have groups of the design's {design.group_size}, not {weights.group_size}")

    def _counted(self, name: str) -> Callable[[QuantizedTensor, QuantizedTensor, str], NDArray[np.float32]]:
        """The product, with the sums of it counted under a name."""

        def multiply(activations: QuantizedTensor, weights: QuantizedTensor, accumulator: str) -> NDArray[np.float32]:
            self.sums[name] = self.sums.get(name, GroupSums()) + group_sums(activations, weights, accumulator)
            return matrix_product(activations, weights, accumulator)

        return multiply


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are one view of the same memory."""
    return (one.data_ptr(), one.shape, one.stride()) == (other.data_ptr(), other.shape, other.stride())
