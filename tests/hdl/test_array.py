"""The array's Verilog against integers and numpy's float32; each result in the cycle that the model names."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hdl.verify.array import verify_array
from hdl.verify.verdict import VerificationError
from sim.design import DesignPoint


@dataclass
class Product:
    activations: NDArray[np.uint16]
    weights: NDArray[np.uint16]
    scale: NDArray[np.float16]
    zero_point: NDArray[np.uint16]
    token_scale: NDArray[np.float16]
    expected: NDArray[np.float32]


def random_product(design: DesignPoint, m: int, k: int, n: int, seed: int) -> Product:
    """Random codes, and the result in int64 for the sums and one float32 operation after the other above them."""
    rng = np.random.default_rng(seed)
    groups = -(-k // design.group_size)
    activation_bits, weight_bits = design.activation.bits, design.weight.bits
    activations = rng.integers(1 << activation_bits, size=(m, k))
    weights = rng.integers(1 << weight_bits, size=(k, n))
    scale = rng.uniform(2**-14, 0.1, size=(groups, n)).astype(np.float16)
    token_scale = rng.uniform(2**-14, 0.1, size=m).astype(np.float16)
    zero_point = rng.integers(0 if design.weight.signed else 1 << weight_bits, size=(groups, n), endpoint=design.weight.signed)
    a = activations - ((activations >> (activation_bits - 1)) << activation_bits)
    w = weights - ((weights >> (weight_bits - 1)) << weight_bits) if design.weight.signed else weights
    total = np.zeros((m, n), dtype=np.float32)
    for g in range(groups):
        part = slice(g * design.group_size, (g + 1) * design.group_size)
        corrected = a[:, part] @ w[part] - zero_point[g] * a[:, part].sum(axis=1)[:, None]
        total = total + scale[g].astype(np.float32) * corrected.astype(np.float32)
    expected = total * token_scale.astype(np.float32)[:, None]
    codes = (activations.astype(np.uint16), weights.astype(np.uint16))
    return Product(*codes, scale, zero_point.astype(np.uint16), token_scale, expected)


def check(design: DesignPoint, product: Product, build_dir: Path, seed: int) -> int:
    verdict = verify_array(
        design,
        product.activations,
        product.weights,
        product.scale,
        product.zero_point,
        product.token_scale,
        product.expected,
        build_dir,
        seed,
    )
    return verdict.tiles


W4A8 = DesignPoint("test", group_size=32, rows=4, columns=4)


@pytest.mark.parametrize(
    ("m", "k", "n", "tiles"),
    [
        (9, 96, 10, 9),  # edge tiles in both directions, whole groups back to back
        (8, 33, 4, 2),  # a last group of one operand waits for the bus
        (12, 2, 4, 3),  # nothing but a short group
    ],
)
def test_tiles_back_to_back(m: int, k: int, n: int, tiles: int, build_dir: Path, seed: int) -> None:
    assert check(W4A8, random_product(W4A8, m, k, n, seed), build_dir, seed) == tiles


@pytest.mark.parametrize(
    ("pe", "weight", "activation", "group_size", "rows", "columns"),
    [
        ("shift_add", "uint3", "int8", 1, 1, 1),  # every cycle ends a group and a row
        ("shift_add", "int4", "int8", 32, 3, 5),  # more columns than rows
        ("shift_add", "uint8", "int16", 2, 5, 2),  # more rows than columns, the widest sums
        ("multiplier", "int8", "int8", 7, 2, 2),
        ("bit_serial", "uint5", "int8", 6, 2, 3),  # an operand every five cycles
    ],
)
def test_formats_and_shapes(
    pe: str, weight: str, activation: str, group_size: int, rows: int, columns: int, build_dir: Path, seed: int
) -> None:
    formats = {"pe": pe, "weight_format": weight, "activation_format": activation}
    design = DesignPoint("test", group_size=group_size, rows=rows, columns=columns, **formats)
    k = 2 * group_size + (group_size + 1) // 2
    assert check(design, random_product(design, 2 * rows + 1, k, columns + 1, seed), build_dir, seed) == 6


def test_one_wrong_bit_is_named(build_dir: Path, seed: int) -> None:
    product = random_product(W4A8, 9, 96, 10, seed)
    product.expected.view(np.uint32)[5, 7] ^= 1
    due = W4A8.array.result_cycles(9, 96, 10)[5, 7]
    with pytest.raises(VerificationError, match=rf"row 5, column 7 is wrong: .*result_3 in cycle {due} is 0x.*; 1 out"):
        check(W4A8, product, build_dir, seed)
