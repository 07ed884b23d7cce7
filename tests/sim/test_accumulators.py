"""Accumulators: chains calculated by hand, chains against the judge, and numpy's IEEE additions as a witness."""

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sim import reference
from sim.accumulators import ACCUMULATORS, FLOATS, LARGEST_BITS, Products, accumulator
from sim.errors import InputError

TEXTS = {
    "exact": ["exact"],
    "wrap": ["wrap20", "wrap60", "wrap61", "wrap62", "wrap63", "wrap64", "wrap128"],
    "saturate": ["saturate20", "saturate61", "saturate62", "saturate63", "saturate64", "saturate128"],
    "fp32": ["fp32"],
    "fp16": ["fp16"],
    "bf16": ["bf16"],
    "aligned": ["aligned0", "aligned3", "aligned11", "aligned24"],
}
ALL = [text for texts in TEXTS.values() for text in texts]


def products(terms: list[tuple[int, int]], lsb: int = 0, bits: int = 20) -> Products:
    s, e = np.array(terms, dtype=np.int64).reshape(-1, 2).T
    return Products(s[:, None], e[:, None], lsb, bits)


def run(text: str, terms: list[tuple[int, int]], lsb: int = 0, bits: int = 20) -> Any:
    return accumulator(text).sum(products(terms, lsb, bits))[0]


def integers(*numbers: int) -> list[tuple[int, int]]:
    return [(number, 0) for number in numbers]


def test_every_family_is_tried() -> None:
    assert TEXTS.keys() == ACCUMULATORS.keys()


@pytest.mark.parametrize(
    ("text", "numbers", "expected"),
    [
        ("wrap8", [100, 100], -56),
        ("wrap8", [100] * 8, 32),  # 800 = 3*256 + 32: around three times
        ("wrap8", [-128, -1], 127),
        ("saturate8", [100, 100, -27], 100),  # 127 - 27: the ceiling was hit and left
        ("saturate8", [-100, -100, 27], -101),  # -128 + 27
        ("saturate8", [100, 100, -100, -100, -100], -128 + 0),  # 127, 27, -73, -128
        ("exact", [100, 100, -27], 173),
    ],
)
def test_fixed_point_by_hand(text: str, numbers: list[int], expected: int) -> None:
    assert run(text, integers(*numbers), bits=8) == expected


@pytest.mark.parametrize(
    ("text", "terms", "expected"),
    [
        ("fp32", [(1, 24), (1, 0)], 2.0**24),  # a tie goes to the even significand
        ("fp32", [(1, 24), (3, 0)], 2.0**24 + 4),
        ("fp32", [(1, 24), (1, 0), (1, 0)], 2.0**24),  # the same sum in another order is 2**24 + 2
        ("fp32", [(1, 0), (1, 0), (1, 24)], 2.0**24 + 2),
        ("fp32", [(1, 24), (1, 0), (-1, 24)], 0.0),  # cancellation leaves nothing of the 1
        ("fp16", [(1, 11), (1, 0)], 2048.0),
        ("fp16", [(2047, 5), (1, 3)], 65504.0),  # 65504 + 8 is nearer to 65504 than to 65536
        ("fp16", [(2047, 5), (1, 4)], np.inf),  # 65504 + 16 is half way to 65536, where infinity begins
        ("fp16", [(2047, 5), (1, 4), (-2047, 5), (-2047, 5)], np.inf),
        ("fp16", [(-2047, 5), (-1, 4)], -np.inf),
        ("fp16", [(1, -24), (1, -24)], 2.0**-23),  # subnormals
        ("fp16", [(1, -25)], 0.0),  # half the smallest subnormal is a tie with 0, the even one
        ("fp16", [(3, -25)], 2.0**-23),  # 1.5 of them: a tie with 2
        ("fp16", [(1, -25), (1, -25)], 0.0),
        ("bf16", [(1, 8), (1, 0)], 256.0),
        ("bf16", [(1, 8), (3, 0)], 260.0),
        ("bf16", [(255, 120), (1, 119)], np.inf),
        # The tie 257 is left by less than float64 can see: rounding twice would end at 256 and at 260.
        ("bf16", [(1, -60), (257, 0)], 258.0),
        ("bf16", [(-1, -60), (259, 0)], 258.0),
        ("bf16", [(1, -133), (1, -133)], 2.0**-132),
        ("aligned0", [(5, 0), (3, 2)], 12 + 4),  # 5/4 is truncated to 1, in units of 4
        ("aligned0", [(-5, 0), (3, 2)], 12 - 8),  # -5/4 toward minus infinity: -2
        ("aligned1", [(-5, 0), (3, 2)], 12 - 6),  # -5/2: -3, in units of 2
        ("aligned2", [(-5, 0), (3, 2)], 12 - 5),
        ("aligned9", [(-5, 0), (3, 2)], 12 - 5),
        ("aligned0", [(0, 30), (5, 0)], 5),  # the exponent of a zero does not count
        ("aligned0", [(0, 30), (0, 0)], 0),
        ("aligned0", [(-1, 0), (1, 90)], 2**90 - 2**90),  # however small, a negative term counts as one last place
        ("aligned0", [(1, 0), (1, 90)], 2**90),
    ],
)  # fmt: skip
def test_floats_and_alignment_by_hand(text: str, terms: list[tuple[int, int]], expected: float) -> None:
    lsb = min(e for _, e in terms)
    result = run(text, terms, lsb, 96)
    assert result * (1 if text in FLOATS else Fraction(2) ** lsb) == expected


def test_a_zero_sum_has_no_sign() -> None:
    for terms in ([(-1, -25)], [(-1, 0), (1, 0)], [(0, 0)]):
        assert not np.signbit(run("fp16", terms, -25))


