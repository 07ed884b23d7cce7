"""The fast kernel against the judge, the PE and torch's integer GEMM."""

import numpy as np
import pytest
import torch

from sim import reference
from sim.design import PRESETS, DesignPoint, load_design
from sim.errors import InputError
from sim.kernels.product import exact_dtype, grouped_product
from sim.pe.shift_add import ShiftAdd
from sim.quantized import QuantizedActivations, QuantizedWeights


def judge(activations: QuantizedActivations, weights: QuantizedWeights, m: int, n: int) -> float:
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
) -> tuple[QuantizedActivations, QuantizedWeights]:
    """Any codes, any positive scales: subnormal, ordinary and large."""
    groups = -(-k // design.group_size)
    a = rng.integers(0, 1 << design.activation.bits, (m, k)).astype(np.uint16)
    w = rng.integers(0, 1 << design.weight.bits, (k, n)).astype(np.uint8)
    scales = rng.integers(1, 0x7C00, (groups, n)).astype(np.uint16).view(np.float16)
    zeros = (
        np.zeros((groups, n), np.uint8)
        if design.weight.signed
        else rng.integers(0, 1 << design.weight.bits, (groups, n)).astype(np.uint8)
    )
    tokens = rng.integers(1, 0x7C00, m).astype(np.uint16).view(np.float16)
    return (
        QuantizedActivations(a, design.activation, tokens),
        QuantizedWeights(w, design.weight, scales, zeros, design.group_size),
    )


DESIGNS = [
    *(load_design(name) for name in PRESETS),
    DesignPoint("signed", weight_format="int4"),
    DesignPoint("group of one", group_size=1),
    DesignPoint("bit", weight_format="uint1", activation_format="int2"),
]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
@pytest.mark.parametrize("k", [1, 64, 133])
def test_every_output_equals_python_integers(rng: np.random.Generator, design: DesignPoint, k: int) -> None:
    activations, weights = random_operands(rng, design, 5, k, 7)
    result = grouped_product(activations, weights)
    expected = np.array([[judge(activations, weights, m, n) for n in range(7)] for m in range(5)])
    assert np.array_equal(result, expected.astype(np.float32))
    assert np.array_equal(expected, expected.astype(np.float32)), "the judge's results are fp32 numbers"


@pytest.mark.parametrize("activation_code", [0x80, 0x7F], ids=["-128", "127"])
@pytest.mark.parametrize(("weight_code", "zero_point"), [(15, 0), (0, 15), (15, 15)])
def test_extremes_in_every_place(activation_code: int, weight_code: int, zero_point: int) -> None:
    design = load_design("mixpe-w4a8")
    k, n = 200, 3
    scale = np.full((4, n), np.float16(65504))
    activations = QuantizedActivations(
        np.full((2, k), activation_code, np.uint16), design.activation, np.float16([65504, 2.0**-24])
    )
    weights = QuantizedWeights(
        np.full((k, n), weight_code, np.uint8), design.weight, scale, np.full((4, n), zero_point, np.uint8), 64
    )
    result = grouped_product(activations, weights)
    assert [[judge(activations, weights, m, j) for j in range(n)] for m in range(2)] == result.tolist()


def test_group_sums_equal_torchs_integer_gemm_and_the_pe(rng: np.random.Generator) -> None:
    """With scales of one and no zero point the result is the sum of group sums, below 2**24 exact in fp32."""
    design = load_design("mixpe-w4a8")
    activations, weights = random_operands(rng, design, 16, 256, 24)
    ones = QuantizedActivations(activations.codes, activations.format, np.ones(16, np.float16))
    plain = QuantizedWeights(weights.codes, weights.format, np.ones((4, 24), np.float16), np.zeros((4, 24), np.uint8), 64)
    a = torch.from_numpy(activations.codes.astype(np.uint8).view(np.int8))
    by_torch = torch._int_mm(a, torch.from_numpy(weights.codes.view(np.int8))).numpy()
    assert np.array_equal(grouped_product(ones, plain), by_torch)
    by_pe = ShiftAdd(design.weight, design.activation).group_sums(activations.codes, weights.codes, 64)
    assert np.array_equal(by_pe.sum(axis=0), by_torch)


def test_sums_up_to_the_last_exact_integer_are_allowed() -> None:
    assert exact_dtype(1 << 10, 1 << 7, 1 << 7) is torch.float32
    with pytest.raises(InputError, match="at most 16777216 in magnitude, not 16793600$"):
        exact_dtype((1 << 10) + 1, 1 << 7, 1 << 7)


def test_precision_set_for_one_backend_is_not_trusted() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        assert exact_dtype(1, 1, 1) is torch.float64
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before


@pytest.mark.parametrize("precision", ["medium", "high"])
def test_a_float32_gemm_that_may_round_is_not_trusted(rng: np.random.Generator, precision: str) -> None:
    activations, weights = random_operands(rng, load_design("mixpe-w8a8"), 32, 256, 32)
    expected = grouped_product(activations, weights)
    torch.set_float32_matmul_precision(precision)
    try:
        assert exact_dtype(1, 1, 1) is torch.float64
        assert np.array_equal(grouped_product(activations, weights), expected)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_operands_of_different_k_are_refused(rng: np.random.Generator) -> None:
    design = load_design("mixpe-w4a8")
    activations, _ = random_operands(rng, design, 2, 64, 2)
    _, weights = random_operands(rng, design, 2, 65, 2)
    with pytest.raises(InputError, match="not 64 and 65$"):
        grouped_product(activations, weights)
