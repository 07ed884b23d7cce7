"""Tables against many digits, functions against float64 on every fp16 number, and against the judge."""

from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from sim.overlay.special import functions, tables
from sim.reference import special as judge
from tests.sim.overlay.special.operands import FINITE, errors

ROOM = 0.003
"""[ulp] What an error in the unit's numbers may add to the half of the last rounding."""


def digits(name: str, i: int) -> mpmath.mpf:
    with mpmath.workprec(120):
        x = mpmath.mpf(i)
        if name == "EXP2":
            return mpmath.power(2, 20 + x / 256)
        if name == "RECIPROCAL":
            return 2**14 / (1 + (x + 0.5) / 512)
        if name == "ROOT":
            return 2**14 / mpmath.sqrt((1 + i // 256) * (1 + (i % 256 + mpmath.mpf("0.5")) / 256))
        return -(2**18) * mpmath.log(mpmath.erfc(x / 256 / mpmath.sqrt(2)) / 2, 2)


SIZES = {"EXP2": 257, "RECIPROCAL": 512, "ROOT": 512, "GAUSS": 1537}


@pytest.mark.parametrize("name", SIZES)
def test_entries_are_the_nearest_integers(name: str) -> None:
    """None is near a half, where float64 could have decided otherwise."""
    table = getattr(tables, name).tolist()
    assert len(table) == SIZES[name]
    for i, entry in enumerate(table):
        assert abs(digits(name, i) - entry) < 0.49999


def test_the_end_of_the_gauss_table_is_beyond_fp16() -> None:
    assert 6 * mpmath.erfc(6 / mpmath.sqrt(2)) / 2 < 2.0**-25


FUNCTIONS: dict[str, tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]] = {
    "exponential": (lambda x: functions.exp2(functions.fixed(x, np.float32(functions.LOG2E))), np.exp),
    "reciprocal": (functions.reciprocal, lambda x: 1 / x),
    "inverse_root": (functions.inverse_root, lambda x: 1 / np.sqrt(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_half_precision_number(name: str) -> None:
    """Those whose result is an fp16 number; of the exponential also those that are nearest to 0."""
    of_unit, exact = FUNCTIONS[name]
    x = FINITE if name == "exponential" else FINITE[FINITE > 0]
    with np.errstate(over="ignore"):
        truth = exact(x.astype(np.float64))
    x, truth = x[truth < 65504], truth[truth < 65504]
    found = of_unit(x.astype(np.float32)).astype(np.float16)
    worst = errors(found, truth)
    print(f"{name}: {worst.max():.4f} ulp at {x[worst.argmax()]}")
    assert worst.max() < 0.5 + ROOM


def test_exponentials_of_every_fraction() -> None:
    u = np.arange(-(1 << 18), 0)
    relative = functions.exp2(u).astype(np.float64) / 2.0 ** (u / 2**18) - 1
    assert np.abs(relative).max() < functions.EXP2_ERROR
    assert functions.exp2(np.array([-63 << 18, (-63 << 18) - 1, 0])).tolist() == [2.0**-63, 0, 1]


@pytest.mark.parametrize("step", [61, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_significands(step: int) -> None:
    m = np.arange(1 << 23, 1 << 24, step).astype(np.float32)
    relative = functions.reciprocal(m).astype(np.float64) * m - 1
    assert np.abs(relative).max() < functions.RECIPROCAL_ERROR
    for numbers in (m, 2 * m):
        relative = functions.inverse_root(numbers).astype(np.float64) * np.sqrt(numbers.astype(np.float64)) - 1
        assert np.abs(relative).max() < functions.ROOT_ERROR


def test_bits_of_the_judge(rng: np.random.Generator) -> None:
    numbers = np.ldexp(rng.integers(1 << 23, 1 << 24, 400).astype(np.float32), rng.integers(-120, 90, 400)).astype(np.float32)
    ends = [2.0**-126, 1, np.nextafter(np.float32(2), np.float32(0)), np.nextafter(np.float32(4), np.float32(0)), 3e38]
    for number in [*numbers, *np.array(ends, np.float32)]:
        one = np.array([number], np.float32)
        exact = Fraction(float(number))
        assert Fraction(float(functions.inverse_root(one)[0])) == judge.inverse_root(exact)
        if number < 2.0**100:  # of greater ones the reciprocal is subnormal
            assert Fraction(float(functions.reciprocal(one)[0])) == judge.reciprocal(exact)
    u = rng.integers(-70 << 18, 8 << 18, 500)
    assert [Fraction(float(e)) for e in functions.exp2(u)] == [judge.exp2(v) for v in u.tolist()]


def test_by_hand() -> None:
    """``2**(1/2)``: entry 128 is 1482910.4 without a step; ``1/1.5``: seed 2**14 / (1.5 + 1/1024), one step."""
    assert functions.exp2(np.array([1 << 17]))[0] == 1482910 / 2**20
    m, y = 3 << 22, 10916
    r = (y * (((1 << 38) - m * y) >> 14) + (1 << 12)) >> 13
    assert functions.reciprocal(np.array([1.5], np.float32))[0] == r / 2**24
    assert abs(r / 2**24 - 2 / 3) < 1e-6


def test_halves_are_rounded_up() -> None:
    numbers = np.array([0.5, -0.5, 1.5, -1.5], np.float32) / 2**18
    assert functions.fixed(numbers).tolist() == [1, 0, 2, -1] == [judge.fixed(Fraction(float(x))) for x in numbers]
