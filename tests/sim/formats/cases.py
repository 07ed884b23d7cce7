"""Numbers that are hard to round, and comparison of codes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.formats import Format


def hard_numbers(
    format_: Format, rng: np.random.Generator, count: int, dtype: type[np.floating[Any]] = np.float64
) -> NDArray[Any]:
    """``count`` numbers: the values, midpoints and overflow thresholds, their neighbours in ``dtype``, and every exponent.

    NaN and the infinities are among them where the format can tell them.
    """
    values = np.unique(format_.reals[np.isfinite(format_.reals)])
    ends = [values[-1] * 2, values[-1] * 2 - values[-2], values[0] * 2, values[0] * 2 - values[1]]
    points = np.unique([*values, *ends])
    ties = (points[1:] + points[:-1]) / 2
    nonzero = np.abs(values[values != 0])
    exponents = rng.uniform(np.log2(nonzero.min()) - 3, np.log2(nonzero.max()) + 2, count)
    with np.errstate(over="ignore"):
        exact = np.concatenate([points, ties]).astype(dtype)
        pool = np.concatenate([exact, np.nextafter(exact, dtype(np.inf)), np.nextafter(exact, dtype(-np.inf))])
        numbers = (np.exp2(exponents) * rng.choice([-1.0, 1.0], count)).astype(dtype)
    chosen = rng.integers(0, count, count // 2)
    numbers[chosen] = rng.choice(pool, len(chosen))
    tiny = np.finfo(dtype).smallest_subnormal
    always: list[float] = [0.0, -0.0, tiny, -tiny, np.finfo(dtype).max, np.finfo(dtype).min, *exact[: count // 8]]
    if format_.has_special:
        always += [np.inf, -np.inf, np.nan]
    numbers[: len(always)] = always
    return numbers if format_.has_special else numbers[np.isfinite(numbers)]


def assert_same_codes(numbers: NDArray[Any], codes: NDArray[Any], expected: NDArray[Any] | Sequence[int]) -> None:
    """Names the first numbers whose codes differ."""
    wrong = np.flatnonzero(np.asarray(codes) != np.asarray(expected))
    sample = [(float(numbers[i]).hex(), int(codes[i]), int(expected[i])) for i in wrong[:5]]
    assert not sample, f"{len(wrong)} of {len(numbers)}: (number, code, expected) {sample}"


def assert_same_reals(numbers: NDArray[Any], reals: NDArray[Any], expected: NDArray[Any]) -> None:
    """NaN equals NaN of any sign and payload; -0 does not equal 0."""
    same = (reals == expected) & (np.signbit(reals) == np.signbit(expected)) | (np.isnan(reals) & np.isnan(expected))
    wrong = np.flatnonzero(~same)
    sample = [(float(numbers[i]).hex(), float(reals[i]), float(expected[i])) for i in wrong[:5]]
    assert not sample, f"{len(wrong)} of {len(numbers)}: (number, rounded, expected) {sample}"