SIGNIFICANDS = st.one_of(
    st.integers(-(2**22) + 1, 2**22 - 1),
    st.sampled_from([0, 1, -1, 2, -2, 3, 2**11 - 1, 2**11 + 1, -(2**11), 2**22 - 1, -(2**22) + 1]),
)


@pytest.mark.parametrize("text", ALL)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_chains_against_the_judge(text: str, data: st.DataObject) -> None:
    """Exponents near the ends of the accumulators and far apart; fixed-point products that just fit."""
    if text.startswith(("wrap", "saturate")):
        number = accumulator(text).number
        bits = data.draw(st.integers(2, number))
        ends = [-(1 << (bits - 1)), (1 << (bits - 1)) - 1]
        terms = data.draw(st.lists(st.one_of(st.sampled_from(ends), st.integers(*ends)), min_size=1, max_size=30))
        wide = np.array(terms, dtype=object)
        # Significands are 64-bit numbers, so wider products have an exponent.
        shift = max(0, bits - 60)
        pairs = [(int(x), shift) for x in wide >> shift]
    else:
        bits = 128
        low = data.draw(st.sampled_from([-48, -40, -24, -6, 0, 5]))
        pairs = data.draw(st.lists(st.tuples(SIGNIFICANDS, st.integers(low, low + 20)), min_size=1, max_size=30))
        shift = low
    result = run(text, pairs, min(shift, 0), bits)
    expected = reference.chain(text, pairs, min(shift, 0))
    if text in FLOATS:
        assert float(result) == expected
    else:
        assert int(result) * Fraction(2) ** min(shift, 0) == expected


@pytest.mark.parametrize("text", ALL)
@pytest.mark.parametrize("pattern", ["largest", "smallest", "alternating", "huge first", "huge last", "cancelling", "tiny"])
def test_adversarial_chains(text: str, pattern: str) -> None:
    top = (1 << 19) - 1
    terms = {
        "largest": [(top, 0)] * 60,
        "smallest": [(-top - 1, 0)] * 60,
        "alternating": [(top, 0), (-top - 1, 0)] * 30,
        "huge first": [(top, 0)] + [(1, -30)] * 40 + [(-1, -30)] * 20,
        "huge last": [(1, -30)] * 40 + [(top, 0)],
        "cancelling": [(top, 0), (3, -30), (-top, 0)] * 10 + [(top, -4), (-top, -4), (-1, -30)],
        "tiny": [(1, -30), (-3, -30), (5, -29)] * 15,
    }[pattern]
    unit = min(e for _, e in terms)
    if text in ("wrap20", "saturate20"):
        terms, unit = [(s, 0) for s, _ in terms], 0
    result = run(text, terms, unit, 51)
    expected = reference.chain(text, terms, unit)
    assert (float(result) if text in FLOATS else int(result) * Fraction(2) ** unit) == expected


WITNESSES = {"fp32": np.float32, "fp16": np.float16, "bf16": ml_dtypes.bfloat16}


@pytest.mark.parametrize("name", FLOATS)
def test_chains_against_additions_of_another_library(rng: np.random.Generator, name: str) -> None:
    """Terms that are numbers of the accumulator's own format: each addition is then one of numpy's or ml_dtypes'."""
    significand_bits, _ = FLOATS[name]
    s = rng.integers(-(1 << significand_bits) + 1, 1 << significand_bits, (200, 500))
    e = rng.integers(-14 - significand_bits, 4 - significand_bits, s.shape)
    terms: NDArray[Any] = np.ldexp(s.astype(np.float64), e).astype(WITNESSES[name])
    total = np.zeros(500, dtype=WITNESSES[name])
    for term in terms:
        total = total + term
    sums = accumulator(name).sum(Products(s, e, int(e.min()), 64))
    assert np.array_equal(sums, total.astype(np.float32))


@pytest.mark.parametrize("bits", [61, 62, 63, 64])
def test_both_widths_of_integers_are_the_same_chain(bits: int) -> None:
    """Around the width from which sums are Python's integers."""
    for text in (f"wrap{bits}", f"saturate{bits}", "exact"):
        largest, smallest = ((1 << 30) - 1, bits - 31), (-(1 << 30), bits - 31)
        for terms in ([largest, (1 << 20, 10), smallest] * 3 + [(-1, 0)], [largest] * 5, [smallest] * 5):
            assert int(run(text, terms, 0, bits)) == reference.chain(text, terms, 0)


def test_aligned_sums_beyond_64_bits() -> None:
    """Products of two 16-bit integers with every guard bit: 2**32 * 2**24 * 300 is above 2**64."""
    assert run("aligned24", [((1 << 32) - 1, 0)] * 300, 0, 33) == 300 * ((1 << 32) - 1)


@pytest.mark.parametrize("text", ["", "exact8", "wrap", "fp", "fp64", "fp3", "wrap-3", "wrap 8", "wrap8 ", "Wrap8", "wrap٣"])
def test_unknown_accumulators(text: str) -> None:
    with pytest.raises(InputError, match=r"(exact, wrap<2..128>|between 2 and 128).*, not '.*'$") as caught:
        accumulator(text)
    assert str(caught.value).endswith(f"not {text!r}")


@pytest.mark.parametrize(
    "text", ["wrap1", "wrap0", f"wrap{LARGEST_BITS + 1}", "saturate1", "aligned25", "wrap" + "9" * 5000, "aligned"]
)
def test_numbers_of_accumulators_have_ends(text: str) -> None:
    with pytest.raises(InputError, match="is between [02] and (128|24), not"):
        accumulator(text)


def test_names_are_read() -> None:
    assert accumulator("wrap20").number == 20
    assert accumulator("aligned0").number == 0
    assert accumulator("fp16").is_float
    assert not accumulator("exact").is_bounded
