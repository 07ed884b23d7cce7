"""The fast kernel against the judge, the PE and torch's integer GEMM."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sim import reference
from sim.design import PRESETS, DesignPoint, load_design
from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.pe.shift_add import ShiftAdd
from sim.quantized import SCHEMES, QuantizedTensor, activation_scheme, quantize, weight_scheme
from tests.sim.kernels.judging import judged, numbers_for


def judge(activations: QuantizedTensor, weights: QuantizedTensor, m: int, n: int) -> float:
    """One output by Python integers."""
    a, w = activations.format, weights.format
    return float(
        reference.output(
            [reference.integer_of(int(c), a.bits, a.signed) for c in activations.codes[m]],
            int(activations.scale[m].view(np.uint16)),
            [reference.integer_of(int(c), w.bits, w.signed) for c in weights.codes[:, n]],
            [int(s) for s in weights.scale[:, n].view(np.uint16)],
            [int(z) for z in weights.zero_point[:, n]],
            weights.group_size,
        )
    )


def random_operands(
    rng: np.random.Generator, design: DesignPoint, m: int, k: int, n: int
) -> tuple[QuantizedTensor, QuantizedTensor]:
    """Any codes, any positive scales: subnormal, ordinary and large."""
    groups = -(-k // design.group_size)
    a = rng.integers(0, 1 << design.activation.bits, (m, k)).astype(np.uint8 if design.activation.bits <= 8 else np.uint16)
    w = rng.integers(0, 1 << design.weight.bits, (k, n)).astype(np.uint8)
    scales = rng.integers(1, 0x7C00, (groups, n)).astype(np.uint16).view(np.float16)
    zeros = None if design.weight.signed else rng.integers(0, 1 << design.weight.bits, (groups, n)).astype(np.uint8)
    tokens = rng.integers(1, 0x7C00, (m, 1)).astype(np.uint16).view(np.float16)
    return (
        QuantizedTensor(a, activation_scheme(design.activation), 1, (tokens,)),
        QuantizedTensor(w, weight_scheme(design.weight, design.group_size), 0, (scales,), zeros),
    )


DESIGNS = [
    *(design for design in map(load_design, PRESETS) if design.sums_are_integers),
    DesignPoint("signed", weight_format="int4"),
    DesignPoint("group of one", group_size=1),
    DesignPoint("bit", weight_format="uint1", activation_format="int2"),
]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
@pytest.mark.parametrize("k", [1, 64, 133])
def test_every_output_equals_python_integers(rng: np.random.Generator, design: DesignPoint, k: int) -> None:
    activations, weights = random_operands(rng, design, 5, k, 7)
    result = matrix_product(activations, weights)
    expected = np.array([[judge(activations, weights, m, n) for n in range(7)] for m in range(5)])
    assert np.array_equal(result, expected.astype(np.float32))
    assert np.array_equal(expected, expected.astype(np.float32)), "the judge's results are fp32 numbers"


@pytest.mark.parametrize("activation_code", [0x80, 0x7F], ids=["-128", "127"])
@pytest.mark.parametrize(("weight_code", "zero_point"), [(15, 0), (0, 15), (15, 15)])
def test_extremes_in_every_place(activation_code: int, weight_code: int, zero_point: int) -> None:
    design = load_design("mixpe-w4a8")
    k, n = 200, 3
    scale = np.full((4, n), np.float16(65504))
    tokens = np.float16([[65504], [2.0**-24]])
    activations = QuantizedTensor(
        np.full((2, k), activation_code, np.uint8), activation_scheme(design.activation), 1, (tokens,)
    )
    zeros = np.full((4, n), zero_point, np.uint8)
    weights = QuantizedTensor(np.full((k, n), weight_code, np.uint8), weight_scheme(design.weight, 64), 0, (scale,), zeros)
    result = matrix_product(activations, weights)
    assert [[judge(activations, weights, m, j) for j in range(n)] for m in range(2)] == result.tolist()


def test_group_sums_equal_torchs_integer_gemm_and_the_pe(rng: np.random.Generator) -> None:
    """With scales of one and no zero point the result is the sum of group sums, below 2**24 exact in fp32."""
    design = load_design("mixpe-w4a8")
    activations, weights = random_operands(rng, design, 16, 256, 24)
    ones = replace(activations, scales=(np.ones((16, 1), np.float16),))
    plain = replace(weights, scales=(np.ones((4, 24), np.float16),), zero=np.zeros((4, 24), np.uint8))
    a = torch.from_numpy(activations.codes.astype(np.uint8).view(np.int8))
    by_torch = torch._int_mm(a, torch.from_numpy(weights.codes.view(np.int8).copy())).numpy()
    assert np.array_equal(matrix_product(ones, plain), by_torch)
    by_pe = ShiftAdd(design.weight, design.activation).group_sums(activations.codes, weights.codes, 64)
    assert np.array_equal(by_pe.sum(axis=0), by_torch)


SMALL = [
    *(("int8_token", weights, "exact") for weights, scheme in SCHEMES.items() if 0 in scheme.axes and weights != "bf16"),
    *((activations, "e4m3_channel", "exact") for activations in ("uint8_token", "fp16", "e4m3_token")),
    *(("int8_token", "uint4_g64", kept) for kept in ("wrap13", "saturate14", "fp32", "fp16", "aligned2")),
    *(("fp16", "uint4_g128", kept) for kept in ("exact", "fp32", "bf16", "aligned8", "wrap46", "saturate47")),
    *(("mxfp4", "mxfp4", kept) for kept in ("exact", "wrap9", "saturate9", "fp32", "bf16", "aligned0")),
    *(("mxfp8_e5m2", "mxfp8_e5m2", kept) for kept in ("exact", "fp32", "bf16", "aligned4", "saturate70")),
    *(("bf16", "nf4_g64", kept) for kept in ("fp32", "fp16", "bf16")),
    ("mxint8", "mxint8", "exact"),
    ("nvfp4", "nvfp4", "exact"),
    ("fp16", "uint4_minimum_g64", "fp32"),
]


@pytest.mark.parametrize(("activations", "weights", "kept"), SMALL)
def test_every_scheme_and_accumulator_equals_the_judge(
    rng: np.random.Generator, activations: str, weights: str, kept: str
) -> None:
    """A last group that is short, three rows and four columns, all of them judged."""
    sa, sw = SCHEMES[activations], SCHEMES[weights]
    a = quantize(numbers_for(rng, sa, (3, 150)), sa, axis=1)
    w = quantize(numbers_for(rng, sw, (150, 4)), sw, axis=0)
    expected = [[judged(a, w, kept, m, n) for n in range(4)] for m in range(3)]
    assert matrix_product(a, w, kept).tolist() == expected


@pytest.mark.parametrize(
    ("activations", "weights", "kept", "message"),
    [
        ("uint8_token", "int4_g128", "wrap20", "integer ones and an exact accumulator, not wrap"),
        ("mxfp4", "int4_g128", "exact", "groups of one size, not 32 and 128"),
        ("int8_token", "int4_g128", "wrap", "between 2 and 128, not 'wrap'"),
        ("int8_token", "int4_g128", "saturate11", "int8 x int4 has at least the 12 bits of a product, not 11"),
        ("int8_token", "int4_g128", "fp64", "not 'fp64'"),
        ("bf16", "int4_g128", "exact", "at most 128 bits, not the 27[0-9] of 128 products of bf16 x int4"),
    ],
)
def test_what_makes_no_product_is_one_sentence(activations: str, weights: str, kept: str, message: str) -> None:
    a = quantize(np.ones((2, 128)), SCHEMES[activations], axis=1)
    w = quantize(np.ones((128, 2)), SCHEMES[weights], axis=0)
    with pytest.raises(InputError, match=f"{message}$"):
        matrix_product(a, w, kept)


def test_operands_in_the_wrong_places_are_refused() -> None:
    a = quantize(np.ones((4, 4)), SCHEMES["fp16"], axis=1)
    with pytest.raises(InputError, match="axes 1 and 0, not 1 and 1$"):
        matrix_product(a, a)


def test_operands_of_different_k_are_refused(rng: np.random.Generator) -> None:
    design = load_design("mixpe-w4a8")
    activations, _ = random_operands(rng, design, 2, 64, 2)
    _, weights = random_operands(rng, design, 2, 65, 2)
    with pytest.raises(InputError, match="not 64 and 65$"):
        matrix_product(activations, weights)
