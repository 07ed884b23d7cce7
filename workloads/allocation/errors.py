"""What each unit's weights lose in each format: the error of their layer's outputs, and how much the model depends on it.

The error is the mean square of what outputs change by on calibration tokens, from their second moment
(:mod:`workloads.recipes.calibration`): exact for an output or a layer by itself, of a block without what it has in common with
other blocks. How much the model depends on a layer is measured: with this layer alone rounded, the divergence of the predicted
tokens from the float model's, by the layer's error. To second order the divergence is a quadratic form of the error, so that
it grows with its square.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.design import DesignPoint
from sim.formats import FORMATS
from sim.quantized import Scheme, quantize
from workloads.allocation.allocation import Allocation, layer_of
from workloads.allocation.divergence import divergence_from
from workloads.allocation.greedy import Choice
from workloads.checkpoint import LanguageModel
from workloads.products import float_multiply, is_attention, products_by
from workloads.recipes.calibration import Double, output_errors, second_moment
from workloads.recipes.clipping import slices_of

LEAST = 1e-9
"""[nat] A divergence that float32 sums make as well; no layer counts for less."""


@dataclass(frozen=True, eq=False)
class LayerErrors:
    """Of a layer: ``errors [units, formats]`` of its outputs, ``weights [units]``; ``sensitivity`` [nat] of an error of 1.

    ``units`` has the unit of the layer, or of each of its outputs or blocks: outputs are chosen for in bundles.
    """

    errors: Double
    weights: NDArray[np.int64]
    units: NDArray[np.intp]
    sensitivity: float = 1.0


@dataclass(frozen=True)
class ErrorTable:
    """Errors of all units of a model; ``formats`` are their second axis, ``layers`` in the order of the model."""

    per: str
    group_size: int
    formats: tuple[str, ...]
    layers: dict[str, LayerErrors]

    @property
    def losses(self) -> Double:
        """What each unit is expected to cost in each format [nat/token], ``[units, formats]``, units of all layers in a row."""
        return np.concatenate([layer.sensitivity * layer.errors for layer in self.layers.values()])

    @property
    def weights(self) -> NDArray[np.int64]:
        """Weights of each unit of all layers."""
        return np.concatenate([layer.weights for layer in self.layers.values()])

    @property
    def bits(self) -> NDArray[np.int64]:
        """Width [bit] of each format."""
        return np.array([FORMATS[name].bits for name in self.formats])

    def split(self, chosen: Choice) -> dict[str, Choice]:
        """The choices of each layer."""
        ends = np.cumsum([len(layer.weights) for layer in self.layers.values()])[:-1]
        return dict(zip(self.layers, np.split(chosen, ends), strict=True))

    def allocation(self, chosen: Choice) -> Allocation:
        """What is chosen, by name."""
        layers = {
            name: tuple(self.formats[place] for place in own[self.layers[name].units])
            for name, own in self.split(chosen).items()
        }
        return Allocation(self.per, self.group_size, layers)


def error_table(
    model: LanguageModel,
    tokens: Tensor,
    design: DesignPoint,
    formats: Sequence[str],
    per: str,
    names: Collection[str],
    tell: Callable[[int, int], None],
) -> ErrorTable:
    """Errors of the linear layers of these names on ``tokens [sequences, tokens]``, weights rounded to nearest.

    Outputs are in bundles of as many as the array has at once, of those whose errors are next to each other: fewer of one
    format would leave a part of it idle.
    ``tell`` is told how many layers are done, and of how many. The first of the sequences decides how much the model depends on
    each layer.
    """
    schemes = [design.with_weights(name).weight_scheme for name in formats]
    layers: dict[str, LayerErrors] = {}

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if not is_attention(name):
            pairs = zip(weights.float().numpy(), activations.float().numpy(), strict=True)
            found = [_of_layer(w, a, schemes, per, design.group_size) for w, a in pairs]
            layer = layer_of(name, names)
            layers[layer] = _summed([*found, layers[layer]] if layer in layers else found)
        return float_multiply(name, activations, weights)

    with torch.inference_mode(), products_by(model.network, multiply):
        model.network(tokens, use_cache=False)
    if per == "row":
        layers = {name: _bundled(layer, design.array.granule[1]) for name, layer in layers.items()}
    return _with_sensitivities(model, tokens[:1], design, ErrorTable(per, design.group_size, tuple(formats), layers), tell)


def _of_layer(
    weights: NDArray[np.float32], activations: NDArray[np.float32], schemes: Sequence[Scheme], per: str, group_size: int
) -> LayerErrors:
    k, n = weights.shape
    moment = second_moment(activations)
    exact = weights.astype(np.float64)
    differences = (quantize(weights, scheme, axis=0).dequantize().astype(np.float64) - exact for scheme in schemes)
    errors = [_of_units(moment, difference, per, group_size) for difference in differences]
    each = {"layer": [k * n], "row": [k] * n, "block": [n * (b.stop - b.start) for b in slices_of(k, group_size)]}[per]
    return LayerErrors(np.stack(errors, axis=1), np.array(each, dtype=np.int64), np.arange(len(each)))


def _of_units(moment: Double, difference: Double, per: str, group_size: int) -> Double:
    if per == "block":
        blocks = slices_of(len(difference), group_size)
        return np.array([output_errors(moment[b, b], difference[b]).sum() for b in blocks])
    errors = output_errors(moment, difference)
    return errors if per == "row" else errors.sum(keepdims=True)


def _summed(found: Sequence[LayerErrors]) -> LayerErrors:
    """Of products that share their formats, as experts do."""
    errors = np.sum([one.errors for one in found], axis=0)
    return LayerErrors(errors, np.sum([one.weights for one in found], axis=0), found[0].units)


def _bundled(layer: LayerErrors, size: int) -> LayerErrors:
    """Units in bundles of so many, by their errors in the format in the middle, the greatest first; the last one is smaller."""
    order = np.argsort(-layer.errors[:, layer.errors.shape[1] // 2], kind="stable")
    starts = np.arange(0, len(order), size)
    units = np.empty_like(order)
    units[order] = np.arange(len(order)) // size
    errors, weights = (np.add.reduceat(values[order], starts) for values in (layer.errors, layer.weights))
    return LayerErrors(errors, weights, units)


def _with_sensitivities(
    model: LanguageModel, tokens: Tensor, design: DesignPoint, table: ErrorTable, tell: Callable[[int, int], None]
) -> ErrorTable:
    """By each layer rounded alone, to the format in the middle."""
    middle = len(table.formats) // 2
    divergence = divergence_from(model, tokens, design)
    layers = {}
    for done, (name, layer) in enumerate(table.layers.items()):
        alone = Allocation("layer", table.group_size, {name: (table.formats[middle],)})
        error = float(layer.errors[:, middle].sum())
        lost = max(divergence(alone), LEAST)
        layers[name] = replace(layer, sensitivity=lost / error if error > 0 else 0.0)
        tell(done + 1, len(table.layers))
    return replace(table, layers=layers)
