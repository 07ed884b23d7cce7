"""Programs that come with an overlay's Verilog: products as the compiler writes them, and what the models say comes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdl.bench.testbench import Dut
from hdl.bench.vectors import Vectors, followed
from hdl.overlay.buffers import WORD_BYTES
from hdl.overlay.scaled_down import NEW, STEPS, TOKENS, example_decoder, example_words
from hdl.verify.overlay import program_vectors
from hdl.verify.vector_unit import vector_unit_vectors
from sim.overlay.budget import best_within
from sim.overlay.cells import FP16_BYTES, Bytes, aligned
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.compile import memory_map
from sim.overlay.compiler.image import Linear, Parameters, image
from sim.overlay.compiler.layer import product
from sim.overlay.compiler.memory_map import MemoryMap
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, DENSITIES
from sim.overlay.isa import SYSTEM, Program
from sim.quantized import SCHEMES, quantize

GROUPS = 12
"""Of the vector unit's vectors."""


@dataclass(frozen=True, eq=False)
class Example:
    """A program, the memory that it begins with, and buffers [word]."""

    program: Program
    memory: Bytes
    buffers: tuple[int, int]


def overlay_examples(design: OverlayDesign, parts: Sequence[Any], seed: int = 0) -> list[tuple[Dut, Vectors]]:
    """The vector unit with groups of random blocks, and the accelerator with a decode step and, behind a reset, a prefill."""
    unit = next(part for part in parts if part.module_name == "vector_unit")
    rng = np.random.default_rng(seed)
    runs = []
    for new in NEW:
        example = example_program(design, new, rng)
        runs.append(program_vectors(design, example.memory, example.program, example.buffers, rng)[0])
    decode, prefill = runs
    return [
        (Dut(unit.module_name, unit), vector_unit_vectors(design.engine, GROUPS, seed)),
        (Dut(parts[-1].module_name, parts[-1]), followed(decode, decode.cycles, prefill)),
    ]


def sizes(design: OverlayDesign) -> tuple[int, int, int]:
    """Words of the memory and of both buffers, which are powers of two."""
    buffers = design.slots * design.slot_bytes // WORD_BYTES, design.activation_bytes // WORD_BYTES
    return example_words(design), *buffers


def example_program(design: OverlayDesign, new: int, rng: np.random.Generator) -> Example:
    """Three products of random numbers, from codes in the memory to results in it."""
    where = memory_map(example_decoder(design), design, TOKENS)
    code = Code(where, new, TOKENS)
    memory = image(where, _parameters(where, rng))[: where.cache(0, False)].tobytes()
    for name, source, target in STEPS:
        k, n = where.decoder.products[name]
        a = quantize(rng.standard_normal((new, k)), SCHEMES["int8_token"], axis=1)
        operands = _filled(a.integers.tobytes()) + _filled(a.scales[0].astype(np.float16).tobytes())
        code.load(name, source, len(memory), len(operands))
        product(code, 0, name, source, target)
        memory += operands
        size = new * n * FP16_BYTES
        code.store(name, target, len(memory), size)
        memory += bytes(aligned(size))
    code.emitter.emit("end", "SYS", operation=SYSTEM.index("end"))
    words = design.slots * design.slot_bytes // WORD_BYTES, design.activation_bytes // WORD_BYTES
    return Example(code.emitter.program(), np.frombuffer(memory, np.uint8).copy(), words)


def _parameters(where: MemoryMap, rng: np.random.Generator) -> Parameters:
    """Random weights and biases. Columns of a block keep the N largest weights; each block's N is random within the budget."""
    decoder, design = where.decoder, where.design
    found = {}
    for name, (k, n) in decoder.products.items():
        numbers = rng.standard_normal((k, n))
        blocks = np.abs(numbers).reshape(k // BLOCK, BLOCK, n)
        rank = (-blocks).argsort(axis=1).argsort(axis=1).reshape(k, n)
        densities = best_within(rng.random((k // BLOCK, n // BLOCK, len(DENSITIES))), design.kept, design.budget_blocks)
        kept = rank < np.kron(densities, np.ones((BLOCK, BLOCK), np.uint8))
        weights = quantize(np.where(kept, numbers, 0), design.schemes[design.format_of(name)], axis=0)
        found[name] = Linear(weights, rng.standard_normal(n).astype(np.float16) if name in decoder.biases else None)
    norm = np.ones((1, decoder.hidden), np.float16)
    head = found.pop("head")
    return Parameters((found,), ({"attention_norm": norm, "network_norm": norm},), norm, head)


def _filled(data: bytes) -> bytes:
    """Up to whole words."""
    return data.ljust(aligned(len(data)), b"\0")
