"""The aligned accumulator against fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels.aligned import aligned_group_sums

TYPES = (np.int32, np.int16, np.uint8, np.int32, np.int16)


def judged(a_s: np.ndarray, a_e: np.ndarray, codes: np.ndarray, w_s: np.ndarray, w_e: np.ndarray, guard: int) -> list:
    results = []
    for m in range(len(a_s)):
        for n in range(codes.shape[1]):
            products = []
            for k in range(len(codes)):
                code = codes[k, n]
                products.append((int(a_s[m, k]) * int(w_s[code]), int(a_e[m, k]) + int(w_e[code])))
            largest = max((e for p, e in products if p), default=0)
            total = sum(math.floor(p * Fraction(2) ** (e - largest + guard)) for p, e in products if p)
            results.append((total, largest))
    return results


def check(*arguments: object, guard: int) -> None:
    arrays = [np.array(x, kind) for x, kind in zip(arguments, TYPES, strict=True)]
    sums, exponents = aligned_group_sums(*arrays, guard)
    assert list(zip(sums.ravel().tolist(), exponents.ravel().tolist(), strict=True)) == judged(*arrays, guard)


@pytest.mark.parametrize("guard", [0, 1, 3, 20])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 32, 65), (2, 7, 130)])
def test_random_products(shape: tuple[int, int, int], guard: int, rng: np.random.Generator) -> None:
    m, k, n = shape
    a_s, a_e = rng.integers(-15, 16, (m, k)), rng.integers(-12, 9, (m, k))
    codes = rng.integers(0, 200, (k, n))
    w_s, w_e = rng.integers(-7, 8, 200), rng.integers(-30, 31, 200)
    check(a_s, a_e, codes, w_s, w_e, guard=guard)


def test_truncation_goes_towards_minus_infinity() -> None:
    """Far below the largest, a positive product leaves nothing and a negative one -1, at any distance."""
    for distance in (4, 62, 63, 64, 65, 3000):
        check([[1, 1, 1]], [[0, -distance, -distance]], [[0], [1], [2]], [1, 1, -1], [0, 0, 0], guard=2)


def test_zeros_do_not_count() -> None:
    """A zero with a large exponent aligns nothing; zeros alone are zero."""
    check([[0, 3, 0]], [[90, 1, -5]], [[1], [1], [0]], [0, 5], [100, -2], guard=3)
    check([[0, 3, 2]], [[90, 1, -5]], [[1], [0], [0]], [0, 5], [100, -2], guard=3)
    check([[0, 0]], [[5, 6]], [[0], [1]], [1, 0], [7, 8], guard=0)


def test_the_largest_sums() -> None:
    check([[2**20] * 3], [[0] * 3], [[0]] * 3, [2**20 - 1], [0], guard=21)
    with pytest.raises(InputError, match=f"not 21 bits, {4 * 2**40} << 21$"):
        check([[2**20] * 4], [[0] * 4], [[0]] * 4, [2**20], [0], guard=21)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="not 2$"):
        check([[1]], [[0]], [[2]], [1, 1], [0, 0], guard=0)
    with pytest.raises(InputError, match="not -1 bits, 1 << -1$"):
        check([[1]], [[0]], [[0]], [1], [0], guard=-1)
    with pytest.raises(InputError, match=r"not \(1, 1\) and \(1,\) of them$"):
        check([[1]], [[0]], [[0]], [1, 1], [0], guard=0)
