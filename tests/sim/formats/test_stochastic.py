"""Stochastic rounding: reproducible, unbiased, and still where nothing is to be rounded."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS, encode, encode_one, round_to

COUNT = 200_000
SIGMAS = 5.0
"""A right mean is refused once in 1.7 million (two-sided normal); the seeds are fixed."""


@pytest.mark.parametrize("name", FORMATS)
def test_representable_numbers_stay(name: str) -> None:
    format_ = FORMATS[name]
    reals = np.tile(format_.reals[np.isfinite(format_.reals)], 3 if format_.bits > 8 else 50)
    rounded = round_to(format_, reals, "stochastic", seed=7)
    assert np.array_equal(rounded, reals)
    assert np.array_equal(np.signbit(rounded), np.signbit(reals))


PLACES = [
    *(("e2m1", 2.1), ("e2m1", 2.5), ("e2m1", 2.9), ("e2m1", -0.05), ("e2m1", 0.45), ("uint4", 0.01), ("int8", -3.75)),
    *(("ocp_e4m3", 2.0**-9 * 0.3), ("ocp_e4m3", -300.0), ("e8m0", 1.25), ("fp16", 2.0**-24 * 0.7), ("bf16", -1.001)),
    *(("bipolar1", 0.4), ("pot4", -5.0), ("apot5", 1.4), ("log4", 1.2), ("nf4", 0.6), ("nf4", -0.95)),
]
"""Below, at and above the middle of neighbours; subnormals; either sign; both sides of zero; every family."""


@pytest.mark.parametrize(("name", "number"), PLACES)
def test_the_mean_is_the_number(name: str, number: float) -> None:
    rounded = round_to(FORMATS[name], np.full(COUNT, number), "stochastic", seed=11)
    low, high = np.unique(rounded)
    share = (number - low) / (high - low)
    sigma = (high - low) * np.sqrt(share * (1 - share) / COUNT)
    assert low < number < high
    assert not np.any((FORMATS[name].reals > low) & (FORMATS[name].reals < high))
    assert abs(rounded.mean() - number) < SIGMAS * sigma


def test_the_mean_of_many_different_numbers(rng: np.random.Generator) -> None:
    numbers = rng.uniform(-6, 6, 1_000_000)
    error = round_to(FORMATS["e2m1"], numbers, "stochastic", seed=13) - numbers
    assert abs(error.mean()) < SIGMAS * error.std() / np.sqrt(numbers.size)


def test_a_number_between_the_end_and_the_step_beyond_overflows_in_proportion() -> None:
    """464 is midway between 448 and 480, which E4M3 has no number for."""
    codes = encode(FORMATS["ocp_e4m3"], np.full(COUNT, 464.0), "stochastic", saturate=False, seed=17)
    assert set(np.unique(codes)) == {0x7E, 0x7F}
    assert abs((codes == 0x7F).mean() - 0.5) < SIGMAS * 0.5 / np.sqrt(COUNT)
    assert set(encode(FORMATS["ocp_e4m3"], np.full(1000, 464.0), "stochastic", seed=17)) == {0x7E}


def test_the_seed_decides(rng: np.random.Generator) -> None:
    numbers = rng.standard_normal((100, 20))
    first = encode(FORMATS["int4"], numbers, "stochastic", seed=1)
    assert np.array_equal(first, encode(FORMATS["int4"], numbers, "stochastic", seed=1))
    assert not np.array_equal(first, encode(FORMATS["int4"], numbers, "stochastic", seed=2))


def test_up_where_the_draw_is_below_the_distance() -> None:
    """2.25 is a quarter of the way from 2 to 3."""
    for draw, code in ((0.0, 5), (0.2499, 5), (0.25, 4), (0.999, 4)):
        assert encode_one(FORMATS["e2m1"], 2.25, "stochastic", draw=draw) == code


def test_there_is_no_seed_of_its_own() -> None:
    with pytest.raises(InputError, match="not None$"):
        encode(FORMATS["int4"], [0.5], "stochastic")
