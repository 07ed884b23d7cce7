"""Float accumulators against fractions that are rounded once a step, and the paths against each other."""

from fractions import Fraction

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels import narrow, operands, ordered, threads
from sim.kernels.ordered import PATHS, choose_path, ordered_sums
from tests.sim.kernels.fractions import FORMATS, nearest, same_bits

ACCUMULATORS = ("fp32", "fp16", "bf16")


def judged(a: np.ndarray, codes: np.ndarray, table: np.ndarray, form: str) -> np.ndarray:
    result = np.zeros((len(a), codes.shape[1]), np.float32)
    for m, n in np.ndindex(result.shape):
        total = 0.0
        for x, y in zip(a[m].tolist(), table[codes[:, n]].tolist(), strict=True):
            total = step(total, x, y, form)
        result[m, n] = total
    return result


def step(total: float, x: float, y: float, form: str) -> float:
    if not np.isfinite([total, x, y]).all():
        return total + x * y
    return nearest(Fraction(total) + Fraction(x) * Fraction(y), form)


def numbers(rng: np.random.Generator, count: int, bits: int, low: int, high: int) -> np.ndarray:
    """Significands of at most ``bits`` bits, with exponents of the last one, and some zeros."""
    significand = rng.integers(0, 1 << bits, count) * rng.choice([-1, 1], count)
    return np.ldexp(significand.astype(np.float64), rng.integers(low, high + 1, count)).astype(np.float32)


