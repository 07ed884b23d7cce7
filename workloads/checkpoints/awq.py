"""Weights as AutoAWQ stores them for its GEMM kernels.

    qweight  I32 [k, n / 8]       codes of 4 bits: of eight columns, those in ``ORDER``, from the least significant bit on
    qzeros   I32 [groups, n / 8]  zero points in the same order
    scales   F16 [groups, n]

A weight is ``scales * (code - zero)``. Source: AutoAWQ 0.2.7, ``utils/packing_utils.py`` and ``modules/linear/gemm.py``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sim.errors import choose
from workloads.checkpoints.gptq import grouped, with_zeros
from workloads.checkpoints.packed import Codes, Packed, Tensors, fields
from workloads.recipes.layer import QuantizedLayer

PARTS = ("qweight", "qzeros", "scales")
WIDTHS = {"4": 4}
VERSIONS = {"gemm": "gemm", "exllama": "gemm", "ipex": "gemm"}
"""Kernels that load what is packed for GEMM; GEMV and others have layouts of their own."""

ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def awq_layer(tensors: Tensors, config: Mapping[str, Any]) -> Packed:
    """A layer by its ``bits``, ``group_size`` and ``version`` in the configuration."""
    bits = choose("bits of AWQ", str(config.get("bits", config.get("w_bit"))), WIDTHS)
    choose("version of AWQ", str(config.get("version", "gemm")).lower(), VERSIONS)
    k, words = tensors.matrix("qweight")
    group_size = grouped(config.get("group_size", config.get("q_group_size", -1)))

    def read() -> QuantizedLayer:
        groups = -(-k // (group_size or k))
        codes = _in_columns(fields(tensors.array("qweight", (k, words), torch.int32), bits))
        zero = _in_columns(fields(tensors.array("qzeros", (groups, words), torch.int32), bits))
        return QuantizedLayer.of(with_zeros(tensors, codes, zero, group_size, bits))

    return Packed((k, words * 32 // bits), read)


def _in_columns(packed: Codes) -> Codes:
    codes = np.empty_like(packed)
    for place, column in enumerate(ORDER):
        codes[:, column::8] = packed[:, place::8]
    return codes
