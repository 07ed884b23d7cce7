"""Vectors that come with a design's Verilog: its PE and its array at work, with what the model says must come out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hdl.bench.testbench import Dut
from hdl.bench.vectors import Vectors
from hdl.verify_array import array_vectors
from hdl.verify_pe import pe_vectors
from sim.design import DesignPoint
from sim.kernels.product import matrix_product
from sim.quantized import quantize

PAIRS = 1 << 12
"""Pairs of operands of the PE, if it has more."""


def example_vectors(design: DesignPoint, parts: Sequence[Any], seed: int = 0) -> list[tuple[Dut, Vectors]]:
    """The PE with pairs and chains of groups, and the array with a product of two by two tiles, the last ones not full.

    ``parts`` are the design's components, the array last. The product's groups are two whole ones and a part of one.
    """
    rng = np.random.default_rng(seed)
    rows, columns = design.array.granule
    m, k, n = 2 * rows - rows // 2, 2 * design.group_size + (design.group_size + 1) // 2, 2 * columns - columns // 2
    activations = quantize(rng.standard_normal((m, k)), design.activation_scheme, axis=1)
    weights = quantize(rng.standard_normal((k, n)), design.weight_scheme, axis=0)
    # Float activations have no scale of their own: each token's is one.
    token_scale = activations.scale if design.activation_scheme.levels else np.ones(m, dtype=np.float16)
    tensors = activations.codes, weights.codes, weights.scale, weights.zero_point, token_scale
    array = array_vectors(design, *tensors, matrix_product(activations, weights, design.accumulator), seed)
    pe = next(part for part in parts if part.module_name == f"{design.pe}_pe")
    return [
        (Dut(pe.module_name, pe), pe_vectors(design, seed, PAIRS)[0]),
        (Dut(parts[-1].module_name, parts[-1]), array),
    ]