def operands_of(
    rng: np.random.Generator, shape: tuple[int, int, int], bits: tuple[int, int], low: int, high: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m, k, n = shape
    a = numbers(rng, m * k, bits[0], low, high).reshape(m, k)
    return a, rng.integers(0, 256, (k, n)).astype(np.uint8), numbers(rng, 256, bits[1], low, high)


def force(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(ordered, "choose_path", lambda *_: path)


@pytest.mark.parametrize("accumulator", ACCUMULATORS)
@pytest.mark.parametrize("bits", [(4, 4), (11, 4), (8, 4), (11, 11), (12, 12), (13, 12)])
@pytest.mark.parametrize(("low", "high"), [(-8, -4), (-14, 6), (-40, 30)])
def test_each_step_is_rounded_once(
    accumulator: str, bits: tuple[int, int], low: int, high: int, rng: np.random.Generator
) -> None:
    """Exponents near each other, so that sums are halfway between two numbers, and far apart."""
    for shape in ((1, 1, 1), (5, 70, 3), (1, 129, 5)):
        a, codes, table = operands_of(rng, shape, bits, low, high)
        result = ordered_sums(a, codes, table, accumulator, sum(bits))
        assert np.array_equal(result, judged(a, codes, table, accumulator), equal_nan=True)


@pytest.mark.parametrize("shape", [(4, 40, 64), (7, 65, 130), (131, 3, 5)])
@pytest.mark.parametrize(("low", "high"), [(-12, 0), (-16, 9)])
def test_the_paths_agree(
    shape: tuple[int, int, int], low: int, high: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    a, codes, table = operands_of(rng, shape, (4, 4), low, high)
    results = {}
    for path in PATHS:
        force(monkeypatch, path)
        for accumulator in ACCUMULATORS if path == "slow" else (path[:4],):
            results[accumulator, path] = ordered_sums(a, codes, table, accumulator, 8)
    for (accumulator, _), result in results.items():
        assert same_bits(result, results[accumulator, "slow"])


@pytest.mark.parametrize("accumulator", ["fp16", "bf16"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_product_halfway_between_two_numbers_needs_rounding_to_odd(
    accumulator: str, sign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product of p + 1 bits and a small sum before it: float32 loses the sum, and the tie goes to even."""
    bits = FORMATS[accumulator][0]
    halfway = float((1 << bits) + 1)
    a, table = np.array([[2.0**-20, 1]], np.float32), np.array([sign, halfway], np.float32)
    codes = np.array([[0], [1]], np.uint8)
    expected = halfway + sign
    assert ordered_sums(a, codes, table, accumulator, bits + 1)[0, 0] == expected == judged(a, codes, table, accumulator)
    force(monkeypatch, accumulator)
    assert ordered_sums(a, codes, table, accumulator, bits + 1)[0, 0] == (1 << bits)


def test_the_path_follows_the_design() -> None:
    one, table = np.ones((1, 1), np.float32), np.array([0.5, 0, 3], np.float32)
    for form, expected in (
        ("fp32", ["fp32"] * 5),
        ("fp16", ["fp16"] * 3 + ["fp16 odd"] * 2),
        ("bf16", ["bf16"] + ["bf16 odd"] * 4),
    ):
        assert [choose_path(one, table, form, bits) for bits in (8, 9, 11, 12, 24, 25)] == [*expected, "slow"]
    tiny, huge = np.full((1, 1), 2.0**-126, np.float32), np.full((1, 1), 2.0**126, np.float32)
    for bits, path in ((23, "fp32"), (24, "slow")):
        assert choose_path(tiny, table, "fp32", bits) == path
    assert choose_path(tiny, np.array([0.0, 0.25], np.float32), "bf16", 8) == "bf16"
    for factor, path in ((1, "fp32"), (2, "slow")):
        assert choose_path(huge, np.full(1, factor, np.float32), "fp32", 2) == path
    zero, infinite = np.zeros((1, 1), np.float32), np.full((1, 1), np.inf, np.float32)
    assert choose_path(zero, zero[0], "bf16", 8) == choose_path(infinite, zero[0], "bf16", 8) == "bf16"


@pytest.mark.parametrize("accumulator", ACCUMULATORS)
def test_products_beyond_float32(accumulator: str, rng: np.random.Generator) -> None:
    """Below its smallest number, above its largest, and in both cases back again."""
    low, high = np.float32(2.0**-100), np.float32(1.5 * 2.0**100)
    a = np.array([[low] * 70 + [1], [high, -high, 1, low] + [0] * 67, [high, high, -high, 1] + [0] * 67], np.float32)
    table = np.array([low, high, -high, 1, 1 + 2.0**-10], np.float32)
    codes = rng.integers(0, 5, (71, 40)).astype(np.uint16)
    codes[:, 0], codes[:2, 1], codes[:2, 2] = 0, 1, 2
    result = ordered_sums(a, codes, table, accumulator, 12)
    assert np.array_equal(result, judged(a, codes, table, accumulator), equal_nan=True)


@pytest.mark.parametrize("accumulator", ["fp16", "bf16"])
@pytest.mark.parametrize("bits", [8, 12])
def test_infinity_and_nan_remain(accumulator: str, bits: int) -> None:
    largest = 65504 if accumulator == "fp16" else 2.0**127 * (2 - 2.0**-7)
    ulp = 2.0**5 if accumulator == "fp16" else 2.0**120
    strange = np.array([0x7FFFFFFF, 0xFFFFFFFF], np.uint32).view(np.float32)
    a = np.array([[largest / 2, largest / 2, x, 1.0] for x in (ulp / 2, ulp / 2 * (1 - 2.0**-8))])
    a = np.concatenate([a, [[1.0, 1.0, np.inf, 1.0], [np.inf, -np.inf, 1.0, 1.0]]]).astype(np.float32)
    codes = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0], [2, 2, 3]], np.uint8)
    table = np.array([1, -1, 0, strange[0]], np.float32)
    result = ordered_sums(a, codes, table, accumulator, bits)
    expected = [[np.inf, -np.inf, np.nan], [largest, -largest, np.nan], [np.inf, -np.inf, np.nan], [np.nan] * 3]
    assert np.array_equal(result, np.array(expected, np.float32), equal_nan=True)
    a[:, 2] = strange[1]
    assert np.isnan(ordered_sums(a, codes, table, accumulator, bits)).all()


@pytest.mark.parametrize("accumulator", ["fp16", "bf16"])
def test_subnormal_sums(accumulator: str, rng: np.random.Generator) -> None:
    """Around the smallest number of the accumulator, with products above it and far below."""
    unit = -24 if accumulator == "fp16" else -133
    a = numbers(rng, 5 * 60, 4, unit + 10, unit + 12).reshape(5, 60)
    table = numbers(rng, 256, 4, -16, -8)
    codes = rng.integers(0, 256, (60, 5)).astype(np.uint8)
    assert same_bits(ordered_sums(a, codes, table, accumulator, 8), judged(a, codes, table, accumulator))
    assert same_bits(ordered_sums(a, codes, table, accumulator, 16), judged(a, codes, table, accumulator))


def test_float16_by_integers_is_the_machine_s_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """All exponents, ties and their neighbours, infinity and NaN: numpy converts by a code of its own."""
    force(monkeypatch, "fp16 by integers")
    halves = np.arange(0x7C01, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = ((halves[:-1].astype(np.float64) + halves[1:]) / 2).astype(np.float32)
    ties[-1] = 65520
    values = np.concatenate([halves, ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(np.inf)), [np.nan]])
    values = np.concatenate([values, -values]).astype(np.float32)[:, None]
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16).astype(np.float32)
    result = ordered_sums(values, np.zeros((1, 1), np.uint8), np.ones(1, np.float32), "fp16", 11)
    assert np.array_equal(result, expected, equal_nan=True)
    assert narrow.STEPS["fp16"] is not narrow.STEPS["fp16 by integers"]


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_threads(count: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    for module in (operands, threads):
        monkeypatch.setattr(module, "thread_count", lambda: count)
    a, codes, table = operands_of(rng, (130, 66, 300), (4, 4), -8, 4)
    result = ordered_sums(a, codes, table, "bf16", 8)
    part = judged(a[128:], codes[:, 290:], table, "bf16")
    assert same_bits(np.ascontiguousarray(result[128:, 290:]), part)


def test_what_is_refused() -> None:
    a, codes, table = np.ones((2, 3), np.float32), np.zeros((3, 2), np.uint8), np.ones(4, np.float32)
    for call, end in (
        (lambda: ordered_sums(a, codes, table, "fp8", 8), "not 'fp8'$"),
        (lambda: ordered_sums(a, codes + np.uint8(4), table, "fp16", 8), "not 4$"),
        (lambda: ordered_sums(a.astype(np.float64), codes, table, "fp16", 8), "float64, uint8, float32$"),
        (lambda: ordered_sums(a, codes[:2], table, "fp16", 8), r"\(2, 2\)$"),
    ):
        with pytest.raises(InputError, match=end):
            call()
