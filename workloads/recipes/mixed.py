"""Mixed widths: what the error of the outputs depends on most gets a wide format; by output, by K-block, or by layer.

Outputs of 4 and of 8 bits in one layer: Sun et al., "FILM-QNN", FPGA 2022. Inputs of 8 bits, put together: Zhao et al., "Atom:
low-bit quantization for efficient and accurate LLM serving", MLSys 2024. Layers: Fox, "Discrete optimization via marginal
analysis", Management Science 13 (1966). No library mixes formats other than integers inside a layer.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import FORMATS
from sim.quantized import Scheme
from workloads.recipes.calibration import Double, check_operands, output_errors, second_moment
from workloads.recipes.clipping import slices_of
from workloads.recipes.layer import Indices, Part, QuantizedLayer, Recipe
from workloads.recipes.rounding import nearest

SHARE = 1 / 8
"""Of outputs or K-blocks that are wide, at least one."""

BLOCK = 128
"""Inputs in a K-block where scales are not per group."""


def wide_scheme(scheme: Scheme) -> Scheme:
    """int8 with the same tree of scales; a scheme of 8 bits or more as it is."""
    return scheme if scheme.format.bits >= 8 else replace(scheme, format=FORMATS["int8"], zero="none", fitted=False)


def mixed_outputs(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    scheme: Scheme,
    share: float = SHARE,
    inner: Recipe = nearest,
) -> QuantizedLayer:
    """The outputs that lose most by the scheme in int8; a bit for each output tells which."""
    check_operands(weights, activations)
    narrow = inner(weights, activations, scheme)
    errors = output_errors(second_moment(activations), narrow.effective() - weights)
    wide = greatest(errors, share)
    every = np.arange(len(weights))
    parts = [(every, np.flatnonzero(~wide), scheme), (every, np.flatnonzero(wide), wide_scheme(scheme))]
    return _of_parts(weights, activations, parts, inner, weights.shape[1])


def mixed_blocks(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    scheme: Scheme,
    share: float = SHARE,
    inner: Recipe = nearest,
) -> QuantizedLayer:
    """The blocks of inputs that lose most by the scheme in int8; a bit for each tells which. A block is a group of scales."""
    check_operands(weights, activations)
    narrow = inner(weights, activations, scheme)
    blocks = slices_of(len(weights), scheme.group_size or BLOCK)
    moment, difference = second_moment(activations), narrow.effective() - weights
    errors = np.array([output_errors(moment[part, part], difference[part]).sum() for part in blocks])
    wide = np.concatenate([np.full(part.stop - part.start, w) for part, w in zip(blocks, greatest(errors, share), strict=True)])
    every = np.arange(weights.shape[1])
    parts = [(np.flatnonzero(~wide), every, scheme), (np.flatnonzero(wide), every, wide_scheme(scheme))]
    return _of_parts(weights, activations, parts, inner, len(blocks))


def greatest(errors: Double, share: float) -> NDArray[np.bool_]:
    """Which are the greatest: that share, rounded, at least one."""
    if not 0 < share <= 1:
        raise InputError(f"the share that is wide is above 0 and at most 1, not {share}")
    chosen = np.zeros(len(errors), bool)
    chosen[np.argsort(-errors, kind="stable")[: max(1, round(share * len(errors)))]] = True
    return chosen


def widths_of_layers(
    errors: Mapping[str, Mapping[int, float]], weights: Mapping[str, int], bits_per_weight: float
) -> dict[str, int]:
    """A width [bit] for each layer, such that all have at most so many bits for each weight together.

    ``errors`` has the loss of each layer at each width that may be chosen, ``weights`` how many weights it has. From the
    narrowest widths on, the step that takes away most error for each bit comes first, until it does not fit: the least sum
    of errors for the bits that are used, where each layer's error falls ever more slowly. Raises ``InputError`` if the
    narrowest do not fit.
    """
    chosen = {name: min(of_layer) for name, of_layer in errors.items()}
    left = bits_per_weight * sum(weights[name] for name in errors) - sum(chosen[name] * weights[name] for name in errors)
    if left < 0:
        raise InputError(f"a budget for the narrowest widths is needed, not {bits_per_weight} bits for each weight")
    while True:
        steps = []
        for name, of_layer in errors.items():
            for width in of_layer:
                cost = (width - chosen[name]) * weights[name]
                gain = of_layer[chosen[name]] - of_layer[width]
                if cost > 0 and gain > 0:
                    steps.append((gain / cost, cost, name, width))
        best = max(steps, default=None, key=lambda step: step[0])
        if best is None or best[1] > left:
            return chosen
        _, cost, name, width = best
        chosen[name], left = width, left - cost


def _of_parts(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    parts: list[tuple[Indices, Indices, Scheme]],
    inner: Recipe,
    map_bits: int,
) -> QuantizedLayer:
    done = []
    for k, n, scheme in parts:
        if len(k) and len(n):
            layer = inner(weights[np.ix_(k, n)], activations[:, k], scheme)
            if layer.boundary or layer.bias is not None:
                raise InputError("parts of a layer are rounded without a boundary or bias of their own, unlike by this recipe")
            done += [Part(part.weights, k[part.k], n[part.n]) for part in layer.parts]
    return QuantizedLayer(weights.shape, tuple(done), map_bits=map_bits)
