"""Products of a design with what its KV cache has quantized, by the accelerator's exact arithmetic.

The array takes weights whose scales and zero points are shared by ``group_size`` numbers along ``k``. A scale that differs
from one ``k`` to the next is multiplied into the activations before they are quantized, and such a zero point is subtracted
from the code: then a weight is a signed integer of one bit more.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.design import DesignPoint
from sim.formats import FORMATS, Format
from sim.formats.families import signed
from sim.kernels.product import matrix_product
from sim.kernels.rows import folded
from sim.quantized import Axis, QuantizedTensor, ScaleLevel, Scheme, quantize
from workloads.recipes.calibration import Reals
from workloads.recipes.layer import MatrixProduct

Floats = NDArray[np.float32]

SCALE = "fp16"
"""Format of a cache's scales."""

FULL = Scheme(FORMATS["fp16"])
"""What is kept in full precision."""

LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Array:
    """A design as its cache sees it (``design.attention``), and what computes its products."""

    design: DesignPoint
    multiply: MatrixProduct = matrix_product


def product(activations: Floats, weights: QuantizedTensor, array: Array) -> Floats:
    """The accelerator's ``[m, n]`` for float activations ``[m, k]`` and quantized weights ``[k, n]``."""
    design = array.design
    return array.multiply(quantize(activations, design.activation_scheme, axis=1), weights, design.accumulator)


def folded_product(activations: Floats, scales: Reals, weights: QuantizedTensor, array: Array) -> Floats:
    """:func:`product` of activations that are multiplied by ``scales [k]`` first.

    Rows are shifted by a power of two, and the result back: small probabilities times small scales would need scales of
    their own beneath the normal numbers of fp16.
    """
    scaled, powers = folded(activations, scales.astype(np.float32))
    result = product(scaled, weights, array)
    result *= powers
    return result


def full_product(activations: Floats, weights: Floats) -> Floats:
    """``[m, n]`` of fp16 activations ``[m, k]`` and weights ``[k, n]``, added up in fp32 in order of ``k``."""
    return matrix_product(_full(activations, 1), _full(weights, 0), "fp32")


def at_array(
    codes: NDArray[np.unsignedinteger],
    format_: Format,
    group_size: int,
    scales: NDArray[np.generic] | None = None,
    zero: NDArray[np.generic] | None = None,
) -> QuantizedTensor:
    """Codes ``[k, n]`` as the array's weights; ``scales`` and ``zero`` ``[1, n]`` are the same for all ``k``, or 1 and none."""
    shape = -(-codes.shape[0] // group_size), codes.shape[1]
    scheme = Scheme(format_, (ScaleLevel("group", SCALE),), "none" if zero is None else "integer", group_size)
    of_groups = np.broadcast_to(np.float16(1) if scales is None else scales, shape)
    return QuantizedTensor(codes, scheme, 0, (of_groups,), None if zero is None else np.broadcast_to(zero, shape))


def expanded(cache: QuantizedTensor) -> tuple[NDArray[np.unsignedinteger], Format]:
    """Codes less integer zero points, and their format: one bit wider where there are zero points."""
    if cache.scheme.zero != "integer":
        return cache.codes, cache.format
    wide = signed(cache.format.bits + 1)
    return wide.encode_integers(cache.centered).astype(np.min_scalar_type(len(wide.values) - 1)), wide


def _full(numbers: Floats, axis: Axis) -> QuantizedTensor:
    """As :func:`quantize` does it, but by numpy's own rounding, which is faster."""
    codes = np.clip(numbers, -LARGEST, LARGEST).astype(np.float16).view(np.uint16)
    return QuantizedTensor(codes, FULL, axis)
