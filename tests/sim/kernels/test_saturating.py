"""The saturating accumulator against Python's integers, step by step."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels import dot, saturating
from sim.kernels.saturating import saturating_sums


@pytest.fixture(name="_path", params=["bytes", "pairs", "steps"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the machine's VNNI, if it has it; without; and with no proof for any output."""
    if request.param == "pairs":
        monkeypatch.setattr(dot, "HAS_BYTES", False)
    if request.param == "steps":
        monkeypatch.setattr(saturating, "_magnitude", lambda _: 2**31)


def judged(a: np.ndarray, w: np.ndarray, bits: int) -> np.ndarray:
    result = np.zeros((len(a), w.shape[1]), np.int64)
    for m, n in np.ndindex(result.shape):
        total = 0
        for x, y in zip(a[m].tolist(), w[:, n].tolist(), strict=True):
            total = min(max(total + x * y, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)
        result[m, n] = total
    return result


def check(a: np.ndarray, w: np.ndarray, bits: int) -> None:
    assert np.array_equal(saturating_sums(a, w, bits), judged(a, w, bits))


@pytest.mark.parametrize("bits", [2, 3, 8, 12, 14, 16, 18, 20, 24, 30, 31])
def test_random_bytes(_path: str, bits: int, rng: np.random.Generator) -> None:
    for m, k, n in ((1, 1, 1), (6, 70, 67), (2, 1030, 5)):
        check(rng.integers(-128, 128, (m, k), np.int8), rng.integers(-128, 128, (k, n), np.int8), bits)


@pytest.mark.parametrize("bits", [9, 17, 25, 31])
def test_random_numbers_of_16_bits(bits: int, rng: np.random.Generator) -> None:
    """At 31 bits the limit and a product of the largest numbers just fit 32."""
    a, w = (rng.choice(np.array([-(2**15), 2**15 - 1, 5], np.int16), shape) for shape in ((5, 40), (40, 66)))
    check(a, w, bits)
    check(rng.integers(-128, 128, (5, 40), np.int8), rng.integers(-255, 256, (40, 3), np.int16), bits)


@pytest.mark.parametrize("excess", [-2, -1, 0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_limit_is_reached_exactly_or_passed(_path: str, excess: int, sign: int) -> None:
    """100 * 100 three times and what is missing, then back: a sum that passed the limit comes back lower."""
    limit = 2**15 - 1 if sign > 0 else 2**15
    left = limit + excess - 3 * 10_000
    a = np.zeros((5, 700), np.int8)
    w = np.zeros((700, 2), np.int8)
    a[:, 510:513], w[510:513] = 100, 100 * sign
    parts = [127 * (left // 127), left % 127]
    a[:, 520], w[520] = left // 127, 127 * sign
    a[:, 530], w[530] = left % 127, sign
    assert sum(parts) == left
    for back in (0, 3):
        a[:, 690], w[690] = back, -sign
        check(a, w, 16)
        assert saturating_sums(a, w, 16)[0, 0] == sign * (min(limit, limit + excess) - back)


def test_saturation_inside_a_block_whose_ends_are_within(_path: str) -> None:
    """Up beyond the limit and down again between two borders: the exact sum is 0, the accumulator's is not."""
    a, w = np.zeros((4, 512 * 3), np.int8), np.zeros((512 * 3, 3), np.int8)
    a[:], w[:] = 1, 0
    w[600:700], w[700:800] = 100, -100
    check(a, w, 14)
    assert saturating_sums(a, w, 14)[0, 0] == 2**13 - 1 - 100 * 100
    assert saturating_sums(a, w, 15)[0, 0] == 0


def test_one_output_of_many(_path: str, rng: np.random.Generator) -> None:
    a, w = rng.integers(-3, 4, (9, 900), np.int8), rng.integers(-3, 4, (900, 130), np.int8)
    a[4], w[:, 77] = 127, 127
    check(a, w, 18)


def test_proof_and_steps_agree_on_real_sizes(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    a = np.clip(np.rint(rng.standard_normal((131, 1500)) * 34), -128, 127).astype(np.int8)
    w = np.clip(np.rint(rng.standard_normal((1500, 200)) * 2.6), -8, 7).astype(np.int8)
    results = [saturating_sums(a, w, bits) for bits in (13, 14, 16, 18)]
    monkeypatch.setattr(saturating, "_magnitude", lambda _: 2**31)
    assert all(np.array_equal(saturating_sums(a, w, bits), x) for bits, x in zip((13, 14, 16, 18), results, strict=True))
    assert np.array_equal(results[-1], a.astype(np.int64) @ w.astype(np.int64))
    assert not np.array_equal(results[0], results[-1])


def test_what_is_refused() -> None:
    a, w = np.ones((2, 4), np.int8), np.ones((4, 3), np.int8)
    for bits in (1, 32):
        with pytest.raises(InputError, match=f"not {bits}$"):
            saturating_sums(a, w, bits)
