"""Rows of fp16 numbers as INT8 with an fp16 scale each: the codes and scales of :mod:`sim.quantized`, bit for bit.

Phase one finds the greatest magnitude of a row, ``amax``, phase two divides::

    scale = fp16(amax / 127), at least the smallest fp16 number, 2**-24; 1 for a row of zeros
    code  = round(x / scale), ties to even, limited to -128 and 127

:mod:`sim.quantized` rounds both quotients to fp32 first, which changes nothing. An fp16 number has 11 significant bits; a
midpoint of codes times a scale has 8 + 11, one of fp16 numbers times 127 has 12 + 7. Two different numbers of 22 bits or less
differ by more than ``2**-22`` of the greater, so fp32 tells them apart. A divider of integers that keeps 9 bits of the
quotient and whether anything remains is enough.

``quantize_folded`` first multiplies a row by a factor for each column, the scales of cached values: 22 bits, exact in fp32. A
row is then shifted by the power of two that brings its ``amax`` into [1/2, 1), so that its scale is a normal number; the
product's result is multiplied by that power again (:func:`sim.kernels.rows.folded`). A row of zeros has scale 1.
"""

import numpy as np
from numpy.typing import NDArray

from sim.formats import FORMATS
from sim.kernels.rows import folded
from sim.overlay.special.numbers import Halves, check_rows
from sim.quantized import QuantizedTensor, activation_scheme
from sim.quantized import quantize as quantized

SCHEME = activation_scheme(FORMATS["int8"])
"""Of activations, and of keys and values in the cache."""


def quantize(x: Halves) -> QuantizedTensor:
    """Codes of ``x [rows, columns]`` and a scale of each row."""
    check_rows("quantize", x)
    return quantized(x, SCHEME, axis=1)


def quantize_folded(x: Halves, factors: Halves) -> tuple[QuantizedTensor, NDArray[np.float32]]:
    """Codes of ``x [rows, columns]`` times ``factors [columns]`` over powers of two, and those ``[rows, 1]``."""
    check_rows("quantize_folded", x, factors)
    shifted, powers = folded(x.astype(np.float32), factors.astype(np.float32))
    return quantized(shifted, SCHEME, axis=1), powers
