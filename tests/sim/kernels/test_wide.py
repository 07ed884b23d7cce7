"""Wide integer sums against Python's integers and fractions."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels.wide import exact_fixed_sums, rounded_fixed_sums
from sim.kernels.wide_groups import scaled_fixed_sums
from tests.sim.kernels.fractions import nearest, same_bits


def judged(a: np.ndarray, codes: np.ndarray, table: np.ndarray) -> np.ndarray:
    integers = np.vectorize(int, otypes=[object])
    return integers(a) @ integers(table)[codes]


def operands(rng: np.random.Generator, shape: tuple[int, int, int], numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    m, k, n = shape
    return rng.choice(numbers, (m, k)), rng.integers(0, len(numbers), (k, n)).astype(np.uint8)


def e4m3() -> np.ndarray:
    """Integers of E4M3 in units of 2**-9: 0 to 7, then (8..15) * 2**e, the largest 448 * 2**9."""
    positive = [*range(8), *((8 + f) << e for e in range(15) for f in range(8))][:127]
    return np.array([*positive, *(-x for x in positive)], np.float64)


def e5m2() -> np.ndarray:
    """Integers of E5M2 in units of 2**-16: 0 to 3, then (4..7) * 2**e, the largest 57344 * 2**16."""
    positive = [*range(4), *((4 + f) << e for e in range(30) for f in range(4))]
    return np.array([*positive, *(-x for x in positive)], np.float64)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 130, 65), (1, 65, 300), (130, 2, 2)])
def test_sums_of_e4m3(shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    a, codes = operands(rng, shape, e4m3())
    assert e4m3().max() == 448 * 2**9
    assert np.array_equal(exact_fixed_sums(a, codes, e4m3(), 2**53), judged(a, codes, e4m3()))


def test_the_largest_sums_that_float64_holds() -> None:
    table = np.array([2.0**26, 2.0**26 - 1, -(2.0**26), 1])
    codes = np.array([[0], [1], [2], [3]] * 2, np.uint16)
    for a in ([2**26, 2**26 - 1, 1, -1, 0, 0, 0, 0], [-(2**26)] * 2 + [0] * 6, [2**26, 0, 2**26, 1, 0, 0, 0, 0]):
        row = np.array([a], np.float64)
        assert exact_fixed_sums(row, codes, table, 2**53)[0, 0] == judged(row, codes, table)[0, 0]


@pytest.mark.parametrize("exponent", [-32, -190, 70, 52])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 70, 40), (1, 300, 2), (2, 3, 260)])
def test_sums_of_e5m2_are_rounded_once(shape: tuple[int, int, int], exponent: int, rng: np.random.Generator) -> None:
    """Normal numbers, subnormal ones, and infinity."""
    a, codes = operands(rng, shape, e5m2())
    expected = [[nearest(Fraction(int(x)) * Fraction(2) ** exponent, "fp32") for x in row] for row in judged(a, codes, e5m2())]
    assert same_bits(rounded_fixed_sums(a, codes, e5m2(), exponent), np.array(expected, np.float32))


def test_cancellation_leaves_what_was_added() -> None:
    huge = 57344.0 * 2**16
    table = np.array([huge, -huge, 3.0, 0.0])
    codes = np.array([[0, 0], [2, 3], [1, 1]], np.uint8)
    a = np.array([[huge, 5, huge], [huge, 5, -huge], [-huge, 0, -huge]])
    expected = [[15, 0], [np.float32(2 * huge * huge), np.float32(2 * huge * huge)], [0, 0]]
    assert same_bits(rounded_fixed_sums(a, codes, table, 0), np.array(expected, np.float32))


def test_ties_and_what_is_just_beside_them() -> None:
    """2**24 + 1 is halfway between two float32 numbers; one part in 2**60 decides."""
    table = np.array([2.0**40, 1.0, -1.0, 0.0])
    codes = np.array([[0] * 3, [0] * 3, [3, 1, 2]], np.uint8)
    a = np.array([[2.0**24, 1.0, 1.0], [-(2.0**24), -1.0, 1.0], [2.0**24, 3.0, 1.0]])
    expected = [[2**24, 2**24 + 2, 2**24], [-(2**24), -(2**24), -(2**24) - 2], [2**24 + 4, 2**24 + 4, 2**24 + 2]]
    assert np.array_equal(rounded_fixed_sums(a, codes, table, -40), np.array(expected, np.float32))


def test_many_limbs(rng: np.random.Generator) -> None:
    """Integers as bfloat16 has them: eight bits, anywhere."""
    numbers = np.ldexp(rng.integers(-255, 256, 200).astype(np.float64), rng.integers(0, 240, 200))
    a, codes = operands(rng, (3, 50, 7), numbers)
    expected = [[nearest(Fraction(int(x)) * Fraction(2) ** -400, "fp32") for x in row] for row in judged(a, codes, numbers)]
    assert np.array_equal(rounded_fixed_sums(a, codes, numbers, -400), np.array(expected, np.float32))


def test_what_is_refused() -> None:
    a, codes, table = np.ones((2, 3)), np.zeros((3, 2), np.uint8), np.ones(4)
    for call, end in (
        (lambda: exact_fixed_sums(a, codes, table, 2**53 + 1), f"not {2**53 + 1}$"),
        (lambda: exact_fixed_sums(a, codes + np.uint8(4), table, 1), "not 4$"),
        (lambda: rounded_fixed_sums(a.astype(np.float32), codes, table, 1), "float32, uint8, float64$"),
    ):
        with pytest.raises(InputError, match=end):
            call()


@pytest.mark.parametrize("integers", [e4m3, e5m2])
@pytest.mark.parametrize("group_size", [1, 32, 70, 300])
def test_scaled_sums_of_groups(integers: Callable[[], np.ndarray], group_size: int, rng: np.random.Generator) -> None:
    """Each group's sum rounded to fp32, its exact product with both scales rounded, and added in order."""
    table = integers()
    a, codes = operands(rng, (3, 130, 67), table)
    size, groups = min(group_size, 130), -(-130 // group_size)
    w_scale, a_scale = (
        rng.integers(1, 1 << bits, shape).astype(np.float32) for bits, shape in ((11, (groups, 67)), (4, (3, groups)))
    )
    expected = np.zeros((3, 67), np.float32)
    for group in range(groups):
        part = slice(group * size, (group + 1) * size)
        for (m, n), exact in np.ndenumerate(judged(a[:, part], codes[part], table)):
            rounded = Fraction(float(nearest(Fraction(int(exact)) / 2**40, "fp32")))
            scaled = nearest(rounded * int(w_scale[group, n]) * int(a_scale[m, group]), "fp32")
            expected[m, n] = nearest(Fraction(float(expected[m, n])) + Fraction(float(scaled)), "fp32")
    bound = size * int(table.max()) ** 2
    assert same_bits(scaled_fixed_sums(a, codes, table, bound, -40, size, w_scale, a_scale), expected)


def test_scales_of_other_shapes_are_refused() -> None:
    a, codes, table, scale = np.ones((2, 3)), np.zeros((3, 2), np.uint8), np.ones(4), np.ones((1, 2), np.float32)
    with pytest.raises(InputError, match=r"not float32 \[1, 2\]$"):
        scaled_fixed_sums(a, codes, table, 3, 0, 2, scale)
    with pytest.raises(InputError, match="not 901$"):
        scaled_fixed_sums(a, codes, table, 3, 901, 3, scale)
