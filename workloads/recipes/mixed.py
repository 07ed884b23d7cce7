"""Mixed widths in a layer: what the error of the outputs depends on most gets a wide format; by output or by K-block.

Outputs of 4 and of 8 bits in one layer: Sun et al., "FILM-QNN", FPGA 2022. Inputs of 8 bits, put together: Zhao et al., "Atom:
low-bit quantization for efficient and accurate LLM serving", MLSys 2024. No library mixes formats other than integers inside a
layer. Widths over a whole model: :mod:`workloads.allocation`.
"""

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
    return of_parts(weights, activations, parts, inner, weights.shape[1])


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
    return of_parts(weights, activations, parts, inner, len(blocks))


def greatest(errors: Double, share: float) -> NDArray[np.bool_]:
    """Which are the greatest: that share, rounded, at least one."""
    if not 0 < share <= 1:
        raise InputError(f"the share that is wide is above 0 and at most 1, not {share}")
    chosen = np.zeros(len(errors), bool)
    chosen[np.argsort(-errors, kind="stable")[: max(1, round(share * len(errors)))]] = True
    return chosen


def of_parts(
    weights: NDArray[np.float32],
    activations: NDArray[np.float32],
    parts: list[tuple[Indices, Indices, Scheme]],
    inner: Recipe,
    map_bits: int,
) -> QuantizedLayer:
    """A layer whose parts, of some inputs and some outputs, each have a scheme; ``map_bits`` tell which has which."""
    done = []
    for k, n, scheme in parts:
        if len(k) and len(n):
            layer = inner(weights[np.ix_(k, n)], activations[:, k], scheme)
            if layer.boundary or layer.bias is not None:
                raise InputError("parts of a layer are rounded without a boundary or bias of their own, unlike by this recipe")
            done += [Part(part.weights, k[part.k], n[part.n]) for part in layer.parts]
    return QuantizedLayer(weights.shape, tuple(done), map_bits=map_bits)
