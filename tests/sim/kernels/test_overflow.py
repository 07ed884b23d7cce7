"""Group sums that overflow, against Python's integers added up one by one."""

import numpy as np
import pytest

from sim.formats import FORMATS, signed_bits
from sim.kernels.overflow import GroupSums, group_sums
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme, quantize

GROUP = 8


def operands(rng: np.random.Generator, weight: str, zero: str, activation: str) -> tuple[QuantizedTensor, QuantizedTensor]:
    """Of 19 inputs, two whole groups and a shorter one, most of them positive so that sums grow."""
    weights = Scheme(FORMATS[weight], (ScaleLevel("group", "fp16"),), zero, GROUP)
    return (
        quantize(rng.normal(1, size=(5, 19)), Scheme(FORMATS[activation], (ScaleLevel("token", "fp16"),)), axis=1),
        quantize(rng.normal(1, size=(19, 7)), weights, axis=0),
    )


def overflows(a: QuantizedTensor, w: QuantizedTensor, bits: int, saturates: bool) -> GroupSums:
    """Every addition by itself, in the order of ``k``."""
    half, count, wrong = 1 << (bits - 1), 0, 0
    for row in a.integers.tolist():
        for column in w.integers.T.tolist():
            for start in range(0, len(row), GROUP):
                kept = exact = 0
                for x, y in zip(row[start : start + GROUP], column[start : start + GROUP], strict=True):
                    exact += x * y
                    kept += x * y
                    kept = max(-half, min(half - 1, kept)) if saturates else (kept + half) % (2 * half) - half
                count, wrong = count + 1, wrong + (kept != exact)
    return GroupSums(count, wrong)


@pytest.mark.parametrize("family", ["wrap", "saturate"])
@pytest.mark.parametrize(
    ("weight", "zero", "activation"), [("uint4", "integer", "int8"), ("int4", "none", "int4"), ("e2m1", "none", "e2m3")]
)
def test_sums_of_given_width(rng: np.random.Generator, family: str, weight: str, zero: str, activation: str) -> None:
    a, w = operands(rng, weight, zero, activation)
    largest = w.format.magnitude * a.format.magnitude
    narrowest = signed_bits(-largest, largest)
    for bits in (narrowest, narrowest + 1, 30):
        assert group_sums(a, w, f"{family}{bits}") == overflows(a, w, bits, family == "saturate")
    found = group_sums(a, w, f"{family}{narrowest}")
    assert found.count == 5 * 7 * 3
    assert 0 < found.overflows < found.count


def test_exact_sums_never_overflow(rng: np.random.Generator) -> None:
    assert group_sums(*operands(rng, "uint4", "integer", "int8")) == GroupSums(5 * 7 * 3)


def test_float_sums_overflow_to_infinity() -> None:
    """Eight products of 100 x 100 are 80000, beyond the 65504 of fp16 (IEEE 754-2019); seven are not."""
    scheme = Scheme(FORMATS["fp16"])
    for terms, beyond in ((7, 6), (6, 0), (8, 6)):
        a, w = quantize(np.full((2, terms), 100.0), scheme, axis=1), quantize(np.full((terms, 3), 100.0), scheme, axis=0)
        assert group_sums(a, w, "fp16") == GroupSums(6, beyond), terms
    assert group_sums(a, w, "aligned8") == GroupSums(6)
