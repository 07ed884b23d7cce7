"""Weights that become codes one input after the other, in compiled code: each depends on the errors of those before it.

The bits are those of :func:`sim.quantized.quantize.codes_of` and :meth:`sim.quantized.tensor.QuantizedTensor.dequantize`.
"""

from typing import Any

import numpy as np

from sim.formats.encoding import ladder
from sim.kernels import ladder as table
from sim.kernels import rows
from sim.kernels.compiled import compiled
from sim.quantized.quantize import in_fp32
from sim.quantized.tensor import QuantizedTensor

BLOCK = table.BLOCK
table_codes, integer_codes, reals_each = table.codes_each, rows.codes_each, rows.reals_each


def row_rounding(tensor: QuantizedTensor) -> tuple[Any, ...]:
    """How rows of weights ``[k, n]`` are rounded by a tensor's scales and zero points, as :func:`round_row` takes it."""
    format_, lines = tensor.format, tensor.scheme.finest_shape(tensor.shape, 0)[0]
    span = tensor.group_size if lines > 1 else tensor.shape[0]
    none = np.zeros((1, 1))
    zero = none if tensor.zero is None else tensor.zero.astype(np.float64)
    middle, least = (zero if tensor.scheme.zero == kind else none for kind in ("integer", "minimum"))
    lowest = least if tensor.scheme.zero == "minimum" else -none
    given = tensor.total_scale, middle, least, lowest
    wide = tuple(np.ascontiguousarray(np.broadcast_to(values, (lines, tensor.shape[1]))) for values in given)
    narrow = wide[0].astype(np.float32), wide[1].astype(np.float32)
    is_integer = in_fp32(tensor.scheme)
    ends = np.array((format_.smallest, format_.largest) if is_integer else (0, 0), np.float32)
    mask = np.int32(len(format_.values) - 1)
    return span, is_integer, narrow, ends, mask, wide, ladder(format_).arrays, format_.reals


@compiled
def round_row(rounding, k, numbers, codes, reals):  # type: ignore[no-untyped-def]
    """Fp32 ``numbers [n]`` in the place of input ``k`` become ``codes`` and the fp32 ``reals`` that these stand for."""
    span, is_integer, narrow, ends, mask, wide, of_table, table = rounding
    line = k // span
    scales, zero, minima, lowest = wide
    if is_integer:
        integer_codes(numbers, narrow[0][line], narrow[1][line], ends, mask, codes)
    else:
        quotients, found = np.empty(BLOCK, np.float64), np.empty(BLOCK, np.int32)
        table_codes(numbers, scales[line], minima[line], of_table, quotients, found, codes)
    reals_each(codes, table, scales[line], zero[line], lowest[line], reals)
