"""The weight-stationary array's Verilog against the model's product; each result in the cycle that the model names."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hdl.bench.testbench import Dut
from hdl.delivery import write_design
from hdl.export import array_parts, components, module_texts
from hdl.tools.verilator import Bench, lint
from hdl.verify.array import array_vectors, verify_array
from hdl.verify.example import example_vectors
from hdl.verify.pe import verify_pe
from hdl.verify.verdict import VerificationError
from sim.design import DesignPoint
from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.quantized import QuantizedTensor

W4A8 = DesignPoint("test", group_size=32, rows=4, columns=3, dataflow="weight_stationary", output_buffer_kib=1)


def random_scales(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float16]:
    """Every positive finite fp16 number is as likely as every other one."""
    return rng.integers(1, 0x7C00, size=shape).astype(np.uint16).view(np.float16)


def random_product(design: DesignPoint, m: int, k: int, n: int, seed: int) -> tuple[Any, ...]:
    """Random codes, scales and zero points, and the model's product of them."""
    rng = np.random.default_rng(seed)
    groups = -(-k // design.group_size)
    a_codes, w_codes = (
        rng.choice(np.flatnonzero(np.isfinite(format_.reals)), shape).astype(scheme.code_dtype)
        for format_, scheme, shape in (
            (design.activation, design.activation_scheme, (m, k)),
            (design.weight, design.weight_scheme, (k, n)),
        )
    )
    scheme = design.weight_scheme
    zero = rng.integers(1 << design.weight.bits, size=(groups, n)).astype(w_codes.dtype) if scheme.zero == "integer" else None
    token_scales = tuple(random_scales((m, 1), rng) for _ in design.activation_scheme.levels)
    activations = QuantizedTensor(a_codes, design.activation_scheme, 1, token_scales)
    weights = QuantizedTensor(w_codes, scheme, 0, (random_scales((groups, n), rng),), zero)
    expected = matrix_product(activations, weights, design.accumulator)
    token_scale = activations.scale if token_scales else np.ones(m, np.float16)
    return a_codes, w_codes, weights.scale, weights.zero_point, token_scale, expected


@pytest.mark.parametrize(
    ("m", "k", "n"),
    [
        (9, 96, 7),  # eight folds a group, a last strip of one column
        (1, 70, 4),  # a stream of one row: the next fold waits until it is loaded
        (4, 37, 3),  # the last group has two folds, the last one of one row
        (5, 3, 2),  # nothing but a fold with an idle row and an idle column
        (23, 5, 3),  # the longest stream: 8192 bit / (3 * (32 + 32 + 32 + 17) + 13)
    ],
)
def test_folds_back_to_back(m: int, k: int, n: int, build_dir: Path, seed: int) -> None:
    verdict = verify_array(W4A8, *random_product(W4A8, m, k, n, seed), build_dir, seed)
    assert (verdict.results, verdict.tiles, verdict.groups) == (m * n, -(-n // 3), -(-n // 3) * -(-k // 32))


SHAPES: list[tuple[dict[str, Any], int, int, int]] = [
    ({"group_size": 1}, 6, 9, 7),  # every fold is a group of one row
    ({"group_size": 1, "rows": 1, "columns": 1}, 1, 7, 3),  # a weight loaded and used in every cycle
    ({"group_size": 5, "rows": 1, "columns": 4}, 1, 13, 6),  # a sum that is read where it was written a cycle before
    ({"group_size": 6, "columns": 9}, 2, 20, 20),  # more columns than cycles from one group to the next
    ({"group_size": 7, "rows": 5, "columns": 2}, 3, 24, 5),  # groups that are no multiple of the rows
    ({"weight_format": "uint8", "activation_format": "int16", "group_size": 2}, 5, 11, 4),
    ({"accumulator": "wrap12"}, 6, 75, 4),  # sums wrap within a fold and from fold to fold
    ({"pe": "multiplier", "weight_format": "int8"}, 6, 40, 4),  # signed weights
    ({"pe": "shift_only", "weight_format": "apot5"}, 6, 40, 4),  # no zero points
    ({"pe": "shift_only", "weight_format": "pot4", "activation_format": "int16", "accumulator": "wrap23"}, 6, 40, 4),
    ({"weight_format": "bipolar2", "activation_format": "int4"}, 6, 40, 4),
    ({"pe": "mixed", "activation_format": "e4m3"}, 6, 40, 4),  # row sums of floats
    ({"pe": "mixed", "weight_format": "e3m2"}, 6, 40, 4),
    ({"pe": "minifloat", "weight_format": "e2m1", "activation_format": "ocp_e5m2", "accumulator": "wrap50"}, 6, 40, 4),
    ({"pe": "shift_add_float", "activation_format": "fp16", "pipeline": 2}, 6, 40, 4),
    ({"pe": "multiplier", "weight_format": "fp16", "activation_format": "fp16"}, 6, 40, 4),
    ({"double_buffered": False}, 6, 75, 7),
    ({"double_buffered": False}, 1, 70, 4),
    ({"double_buffered": False, "group_size": 1, "rows": 1, "columns": 1}, 1, 7, 3),
    ({"pe": "fused", "weight_format": "int8"}, 6, 40, 4),
    ({"pipeline": 0}, 6, 40, 4),
    ({"pipeline": 2}, 6, 40, 4),
    ({"pipeline": 2, "pe": "shift_only", "weight_format": "apot5"}, 6, 40, 4),
]


def test_formats_and_shapes(build_dir: Path, seed: int) -> None:
    """All of them side by side in one build."""
    duts, texts, vectors = [], {}, []
    for i, (fields, m, k, n) in enumerate(SHAPES):
        design = dataclasses.replace(W4A8, **fields)
        parts = array_parts(design)
        for part in parts:
            part.module_name = f"{part.module_name}_{i}"
        duts.append(Dut(parts[-1].module_name, parts[-1]))
        texts |= module_texts(parts)
        vectors.append(array_vectors(design, *random_product(design, m, k, n, seed + i), seed))
    assert Bench(duts, texts, build_dir, "-O0").run(*vectors) == []


def test_one_wrong_bit_is_named(build_dir: Path, seed: int) -> None:
    product = random_product(W4A8, 9, 96, 7, seed)
    product[-1].view(np.uint32)[5, 6] ^= 1
    due = W4A8.array.result_cycles(9, 96, 7)[5, 6]
    with pytest.raises(VerificationError, match=rf"row 5, column 6 is wrong: .*result_0 in cycle {due} is 0x.*; 1 out"):
        verify_array(W4A8, *product, build_dir, seed)


def test_streams_that_are_too_long(seed: int) -> None:
    product = random_product(W4A8, 24, 1, 1, seed)
    with pytest.raises(InputError, match="rows of a product for test are at most 23, not 24"):
        array_vectors(W4A8, *product, seed)


@pytest.mark.parametrize(
    ("pe", "weight", "pipeline", "pairs"),
    [
        ("shift_add", "uint4", 1, 1 << 12),
        ("shift_only", "apot5", 1, 1 << 13),
        ("shift_add", "uint4", 0, 1 << 12),
        ("shift_add", "uint4", 2, 1 << 12),
        ("fused", "uint8", 1, 1 << 16),
    ],
)
def test_the_pe_alone(pe: str, weight: str, pipeline: int, pairs: int, build_dir: Path, seed: int) -> None:
    design = dataclasses.replace(W4A8, pe=pe, weight_format=weight, pipeline=pipeline)
    assert verify_pe(design, build_dir, seed).pairs == pairs


def test_what_is_delivered_passes_its_own_bench_and_lint(tmp_path: Path) -> None:
    export = write_design(W4A8, tmp_path, "library(none) {}")
    manifest = json.loads(export.files[-1].read_text())
    assert manifest["latency_cycles"] == {"shift_add": 2, "row_sum": 2, "foot": 1, "epilogue": 6, "result": 9}
    assert lint([tmp_path / module["file"] for module in manifest["modules"].values()], export.top) == ""
    assert export.top == "accelerator"
    parts = components(W4A8)
    texts = module_texts(parts)
    assert texts == {name: (tmp_path / name).read_text() for name in texts}
    duts, vectors = zip(*example_vectors(W4A8, parts), strict=True)
    assert Bench(duts, texts, tmp_path / "build", "-O0").run(*vectors) == []


def test_more_columns_than_rows_are_delivered_without_an_accelerator() -> None:
    wide = dataclasses.replace(W4A8, columns=5)
    assert list(module_texts(components(wide)))[-1] == "array_4x5.v"
    assert list(module_texts(components(dataclasses.replace(wide, double_buffered=False))))[-1] == "accelerator.v"
