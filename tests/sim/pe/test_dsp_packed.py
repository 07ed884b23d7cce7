"""The packed slice: every combination of lanes, the longest run that is safe, and the first that is not."""

import itertools

import numpy as np
import pytest

from sim import reference
from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe.dsp_packed import INT4, INT8, DspPacked
from tests.sim.pe.judge import assert_group_sums, judged


def packed(weight: str, activation: str) -> DspPacked:
    return DspPacked(FORMATS[weight], FORMATS[activation])


@pytest.mark.parametrize("weight", ["int4", "uint4", "int3", "uint1"])
@pytest.mark.parametrize("activation", ["int4", "uint4", "int2"])
def test_every_combination_of_four_products(weight: str, activation: str) -> None:
    pe = packed(weight, activation)
    assert pe.packing is INT4
    w_codes, w = judged(weight)
    a_codes, a = judged(activation)
    pairs_w = np.array(list(itertools.product(range(len(w)), repeat=2)))
    pairs_a = np.array(list(itertools.product(range(len(a)), repeat=2)))
    lanes = pe.run(w_codes[pairs_w][None, :, None], a_codes[pairs_a][None, None])
    w_numbers, a_numbers = np.array(w)[pairs_w], np.array(a)[pairs_a]
    assert np.array_equal(lanes, w_numbers[:, None, None, :] * a_numbers[None, :, :, None])


def all_pairs_of_int8(weights: range) -> None:
    pe = packed("int8", "int8")
    assert pe.packing is INT8
    numbers = np.array([reference.integer_of(code, 8, True) for code in range(256)])
    pairs = np.array(list(itertools.product(range(256), repeat=2)))
    for code in weights:
        lanes = pe.run(np.full((1, 1, 1), code), pairs[None])
        assert np.array_equal(lanes[:, :, 0], numbers[pairs] * numbers[code])


def test_every_pair_of_activations_with_some_weights() -> None:
    for code in (0, 1, 127, 128, 255):
        all_pairs_of_int8(range(code, code + 1))


@pytest.mark.exhaustive
def test_every_combination_of_two_products() -> None:
    all_pairs_of_int8(range(256))


@pytest.mark.parametrize(
    ("weight", "activation", "cycles"),
    [
        ("int8", "int8", 7),  # 8 * 128 * 128 = 2**17 is one too many for 18 bits
        ("uint8", "int8", 4),  # 4 * 255 * 128 = 130560 < 2**17
        ("int8", "uint8", 4),
        ("uint8", "uint8", 2),  # 2 * 255 * 255 = 130050 < 2**17
        ("uint4", "int8", 68),  # 68 * 15 * 128 = 130560
        ("int4", "uint4", 8),  # 8 * 8 * 15 = 960 <= 1024
        ("int4", "int4", 8),  # the same on the port, where activations are unsigned
        ("uint4", "uint4", 4),  # 4 * 15 * 15 = 900 < 1024
        ("uint1", "int2", 341),  # 341 * 3 = 1023
    ],
)
def test_the_longest_run(weight: str, activation: str, cycles: int) -> None:
    """By hand: the largest sum in a lane of 18 or 11 bits; the lanes are exact at this length and wrong after one more."""
    pe = packed(weight, activation)
    assert pe.run_length == cycles
    w_ends, a_ends = ends(weight), ends(activation)
    wrong = False
    for low_w, high_w in itertools.product(w_ends, repeat=2):
        for low_a, high_a in itertools.product(a_ends, repeat=2):
            w, a = np.array([low_w, high_w])[: pe.packing.weights], np.array([low_a, high_a])
            numbers = np.multiply.outer([integer(activation, c) for c in a], [integer(weight, c) for c in w])
            for length in (1, cycles - 1, cycles):
                assert np.array_equal(pe.run(np.tile(w, (length, 1)), np.tile(a, (length, 1))), length * numbers)
            longer = DspPacked(FORMATS[weight], FORMATS[activation])
            longer.__dict__["run_length"] = cycles + 1
            sums = longer.run(np.tile(w, (cycles + 1, 1)), np.tile(a, (cycles + 1, 1)))
            wrong |= not np.array_equal(sums, (cycles + 1) * numbers)
    assert wrong


def ends(name: str) -> tuple[int, int]:
    codes, integers = judged(name)
    return int(codes[integers.index(min(integers))]), int(codes[integers.index(max(integers))])


def integer(name: str, code: int) -> int:
    number = reference.number(name, code)
    assert number is not None
    return int(number)


def test_a_run_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="int8 x int8 products has at most 7 cycles, not 8$"):
        packed("int8", "int8").run(np.zeros((8, 1), dtype=np.int64), np.zeros((8, 2), dtype=np.int64))


@pytest.mark.parametrize(("weight", "activation"), [("int8", "int8"), ("int4", "int4"), ("uint4", "int4")])
@pytest.mark.parametrize("k", [6, 7, 8, 9, 50])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (3, 2)])
def test_chains_around_the_length_of_a_run(
    rng: np.random.Generator, weight: str, activation: str, k: int, m: int, n: int
) -> None:
    a, w = rng.choice(ends(activation), (m, k)), rng.choice(ends(weight), (k, n))
    assert_group_sums(packed(weight, activation), a, w, k)
    assert_group_sums(packed(weight, activation), a, w, 5)


def test_what_the_white_paper_leaves_out() -> None:
    """Without the borrow given back, the upper lane of -1 * 1 and 1 * 1 would be 0 instead of 1 (arXiv 2203.11028)."""
    pe = packed("int8", "int8")
    assert pe.run(np.array([[[1]]]), np.array([[[255, 1]]])).ravel().tolist() == [-1, 1]
    p = (1 << 18) - 1
    assert p >> 18 == 0
