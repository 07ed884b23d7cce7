"""Weights as AutoGPTQ and GPTQModel store them.

    qweight  I32 [k * bits / 32, n]       codes of a column one after the other, from the least significant bit of each word on
    qzeros   I32 [groups, n * bits / 32]  zero points of a group in the same way; less 1 in the first format
    scales   F16 [groups, n]
    g_idx    I32 [k]                      the group of each input

A weight is ``scales * (code - zero)``. The first format (``checkpoint_format`` "gptq") has zero points less 1, modulo
``2**bits``; "gptq_v2" has them as they are. Sources: AutoGPTQ 0.7.1, ``nn_modules/qlinear/qlinear_cuda_old.py``; GPTQModel,
``utils/model.py`` (``convert_gptq_v1_to_v2_format``).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sim.errors import InputError, choose
from sim.formats import FORMATS
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme
from workloads.checkpoints.packed import Packed, Tensors, fields, in_order, order_of_groups
from workloads.recipes.layer import QuantizedLayer

PARTS = ("qweight", "qzeros", "scales", "g_idx")
WIDTHS = {str(bits): bits for bits in (2, 3, 4, 8)}
LESS = {"gptq": 1, "gptq_v2": 0}
"""What zero points are stored less, by the format's name."""


def gptq_layer(tensors: Tensors, config: Mapping[str, Any]) -> Packed:
    """A layer by its ``bits``, ``group_size`` and ``checkpoint_format`` in the configuration."""
    bits = choose("bits of GPTQ", str(config.get("bits")), WIDTHS)
    less = choose("checkpoint_format of GPTQ", config.get("checkpoint_format") or "gptq", LESS)
    rows, n = tensors.matrix("qweight")
    k = rows * 32 // bits
    group_size = grouped(config.get("group_size", -1))

    def read() -> QuantizedLayer:
        groups = -(-k // (group_size or k))
        codes = fields(tensors.array("qweight", (rows, n), torch.int32).T, bits).T
        stored = fields(tensors.array("qzeros", (groups, n * bits // 32), torch.int32), bits)
        zero = (stored + np.uint8(less)) & np.uint8((1 << bits) - 1)
        order = np.arange(k)
        if "g_idx" in tensors.stored:
            order = order_of_groups(tensors.layer, tensors.array("g_idx", (k,), torch.int32), group_size or k)
        return in_order(with_zeros(tensors, codes[order], zero, group_size, bits), order)

    return Packed((k, n), read)


def with_zeros(tensors: Tensors, codes: NDArray[np.uint8], zero: NDArray[np.uint8], size: int, bits: int) -> QuantizedTensor:
    """Codes ``[k, n]`` with integer zero points ``[groups, n]`` and the layer's own ``scales`` of that shape."""
    format_, scales = tensors.scales("scales", zero.shape)
    level = ScaleLevel("group" if size else "channel", format_)
    scheme = Scheme(FORMATS[f"uint{bits}"], (level,), "integer", size)
    return QuantizedTensor(np.ascontiguousarray(codes), scheme, 0, (scales,), zero)


def grouped(group_size: object) -> int:
    """The size of groups along ``k``, 0 for one scale for all of it, which configurations write as -1."""
    if not isinstance(group_size, int) or isinstance(group_size, bool) or group_size == 0 or group_size < -1:
        raise InputError(f"group_size of quantized weights is -1 or at least 1, not {group_size!r}")
    return 0 if group_size == -1 else group_size
