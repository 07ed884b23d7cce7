"""Arrays of every kind of PE and accumulator against the model's product, side by side in one build."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdl.bench.testbench import Dut
from hdl.export import array_parts, module_texts
from hdl.pe import PES
from hdl.tools.verilator import Bench
from hdl.verify.array import array_vectors
from sim.design import DesignPoint
from sim.formats import Format
from sim.kernels.product import matrix_product
from sim.pe import PES as MODELS
from sim.quantized import QuantizedTensor

M, K, N = 5, 19, 7
"""Tiles of 2 x 2 with an edge in both directions; two whole groups of 8 and a short one."""

SPECIAL = {
    "shift_add_float-uint3-bf16-aligned4",
    "shift_add_float-uint3-bf16-fp32",
    "multiplier-bf16-bf16-bf16",
    "shift_add_float-int4-bf16-fp16",
}
"""Designs whose numbers overflow: infinities, and NaN where two meet."""

DESIGNS = [
    DesignPoint("-".join(fields), *fields[:3], accumulator=fields[3], group_size=8, rows=2, columns=2)
    for fields in (
        ("shift_add", "uint4", "int8", "exact"),
        ("shift_add", "uint4", "int8", "wrap12"),
        ("shift_add", "int5", "int8", "saturate13"),
        ("shift_add", "bipolar2", "int4", "exact"),
        ("shift_only", "apot5", "int8", "exact"),
        ("shift_only", "pot4", "int16", "wrap23"),
        ("bit_serial", "uint5", "int8", "exact"),
        ("bit_serial", "int3", "int8", "wrap11"),
        ("minifloat", "ocp_e4m3", "ocp_e5m2", "exact"),
        ("minifloat", "e2m1", "e4m3", "fp16"),
        ("mixed", "uint4", "e4m3", "bf16"),
        ("mixed", "uint8", "e3m2", "saturate18"),
        ("mixed", "e3m2", "int8", "fp32"),
        ("shift_add_float", "uint4", "fp16", "exact"),
        ("shift_add_float", "uint4", "fp16", "fp32"),
        ("shift_add_float", "uint3", "bf16", "fp32"),
        ("shift_add_float", "int4", "bf16", "fp16"),
        ("dsp_packed", "uint8", "int8", "exact"),
        ("dsp_packed", "uint4", "int4", "wrap9"),
        ("fused", "int8", "int8", "exact"),
        ("fused", "uint4", "int8", "wrap13"),
        ("fused", "int5", "int4", "saturate10"),
        ("fused", "uint2", "int3", "exact"),
        ("multiplier", "uint4", "int16", "exact"),
        ("multiplier", "uint8", "int8", "fp32"),
        ("multiplier", "fp16", "fp16", "fp32"),
        ("multiplier", "fp16", "fp16", "exact"),
        ("multiplier", "bf16", "bf16", "bf16"),
        ("mixed", "uint4", "e4m3", "aligned2"),
        ("minifloat", "e2m1", "e3m2", "aligned0"),
        ("shift_add_float", "uint3", "bf16", "aligned4"),
        ("multiplier", "uint4", "int8", "aligned1"),
    )
]


PIPELINED = {
    "shift_add-uint4-int8-wrap12",
    "shift_only-apot5-int8-exact",
    "shift_add_float-uint4-fp16-fp32",
    "multiplier-uint8-int8-fp32",
    "mixed-uint4-e4m3-aligned2",
    "fused-uint4-int8-wrap13",
}
"""Designs that are there with every level of pipelining."""

DESIGNS += [
    dataclasses.replace(design, name=f"{design.name}-pipeline{level}", pipeline=level)
    for design in DESIGNS
    for level in design.element.pipelines
    if design.name in PIPELINED and level != design.pipeline
]

ONE_AFTER_ANOTHER = ("shift_add-uint4-int8-exact", "bit_serial-uint5-int8-exact", "mixed-uint4-e4m3-aligned2")
"""Designs that are there with tiles that begin when the one before is through, too."""

DESIGNS += [
    dataclasses.replace(design, name=f"{design.name}-single", double_buffered=False)
    for design in DESIGNS
    if design.name in ONE_AFTER_ANOTHER
]


def random_codes(
    format_: Format, shape: tuple[int, int], special: bool, rng: np.random.Generator
) -> NDArray[np.unsignedinteger]:
    """Codes of numbers; where sums are to overflow every fourth one is among the largest."""
    codes = np.flatnonzero(np.isfinite(format_.reals))
    chosen = rng.choice(codes, shape)
    if special:
        large = codes[np.argsort(np.abs(format_.reals[codes]))[-len(codes) // 64 - 1 :]]
        chosen = np.where(rng.random(shape) < 0.25, rng.choice(large, shape), chosen)
    return chosen.astype(np.uint8 if format_.bits <= 8 else np.uint16)


def random_scales(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float16]:
    """Every positive finite fp16 number is as likely as every other one."""
    return rng.integers(1, 0x7C00, size=shape).astype(np.uint16).view(np.float16)


def random_operands(design: DesignPoint, rng: np.random.Generator) -> tuple[QuantizedTensor, QuantizedTensor]:
    special = design.name in SPECIAL
    groups = -(-K // design.group_size)
    scheme = design.activation_scheme
    scales = tuple(random_scales((M, 1), rng) for _ in scheme.levels)
    activations = QuantizedTensor(random_codes(design.activation, (M, K), special, rng), scheme, 1, scales)
    codes, scheme = random_codes(design.weight, (K, N), special, rng), design.weight_scheme
    zero = rng.integers(len(design.weight.values), size=(groups, N)).astype(codes.dtype) if scheme.zero == "integer" else None
    return activations, QuantizedTensor(codes, scheme, 0, (random_scales((groups, N), rng),), zero)


def test_every_array(build_dir: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    duts, texts, vectors, found = [], {}, [], set()
    for i, design in enumerate(DESIGNS):
        activations, weights = random_operands(design, rng)
        with np.errstate(all="ignore"):
            expected = matrix_product(activations, weights, design.accumulator)
        found |= {design.name} if np.isinf(expected).any() and np.isnan(expected).any() else set()
        parts = array_parts(design)
        for part in parts:
            if part.module_name != "dsp_slice":  # the same for all
                part.module_name = f"{part.module_name}_{i}"
        duts.append(Dut(parts[-1].module_name, parts[-1]))
        texts |= module_texts(parts)
        token_scale = activations.scale if activations.scales else np.ones(M, np.float16)
        operands = (activations.codes, weights.codes, weights.scale, weights.zero_point, token_scale)
        vectors.append(array_vectors(design, *operands, expected, seed))
    assert Bench(duts, texts, build_dir, "-O0").run(*vectors) == []
    assert found == SPECIAL


def test_every_kind_and_accumulator_is_there() -> None:
    assert {design.pe for design in DESIGNS} == PES.keys()
    assert {design.pipeline for design in DESIGNS} == {0, 1, 2}
    families = {design.element.accumulation.family for design in DESIGNS}
    assert families == {family for model in MODELS.values() for family in model.accumulators}
