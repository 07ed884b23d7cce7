"""Trees of fp16 adders, against Python's own floats rounded one operation at a time."""

import math
import struct

import numpy as np
import pytest
import torch

from sim.overlay.tree import Halves, add_trees, tree_sums

SEED = 23
K, N = 70, 3


def _half(number: float) -> float:
    """To nearest even by Python's ``struct``, which refuses what is beyond fp16; a product or sum of two is exact in float."""
    try:
        return float(struct.unpack("<e", struct.pack("<e", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def _tree(numbers: list[float]) -> float:
    if len(numbers) == 1:
        return numbers[0]
    middle = len(numbers) // 2
    return _half(_tree(numbers[:middle]) + _tree(numbers[middle:]))


def _slow(total: float, a: list[float], w: list[float], width: int) -> float:
    products = [_half(x * y) for x, y in zip(a, w, strict=True)]
    products += [0.0] * (-len(products) % width)
    for start in range(0, len(products), width):
        total = _half(total + _tree(products[start : start + width]))
    return total


def _bits(x: Halves) -> list[int]:
    return np.where(np.isnan(x), np.float16(np.nan), x).view(np.uint16).reshape(-1).tolist()


OPERANDS = {
    "ordinary": lambda rng: (rng.normal(size=(2, K)), rng.normal(size=(K, N))),
    "subnormal": lambda rng: (rng.normal(size=(2, K)) * 2.0**-8, rng.normal(size=(K, N)) * 2.0**-13),
    "large": lambda rng: (rng.normal(size=(2, K)) * 40, rng.normal(size=(K, N)) * 40),
    "beyond fp16": lambda rng: (rng.normal(size=(2, K)) * 400, rng.normal(size=(K, N)) * 400),
    "ties": lambda rng: (2.0 ** rng.integers(-2, 12, (2, K)), rng.choice([-1.0, 1.0, 1.5], (K, N))),
    "zeros": lambda rng: (rng.choice([0.0, -0.0, 1.0], (2, K)), rng.choice([0.0, -0.0, -1.0], (K, N))),
}


@pytest.mark.parametrize("width", [2, 16, 64])
@pytest.mark.parametrize("kind", OPERANDS)
def test_sums_are_those_of_one_operation_at_a_time(kind: str, width: int) -> None:
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    a, w = (operand.astype(np.float16) for operand in OPERANDS[kind](rng))
    held = rng.normal(size=(2, N)).astype(np.float16)
    found = tree_sums(held, a, w, width)
    wanted = [[_slow(float(held[m, n]), a[m].tolist(), w[:, n].tolist(), width) for n in range(N)] for m in range(2)]
    assert _bits(found) == _bits(np.array(wanted, np.float16))
    assert np.isfinite(found).all() == (kind != "beyond fp16")


@pytest.mark.parametrize("kind", OPERANDS)
def test_tensors_have_the_bits_of_arrays(kind: str) -> None:
    rng = np.random.default_rng(SEED)
    a, w = (operand.astype(np.float16) for operand in OPERANDS[kind](rng))
    whole = 64
    totals = torch.zeros(2, N, dtype=torch.float16)
    add_trees(totals, torch.from_numpy(a[:, :whole]), torch.from_numpy(w[:whole]), 16)
    assert _bits(totals.numpy()) == _bits(tree_sums(np.zeros((2, N), np.float16), a[:, :whole], w[:whole], 16))


def test_a_sum_by_hand() -> None:
    """2048 + 1 is a tie of fp16, to even; in a tree of four the ones meet first, in pairs of two each one is lost."""
    ones, numbers = np.ones((4, 1), np.float16), np.array([[2048, 0, 1, 1]], np.float16)
    zero = np.zeros((1, 1), np.float16)
    assert tree_sums(zero, numbers, ones, 4) == 2050
    assert tree_sums(zero, np.array([[2048, 1, 0, 1]], np.float16), ones, 2) == 2048


def test_parts_and_zeros_behind_change_nothing() -> None:
    """Whole trees at a time with the sums held; and heads side by side."""
    rng = np.random.default_rng(SEED)
    a, w = rng.normal(size=(2, 1, 48)).astype(np.float16), rng.normal(size=(2, 48, N)).astype(np.float16)
    whole = tree_sums(np.zeros((2, 1, N), np.float16), a, w, 16)
    part = tree_sums(np.zeros((2, 1, N), np.float16), a[..., :32], w[:, :32], 16)
    assert np.array_equal(tree_sums(part, a[..., 32:], w[:, 32:], 16), whole)
    more = np.concatenate([a, np.zeros((2, 1, 40), np.float16)], axis=-1)
    behind = np.concatenate([w, rng.normal(size=(2, 40, N)).astype(np.float16)], axis=1)
    assert np.array_equal(tree_sums(np.zeros((2, 1, N), np.float16), more, behind, 16), whole)
    assert np.array_equal(tree_sums(np.zeros((1, N), np.float16), a[1], w[1], 16), whole[1])
