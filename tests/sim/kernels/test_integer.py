"""Integer products and scaled group sums against Python's integers and fractions, on each path."""

from fractions import Fraction

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels import dot, integer, operands, threads
from sim.kernels.integer import integer_sums, scaled_group_sums
from tests.sim.kernels.fractions import nearest, same_bits

SHAPES = [(1, 1, 1), (1, 3, 1), (5, 7, 63), (4, 64, 64), (6, 513, 65), (2, 1030, 130), (131, 20, 70)]


@pytest.fixture(name="_path", params=["bytes", "pairs"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the machine's VNNI, if it has it, and without."""
    if request.param == "pairs":
        monkeypatch.setattr(dot, "HAS_BYTES", False)


def exact(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    return a.astype(object) @ w.astype(object)


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_are_python_s(_path: str, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    m, k, n = shape
    a, w = rng.integers(-128, 128, (m, k), np.int8), rng.integers(-128, 128, (k, n), np.int8)
    assert np.array_equal(integer_sums(a, w), exact(a, w))
    small = rng.integers(-255, 256, (k, n), np.int16)
    assert np.array_equal(integer_sums(a, small), exact(a, small))
    assert np.array_equal(integer_sums(a.astype(np.int16), w), exact(a, w))


@pytest.mark.parametrize("x", [-128, 127])
@pytest.mark.parametrize("y", [-128, 127])
def test_extremes_do_not_saturate_between(_path: str, x: int, y: int) -> None:
    k = 4096
    a, w = np.full((5, k), x, np.int8), np.full((k, 66), y, np.int8)
    assert np.all(integer_sums(a, w) == k * x * y)
    w[1::2] = -y - 1
    assert np.all(integer_sums(a, w) == k // 2 * x * (y - y - 1))


def test_sums_beyond_32_bits_are_modulo(_path: str) -> None:
    a = np.full((1, 9), -(2**15), np.int16)
    for k in range(1, 10):
        expected = (k * 2**30 + 2**31) % 2**32 - 2**31
        assert integer_sums(a[:, :k], a[:, :k].T.copy())[0, 0] == expected


def test_operands_of_any_layout(_path: str, rng: np.random.Generator) -> None:
    a, w = rng.integers(-128, 128, (300, 9), np.int8).T, rng.integers(-128, 128, (70, 300), np.int8).T
    assert np.array_equal(integer_sums(a, w), exact(a, w))
    assert np.array_equal(integer_sums(a[:, ::2], w[::2]), exact(a[:, ::2], w[::2]))


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_threads(count: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    for module in (operands, threads):
        monkeypatch.setattr(module, "thread_count", lambda: count)
    a, w = rng.integers(-128, 128, (260, 30), np.int8), rng.integers(-128, 128, (30, 600), np.int8)
    assert np.array_equal(integer_sums(a, w), a.astype(np.int64) @ w.astype(np.int64))


def judged(a: np.ndarray, w: np.ndarray, size: int, w_scale: np.ndarray, a_scale: np.ndarray | None) -> np.ndarray:
    result = np.zeros((len(a), w.shape[1]), np.float32)
    for m, n in np.ndindex(result.shape):
        total = 0.0
        for group, start in enumerate(range(0, len(w), size)):
            sums = sum(int(x) * int(y) for x, y in zip(a[m, start : start + size], w[start : start + size, n], strict=True))
            scale = Fraction(float(w_scale[group, n])) * Fraction(1 if a_scale is None else float(a_scale[m, group]))
            part = nearest(sums * scale, "fp32")
            total = nearest(Fraction(total) + Fraction(part), "fp32") if np.isfinite(total + part) else total + part
        result[m, n] = total
    return result


def significands(rng: np.random.Generator, shape: tuple[int, int], bits: int, low: int, high: int) -> np.ndarray:
    """Odd significands of exactly ``bits`` bits, with exponents of the last one."""
    odd = rng.integers(1 << (bits - 1), 1 << bits, shape) | 1
    return np.ldexp(odd.astype(np.float64), rng.integers(low, high + 1, shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 50, 66), (4, 1100, 3)])
@pytest.mark.parametrize("size", [1, 7, 32, 600, 5000])
def test_scaled_sums_are_fractions(_path: str, shape: tuple[int, int, int], size: int, rng: np.random.Generator) -> None:
    m, k, n = shape
    groups = -(-k // size)
    if groups * m * n > 4000:
        m, n = 1, 2
    a, w = rng.integers(-128, 128, (m, k), np.int8), rng.integers(-15, 16, (k, n), np.int8)
    w_scale, a_scale = significands(rng, (groups, n), 11, -20, 5), significands(rng, (m, groups), 11, -20, 5)
    assert same_bits(scaled_group_sums(a, w, size, w_scale), judged(a, w, size, w_scale, None))
    assert same_bits(scaled_group_sums(a, w, size, w_scale, a_scale), judged(a, w, size, w_scale, a_scale))


@pytest.mark.parametrize(
    ("bits", "low", "high"),
    [(12, -12, 0), (13, -12, 0), (14, -12, 0), (1, -120, -60), (1, -149, 127), (4, -90, -70), (11, 40, 60)],
)
def test_each_contribution_is_rounded_once(bits: int, low: int, high: int, rng: np.random.Generator) -> None:
    """Both sides of float32's width, of its subnormal numbers and of its largest."""
    a, w = rng.integers(-128, 128, (9, 64), np.int8), rng.integers(-128, 128, (64, 5), np.int8)
    w_scale, a_scale = significands(rng, (4, 5), bits, low, high), significands(rng, (9, 4), bits, low, high)
    w_scale *= rng.choice([-1, 1], w_scale.shape).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = judged(a, w, 16, w_scale, a_scale)
    result = scaled_group_sums(a, w, 16, w_scale, a_scale)
    assert np.array_equal(result, expected, equal_nan=True)


def test_float32_and_float64_scaling_agree(_path: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    a, w = rng.integers(-128, 128, (130, 200), np.int8), rng.integers(-128, 128, (200, 520), np.int8)
    w_scale, a_scale = significands(rng, (7, 520), 11, -24, 5), significands(rng, (130, 7), 11, -24, 5)
    single = scaled_group_sums(a, w, 32, w_scale, a_scale)
    monkeypatch.setattr(integer, "_products_fit_float32", lambda *_: False)
    assert same_bits(scaled_group_sums(a, w, 32, w_scale, a_scale), single)


def test_sums_of_24_bits_keep_every_bit(_path: str) -> None:
    """The largest sum that the caller may prove, and the ones beside it."""
    a, w = np.full((3, 1025), 127, np.int8), np.full((1025, 2), 127, np.int8)
    a, w = a.astype(np.int16), w.astype(np.int16)
    a[:, :1024], w[:1024] = 128, 128
    a[1, 1024], a[2, 1024], w[1024] = 0, -1, 1
    a[0, 1024] = -3
    scale = np.ones((1, 2), np.float32)
    assert scaled_group_sums(a, w, 1025, scale)[:, 0].tolist() == [2**24 - 3, 2**24, 2**24 - 1]


def test_special_scales_pass_through() -> None:
    a, w = np.ones((1, 4), np.int8), np.ones((4, 3), np.int8)
    w_scale = np.array([[np.nan, np.inf, 1]], np.float32)
    result = scaled_group_sums(a, w, 4, w_scale, np.full((1, 1), 2, np.float32))
    assert np.array_equal(result, [[np.nan, np.inf, 8]], equal_nan=True)


def test_what_is_refused() -> None:
    a, w = np.ones((2, 4), np.int8), np.ones((4, 3), np.int8)
    scale = np.ones((1, 3), np.float32)
    for call, end in (
        (lambda: integer_sums(a.astype(np.int32), w), "int32$"),
        (lambda: integer_sums(a, w[:3]), r"\(3, 3\)$"),
        (lambda: integer_sums(a[:, :0], w[:0]), r"\(0, 3\)$"),
        (lambda: scaled_group_sums(a, w, 0, scale), "not 0$"),
        (lambda: scaled_group_sums(a, w, 2, scale), r"\[1, 3\]$"),
        (lambda: scaled_group_sums(a, w, 4, scale.astype(np.float64)), r"float64 \[1, 3\]$"),
        (lambda: scaled_group_sums(a, w, 4, scale + np.float32(2**-15), np.full((2, 1), 1 + 2**-14, np.float32)), "15 and 16$"),
    ):
        with pytest.raises(InputError, match=end):
            call()
