"""Vectors that come with a design's Verilog: its PE and its top at work, with what the model says must come out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hdl.accelerator.top import Accelerator
from hdl.bench.testbench import Dut
from hdl.bench.vectors import Vectors
from hdl.foot import streamed_rows
from hdl.verify.accelerator import accelerator_vectors
from hdl.verify.array import array_vectors
from hdl.verify.pe import pe_vectors
from sim.accelerator import blocks_of, depths, streams
from sim.accelerator.blocks import quartered
from sim.design import DesignPoint
from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.quantized import quantize

PAIRS = 1 << 12
"""Pairs of operands of the PE, if it has more."""


Padded = tuple[streams.Operands, NDArray[np.float32]]
Operands = tuple[Any, Any, NDArray[np.float16], Any, NDArray[np.float16], NDArray[np.float32]]


def example_vectors(design: DesignPoint, parts: Sequence[Any], seed: int = 0) -> list[tuple[Dut, Vectors]]:
    """The PE with pairs and chains of groups, and the top with :func:`example_product`.

    ``parts`` are the design's components, the top last. Streams of an accelerator come and go at random.
    """
    pe = next(part for part in parts if part.module_name in (f"{design.pe}_pe", f"{design.pe}_stationary_pe"))
    return [
        (Dut(pe.module_name, pe), pe_vectors(design, seed, PAIRS)[0]),
        (Dut(parts[-1].module_name, parts[-1]), _top_vectors(design, parts[-1], seed)),
    ]


def _top_vectors(design: DesignPoint, top: Any, seed: int) -> Vectors:
    if not isinstance(top, Accelerator):
        return array_vectors(design, *example_product(design, seed), seed)
    shape = example_shape(design)
    blocks = quartered(design, blocks_of(design, *shape))
    return accelerator_vectors(design, blocks, *padded_example(design, shape, seed), seed, patient=False)


def example_product(design: DesignPoint, seed: int = 0) -> Operands:
    """A random product of two by two tiles, the last ones not full, in three whole groups and a part of one.

    Codes ``activations[m, k]`` and ``weights[k, n]``, ``scale[g, n]``, ``zero_point[g, n]``, ``token_scale[m]``, and the
    model's results ``[m, n]``.
    """
    rng = np.random.default_rng(seed)
    m, k, n = example_shape(design)
    return product_of(design, rng.standard_normal((m, k)), rng.standard_normal((k, n)))


def example_shape(design: DesignPoint) -> tuple[int, int, int]:
    """``m, k, n`` of the example."""
    rows, columns = design.rows * design.element.lanes[0], design.array.granule[1]
    m, k, n = 2 * rows - rows // 2, 3 * design.group_size + (design.group_size + 1) // 2, 2 * columns - columns // 2
    return min(m, streamed_rows(design)) if design.dataflow == "weight_stationary" else m, k, n


def product_of(design: DesignPoint, activations: ArrayLike, weights: ArrayLike) -> Operands:
    """Operands ``[m, k]`` and ``[k, n]`` as the design has them, and the model's results."""
    a, w = quantize(activations, design.activation_scheme, axis=1), quantize(weights, design.weight_scheme, axis=0)
    # Float activations have no scale of their own: each token's is one.
    token_scale = a.scale if design.has_token_scales else np.ones(a.shape[0], dtype=np.float16)
    return a.codes, w.codes, w.scale, w.zero_point, token_scale, matrix_product(a, w, design.accumulator)


def with_least_buffers(design: DesignPoint) -> DesignPoint:
    """The design with the smallest scratchpads, all alike, that its accelerator can have: few tiles fit into them."""
    sizes = (1 << place for place in range(17))
    smaller = (replace(design, weight_buffer_kib=s, activation_buffer_kib=s, output_buffer_kib=s) for s in sizes)
    return next(small for small in smaller if _holds_two_blocks(small))


def _holds_two_blocks(design: DesignPoint) -> bool:
    try:
        depths(design)
    except InputError:
        return False
    return True


def padded_example(design: DesignPoint, shape: tuple[int, int, int], seed: int = 0) -> Padded:
    """A random product ``[m, k, n]`` as :func:`padded_product` has it."""
    (m, k, n), rng = shape, np.random.default_rng(seed)
    return padded_product(design, rng.standard_normal((m, k)), rng.standard_normal((k, n)))


def padded_product(design: DesignPoint, activations: ArrayLike, weights: ArrayLike) -> Padded:
    """Operands ``[m, k]`` and ``[k, n]`` filled up to whole tiles by zeros, as the design has them, and the model's results."""
    (rows, columns), a, w = design.array.granule, np.asarray(activations), np.asarray(weights)
    below, right = -len(a) % rows, -w.shape[1] % columns
    *operands, expected = product_of(design, np.pad(a, ((0, below), (0, 0))), np.pad(w, ((0, 0), (0, right))))
    return streams.Operands(*operands), expected
