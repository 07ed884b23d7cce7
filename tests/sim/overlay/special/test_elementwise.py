"""Element-wise operations: correctly rounded sums and products, functions on every fp16 number."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from sim.errors import InputError
from sim.overlay.special import OPERATIONS, add, elementwise, gelu, multiply, relu, rotary, silu
from sim.reference import round_to_float
from sim.reference import special as judge
from tests.sim.overlay.special.operands import EXTREMES, FINITE, Halves, errors, fractions, some

Double = np.ndarray


def exact_silu(x: Double) -> Double:
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def exact_gelu_tanh(x: Double) -> Double:
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def exact_gelu(x: Double) -> Double:
    return x * np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.tolist()])


UNARY = {"silu": exact_silu, "gelu_tanh": exact_gelu_tanh, "gelu": exact_gelu}


@pytest.mark.parametrize("name", UNARY)
def test_every_half_precision_number(name: str) -> None:
    found, truth = OPERATIONS[name].function(FINITE), UNARY[name](FINITE.astype(np.float64))
    worst = errors(found, truth)
    print(f"{name}: {worst.max():.4f} ulp at {FINITE[worst.argmax()]}")
    assert worst.max() < elementwise.ULP
    assert (np.signbit(found) == np.signbit(FINITE)).all()


@pytest.mark.parametrize("name", UNARY)
def test_bits_of_the_judge(name: str, rng: np.random.Generator) -> None:
    x = np.concatenate([some(rng, 500), rng.normal(scale=3, size=700).astype(np.float16)])
    assert fractions(OPERATIONS[name].function(x)) == [judge.UNARY[name](v) for v in fractions(x)]


def pairs(rng: np.random.Generator, count: int) -> tuple[Halves, Halves]:
    """All extremes with each other, numbers of all sizes, and pairs of like size, whose sums and products are near ties."""
    a, b = (side.ravel() for side in np.meshgrid(EXTREMES, EXTREMES))
    ordinary = rng.normal(size=(2, count)).astype(np.float16)
    any_size = rng.choice(FINITE, (2, count))
    return np.concatenate([a, ordinary[0], any_size[0]]), np.concatenate([b, ordinary[1], any_size[1]])


@pytest.mark.parametrize(("operation", "of_torch"), [(add, torch.add), (multiply, torch.mul)])
def test_sums_and_products_are_correctly_rounded_as_torch_has_them(operation, of_torch, rng: np.random.Generator) -> None:  # type: ignore[no-untyped-def]
    for count, other in ((20_000, "torch"), (600, "judge")):
        a, b = pairs(rng, count)
        exact = (a.astype(np.float64) + b) if operation is add else a.astype(np.float64) * b
        fits = np.abs(exact) < 65520
        a, b = a[fits], b[fits]
        found = operation(a, b)
        if other == "torch":
            assert found.tobytes() == of_torch(torch.from_numpy(a), torch.from_numpy(b)).numpy().tobytes()
        else:
            both = zip(fractions(a), fractions(b), strict=True)
            assert fractions(found) == [round_to_float(x + y if operation is add else x * y, "fp16") for x, y in both]


def test_rotary_is_that_of_the_networks(rng: np.random.Generator) -> None:
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    x = rng.normal(size=(1, 2, 7, 16)).astype(np.float16)
    angles = rng.uniform(0, 7, (1, 7, 16))
    cos, sin = np.cos(angles).astype(np.float16), np.sin(angles).astype(np.float16)
    expected, _ = apply_rotary_pos_emb(*(torch.from_numpy(v) for v in (x, x, cos, sin)))
    found = rotary(x, cos, sin)
    assert found.tobytes() == expected.numpy().tobytes()
    for head in range(2):
        for row, c, s in zip(x[0, head], cos[0], sin[0], strict=True):
            judged = judge.rotary(fractions(row), fractions(c), fractions(s))
            assert fractions(rotary(row, c, s)) == judged


def test_zeros_have_signs() -> None:
    zeros = np.array([0.0, -0.0], np.float16)
    for operation in (silu, gelu, OPERATIONS["gelu_tanh"].function):
        assert np.signbit(operation(zeros)).tolist() == [False, True]
    assert np.signbit(relu(np.array([-0.0, -1, 0], np.float16))).tolist() == [False, False, False]
    assert relu(np.array([-3, 2.5], np.float16)).tolist() == [0, 2.5]


def test_results_beyond_fp16_and_operands_that_are_none() -> None:
    big = np.array([65504], np.float16)
    assert add(big, np.array([15.99], np.float16)).tolist() == [65504]
    with pytest.raises(InputError, match="results of add are fp16 numbers, at most 65504 in size, not 65520.0"):
        add(big, np.array([16], np.float16))
    with pytest.raises(InputError, match="results of multiply are fp16 numbers, at most 65504 in size, not -131008.0"):
        multiply(big, np.array([-2], np.float16))
    with pytest.raises(InputError, match="operands of silu are finite numbers, not inf"):
        silu(np.array([1, np.inf], np.float16))
    with pytest.raises(TypeError, match="operand of gelu is of type float16, not float32"):
        gelu(np.zeros(3, np.float32))
    with pytest.raises(InputError, match="rotary takes rows of one even length, not 3, 3 and 3"):
        rotary(*np.zeros((3, 1, 3), np.float16))


def test_silu_by_hand() -> None:
    """At 0 the sum 1 + 1 is 2, whose reciprocal is a Newton step short of 1/2: 0 all the same. At 65504 nothing is added."""
    assert silu(np.array([0, 65504, -65504], np.float16)).tolist() == [0, 65504, 0]
    assert float(silu(np.array([1], np.float16))[0]) == float(np.float16(0.7310585786300049))
    assert Fraction(float(gelu(np.array([-1], np.float16))[0])) == Fraction(float(np.float16(-0.15865525393145707)))
