"""A model's matrix products by the simulated hardware, bit for bit: linear layers, scores and values of the KV cache."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from sim.design import DesignPoint
from sim.errors import InputError
from sim.kernels.overflow import GroupSums, group_sums
from sim.kernels.product import matrix_product
from sim.kernels.rows import all_finite
from sim.quantized import QuantizedTensor, Scheme
from workloads.allocation.allocation import Allocation
from workloads.kv_cache import KVRecipe
from workloads.kv_cache.attention import attention_products
from workloads.products import Multiply, is_attention, products_by
from workloads.recipes.layer import QuantizedLayer, Recipe
from workloads.recipes.rounding import nearest

Layers = tuple[QuantizedLayer, ...]
"""A product's quantized layers, one for each of its ``count``."""

LayersOf = Callable[[str, Tensor, NDArray[np.float32]], Layers]
"""From a product's name, weights ``[count, k, n]`` and activations ``[count, m, k]`` to its layers."""


class Hardware:
    """A model on a design.

    Weights are those of ``stored`` layers by the names of their products; others are rounded by ``recipe`` when they are
    met, or have been by another one in :meth:`calibrate`, in the formats of an ``allocation`` or else the design's. ``cache``
    is how keys and values are stored, or the name of that (:data:`workloads.kv_cache.KV_RECIPES`). What is quantized is kept
    for the next pass only where the model ``holds`` its own weights. ``sums`` are the group sums of each product so far, and
    how many of them overflowed.
    """

    def __init__(
        self,
        design: DesignPoint,
        cache: str | KVRecipe = "per_token",
        stored: Mapping[str, QuantizedLayer] | None = None,
        recipe: Recipe = nearest,
        holds: bool = True,
        allocation: Allocation | None = None,
    ) -> None:
        self.design = design
        self.recipe = recipe
        self.holds = holds
        self.allocation = allocation
        self.sums: dict[str, GroupSums] = {}
        self._stored = stored or {}
        self._calibrated: dict[str, Layers] = {}
        self._met: dict[str, tuple[Tensor, Layers]] = {}
        self._attention = attention_products(design, cache)

    def multiply(self, new: int) -> Multiply:
        """The products of a pass that computes ``new`` tokens of each sequence."""
        return partial(self._multiply, self._layers, new)

    def calibrate(self, network: nn.Module, tokens: Tensor, recipe: Recipe, done: Callable[[int], None]) -> None:
        """Quantize every layer by a recipe, in a pass over calibration ``tokens [sequences, tokens]``.

        A recipe sees the activations that the layers before leave when they are quantized already. ``done`` is told how many
        products there have been. The pass ends where logits would be computed, which nobody needs: for thousands of tokens
        they take more memory than all else.
        """
        head = _name_of_head(network)

        def calibrated(name: str, weights: Tensor, inputs: NDArray[np.float32]) -> Layers:
            if name not in self._calibrated:
                self._calibrated[name] = self._quantized(recipe, name, weights, inputs)
            return self._calibrated[name]

        multiply = partial(self._multiply, calibrated, tokens.shape[1])
        count = itertools.count(1)

        def told(name: str, activations: Tensor, weights: Tensor) -> Tensor:
            if name == head:
                calibrated(name, weights, activations.float().numpy())
                done(next(count))
                raise _AllCalibrated
            result = multiply(name, activations, weights)
            done(next(count))
            return result

        with suppress(_AllCalibrated), torch.inference_mode(), products_by(network, told):
            network(tokens, use_cache=False)
        self.sums.clear()

    def uncalibrated(self, names: Iterable[str]) -> list[str]:
        """Of the products of these names, the layers that no token of the calibration reached: they are not by its recipe.

        There are such among experts. Nothing is uncalibrated where nothing was calibrated.
        """
        return sorted(n for n in names if self._calibrated and not is_attention(n) and n not in self._calibrated)

    def scheme_of(self, name: str) -> Scheme:
        """How the weights of a product are quantized where nothing is stored."""
        del name
        return self.design.weight_scheme

    def _multiply(self, layers_of: LayersOf, new: int, name: str, activations: Tensor, weights: Tensor) -> Tensor:
        counted, design = self._counted(name), self.design
        if is_attention(name):
            result = self._attention(name, activations, weights, new, counted)
        else:
            inputs = activations.float().numpy()
            pairs = zip(layers_of(name, weights, inputs), inputs, strict=True)
            products = [layer.product(a, design.activation_scheme, design.accumulator, counted) for layer, a in pairs]
            together = products[0][None] if len(products) == 1 else np.stack(products)  # a copy of every result
            result = torch.from_numpy(together).to(activations.dtype)
        if not all_finite(result.float().numpy()):
            bad = result[~result.isfinite()][0]
            raise InputError(f"results of {name} fit the accumulator {design.accumulator} or fp32, which is not so of {bad}")
        return result

    def _layers(self, name: str, weights: Tensor, inputs: NDArray[np.float32]) -> Layers:
        """Weights are kept as well: as long as they are, no others can be in their place."""
        if name in self._calibrated:
            return self._calibrated[name]
        if name in self._met and _is_same(self._met[name][0], weights):
            return self._met[name][1]
        if name in self._stored:
            layers: Layers = (self._stored[name],)
            self._check(name, layers)
        else:
            layers = self._quantized(self.recipe, name, weights, inputs)
        if self.holds:
            self._met[name] = weights, layers
        return layers

    def _quantized(self, recipe: Recipe, name: str, weights: Tensor, inputs: NDArray[np.float32]) -> Layers:
        own = recipe if self.allocation is None else self.allocation.recipe(name, recipe)
        pairs = zip(weights.float().numpy(), inputs, strict=True)
        layers = tuple(own(w, a, self.scheme_of(name)) for w, a in pairs)
        self._check(name, layers)
        return layers

    def _check(self, name: str, layers: Layers) -> None:
        """``InputError`` unless the design's PE takes weights of these formats in groups of these sizes."""
        design = self.design
        for weights in (part.weights for layer in layers for part in layer.parts):
            if weights.format != design.weight:
                try:
                    design.with_weights(weights.format.name)
                except InputError as error:
                    raise InputError(f"weights of {name} are in a format that the PE takes: {error}") from None
            if weights.group_size not in (0, design.group_size):
                raise InputError(
                    f"weights of {name} are in groups of {weights.group_size}, and group_size of the design is "
                    f"{design.group_size}; a design with theirs, or a recipe that quantizes them anew, is needed"
                )

    def _counted(self, name: str) -> Callable[[QuantizedTensor, QuantizedTensor, str], NDArray[np.float32]]:
        """The product, with the sums of it counted under a name."""

        def multiply(activations: QuantizedTensor, weights: QuantizedTensor, accumulator: str) -> NDArray[np.float32]:
            self.sums[name] = self.sums.get(name, GroupSums()) + group_sums(activations, weights, accumulator)
            return matrix_product(activations, weights, accumulator)

        return multiply


class _AllCalibrated(Exception):  # noqa: N818 - it is no error
    """Ends a pass of calibration."""


def _name_of_head(network: nn.Module) -> str | None:
    """The module that makes logits, which does so last; ``None`` where transformers does not say which it is."""
    head = network.get_output_embeddings() if isinstance(network, PreTrainedModel) else None
    return next((name for name, module in network.named_modules() if module is head), None)


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are one view of the same memory."""
    return (one.data_ptr(), one.shape, one.stride()) == (other.data_ptr(), other.shape, other.stride())
