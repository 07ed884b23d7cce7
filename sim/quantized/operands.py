"""The two operands of an array: what scales each has (:data:`SCALINGS`), and reals that are rounded to them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, choose
from sim.formats import Format
from sim.quantized.quantize import quantize
from sim.quantized.scheme import Axis, ScaleLevel, Scheme
from sim.quantized.tensor import QuantizedTensor

Sizes = TypeVar("Sizes", int, NDArray[np.int64])


@dataclass(frozen=True)
class Scaling:
    """Levels of scales of weights and of activations; unsigned integer weights may have zero points or not."""

    weights: tuple[ScaleLevel, ...]
    activations: tuple[ScaleLevel, ...]
    has_zero_points: bool = False


_BLOCKS = (ScaleLevel("group", "e8m0"),)
_SMALL_BLOCKS = ScaleLevel("group", "ocp_e4m3")

SCALINGS: dict[str, Scaling] = {
    "fp16": Scaling((ScaleLevel("group", "fp16"),), (ScaleLevel("token", "fp16"),), has_zero_points=True),
    "mx": Scaling(_BLOCKS, _BLOCKS),
    "nvfp4": Scaling((ScaleLevel("tensor", "fp32"), _SMALL_BLOCKS), (ScaleLevel("token", "fp32"), _SMALL_BLOCKS)),
}
"""``fp16``: a scale of each group of weights and of each token. ``mx``: both operands in blocks with a power of two, of 32 in
OCP Microscaling v1.0 (2023). ``nvfp4``: blocks with an E4M3 scale, of 16 in NVIDIA's "Introducing NVFP4" (2025), below an fp32
scale of the tensor, here of each token where it is activations': so a token's codes do not depend on others."""


@lru_cache
def weight_scheme(format_: Format, group_size: int, scaling: str = "fp16") -> Scheme:
    """Groups of weights, with an integer zero point where the format is an unsigned integer.

    Raises ``InputError`` for such a format where the scaling has no zero points.
    """
    chosen = choose("scaling", scaling, SCALINGS)
    unsigned = format_.is_integer and not format_.signed
    if unsigned and not chosen.has_zero_points:
        raise InputError(f"weights in blocks of {scaling} have no zero points, so their format is signed, not {format_.name}")
    return Scheme(format_, chosen.weights, "integer" if unsigned else "none", group_size)


@lru_cache
def activation_scheme(format_: Format, group_size: int = 0, scaling: str = "fp16") -> Scheme:
    """Tokens of activations, in groups of that size where the scaling has groups.

    16-bit floats have the range that they need, and so no fp16 scale.
    """
    levels = choose("scaling", scaling, SCALINGS).activations
    if scaling == "fp16" and format_.name in ("fp16", "bf16"):
        return Scheme(format_)
    return Scheme(format_, levels, group_size=group_size if levels[-1].per == "group" else 0)


def storage_bits(scheme: Scheme, rows: Sizes, columns: Sizes, axis: Axis) -> Sizes:
    """Storage [bit] with everything counted, of one size, or of each in an array: the scheme multiplies and divides them."""
    bits: Sizes = cast("Any", scheme).storage_bits((rows, columns), axis)
    return bits


def quantize_weights(weights: NDArray[np.floating], format_: Format, group_size: int) -> QuantizedTensor:
    """Round ``weights[k, n]`` to nearest even by groups of ``group_size`` along ``k``; see :func:`quantize`."""
    return quantize(weights, weight_scheme(format_, group_size), axis=0)


def quantize_activations(activations: NDArray[np.floating], format_: Format) -> QuantizedTensor:
    """Round ``activations[m, k]`` to nearest even with one scale per token; see :func:`quantize`."""
    return quantize(activations, activation_scheme(format_), axis=1)
