"""An overlay's matrix products: the weights that its engine multiplies by, and its arithmetic."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from sim.errors import InputError
from sim.overlay.compiler.image import densities_of
from sim.overlay.design import OverlayDesign
from sim.overlay.tree import add_trees
from sim.quantized import QuantizedTensor, Scheme
from workloads.hardware import Hardware, Layers
from workloads.products import Multiply
from workloads.recipes.layer import QuantizedLayer, Recipe
from workloads.recipes.rounding import nearest

PRODUCTS = {
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "o_proj": "output",
    "out_proj": "output",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
    "fc1": "up",
    "fc2": "down",
    "lm_head": "head",
    "attn.c_attn": "query",
    "attn.c_proj": "output",
    "mlp.c_fc": "up",
    "mlp.c_proj": "down",
}
"""How the families of :mod:`workloads.overlay.decoder` call the modules of a decoder's products: by the last part of a name or
the last two. GPT-2's ``c_attn`` makes queries, keys and values."""


class OverlayHardware(Hardware):
    """A model on an overlay; its KV cache has INT8 numbers with an fp16 scale for each token and head, or fp16 numbers alone.

    Weights are those of ``stored`` layers, or rounded by ``recipe``, in the format that the design has for a product. A sparse
    design's recipe is one that prunes; where fp16 numbers are multiplied, weights are the network's. Raises ``InputError`` for
    layers in another scheme, of several parts, with a boundary or a bias, and those of which a sparse design keeps less.
    """

    def __init__(
        self, overlay: OverlayDesign, stored: Mapping[str, QuantizedLayer] | None = None, recipe: Recipe = nearest
    ) -> None:
        super().__init__(overlay.point, "per_token", stored, recipe)
        self.overlay = overlay

    def multiply(self, new: int) -> Multiply:
        """The products of a pass that computes ``new`` tokens of each sequence."""
        return super().multiply(new) if self.overlay.quantized else self._in_halves

    def _in_halves(self, name: str, activations: Tensor, weights: Tensor) -> Tensor:
        """Products ``[count, m, n]`` of fp16 numbers, which ``activations [count, m, k]`` and ``weights [count, k, n]`` are."""
        del name
        width = self.overlay.engine.width
        rest = -weights.shape[1] % width
        a, w = nn.functional.pad(activations.half(), (0, rest)), nn.functional.pad(weights.half(), (0, 0, 0, rest))
        totals = a.new_zeros(*a.shape[:-1], w.shape[-1])
        add_trees(totals, a, w, width)
        return totals.float()

    def scheme_of(self, name: str) -> Scheme:
        """How the weights of a product are quantized where nothing is stored."""
        return self.overlay.schemes[self.overlay.format_of(product_of(name))]

    def weights_of(self, name: str, weights: Tensor) -> QuantizedTensor:
        """What a product's weights ``[k, n]`` are quantized to; by a recipe without calibration they see no activations."""
        (layer,) = self._layers(name, weights[None], np.zeros((1, 1, len(weights)), np.float32))
        return layer.parts[0].weights

    def _check(self, name: str, layers: Layers) -> None:
        expected = self.scheme_of(name)
        for layer in layers:
            if len(layer.parts) > 1 or layer.boundary or layer.bias is not None:
                raise InputError(
                    f"weights of {name} on an overlay are one tensor, without a boundary for activations and without a bias of "
                    f"the recipe's own, not {len(layer.parts)} tensors, {len(layer.boundary)} steps before them"
                )
            found = layer.parts[0].weights.scheme
            if found != expected and not self.overlay.quantized:
                raise InputError(f"weights of {name} on this overlay are fp16 numbers, not {found.format.name}")
            if found != expected:
                raise InputError(
                    f"weights of {name} on this overlay are {expected.format.name} in groups of {expected.group_size} with a "
                    f"scale in fp16, not {found.format.name} in groups of {found.group_size} with {len(found.levels)} scales; "
                    "a design with theirs, or a recipe that quantizes them anew, is needed"
                )
            densities_of(self.overlay, name, layer.parts[0].weights)


def product_of(name: str) -> str:
    """The decoder's product whose weights the module of that name has; raises ``InputError`` for another module."""
    parts = name.split(".")
    for last in (1, 2):
        if (found := PRODUCTS.get(".".join(parts[-last:]))) is not None:
            return found
    raise InputError(f"an overlay's decoder has no product of the module {name!r}")
