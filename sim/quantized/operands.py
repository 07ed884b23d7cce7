"""The operands of the array with an fp16 epilogue: weights with a scale per group, activations with one per token."""

from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sim.formats import Format
from sim.quantized.quantize import quantize
from sim.quantized.scheme import Axis, ScaleLevel, Scheme
from sim.quantized.tensor import QuantizedTensor

Sizes = TypeVar("Sizes", int, NDArray[np.int64])


@lru_cache
def weight_scheme(format_: Format, group_size: int) -> Scheme:
    """Groups with an fp16 scale each, and an integer zero point where the format is an unsigned integer."""
    zero = "none" if format_.signed or not format_.is_integer else "integer"
    return Scheme(format_, (ScaleLevel("group", "fp16"),), zero, group_size)


@lru_cache
def activation_scheme(format_: Format) -> Scheme:
    """One fp16 scale per token; none for 16-bit floats, which have the range that they need."""
    return Scheme(format_, () if format_.name in ("fp16", "bf16") else (ScaleLevel("token", "fp16"),))


def weight_bits(format_: Format, k: Sizes, n: Sizes, group_size: int) -> Sizes:
    """Storage [bit] of ``k x n`` quantized weights with everything counted: codes, scales, zero points."""
    return _storage_bits(weight_scheme(format_, group_size), k, n, 0)


def activation_bits(format_: Format, m: Sizes, k: Sizes) -> Sizes:
    """Storage [bit] of ``m x k`` quantized activations: codes and token scales."""
    return _storage_bits(activation_scheme(format_), m, k, 1)


def _storage_bits(scheme: Scheme, rows: Sizes, columns: Sizes, axis: Axis) -> Sizes:
    """Of one size, or of each in an array of sizes: the scheme only multiplies and divides them."""
    bits: Sizes = cast("Any", scheme).storage_bits((rows, columns), axis)
    return bits


def quantize_weights(weights: NDArray[np.floating], format_: Format, group_size: int) -> QuantizedTensor:
    """Round ``weights[k, n]`` to nearest even by groups of ``group_size`` along ``k``; see :func:`quantize`."""
    return quantize(weights, weight_scheme(format_, group_size), axis=0)


def quantize_activations(activations: NDArray[np.floating], format_: Format) -> QuantizedTensor:
    """Round ``activations[m, k]`` to nearest even with one scale per token; see :func:`quantize`."""
    return quantize(activations, activation_scheme(format_), axis=1)
