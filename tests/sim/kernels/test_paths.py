"""Which path a product takes, by hand at each boundary, and that both sides of it give the judge's numbers."""

import numpy as np
import pytest

from sim.accumulators import accumulator
from sim.errors import InputError
from sim.formats import FORMATS
from sim.kernels import groups, product
from sim.kernels.paths import Chain, Operand
from sim.kernels.product import matrix_product
from sim.quantized import SCHEMES, QuantizedTensor, Scheme, quantize
from tests.sim.kernels.judging import judged, numbers_for


def chain(activation: str, weight: str, kept: str, terms: int, zero: int = 0) -> Chain:
    return Chain(Operand(FORMATS[activation]), Operand(FORMATS[weight], zero), accumulator(kept), terms)


BOUNDARIES = [
    # activation, weight, accumulator, the last length of the first path by hand, and the path beyond it
    ("int8", "int4", "exact", (2**31 - 1) // (128 * 8), "integer", "float"),
    ("int16", "int8", "exact", (2**31 - 1) // (2**15 * 128), "integer", "float"),
    ("e4m3", "e4m3", "exact", 2**53 // 245760**2, "float", "limbs"),
    ("int8", "int4", "saturate18", (2**17 - 1) // (128 * 8), "integer", "saturating"),
    ("int8", "int4", "fp32", 2**24 // (128 * 8), "integer", "ordered"),
    ("int8", "int4", "bf16", 0, "integer", "ordered"),
    ("int4", "int4", "bf16", 4, "integer", "ordered"),
    ("e2m1", "e2m1", "fp16", 2048 // 144, "integer", "ordered"),
    ("int8", "int4", "wrap20", (2**31 - 1) // (128 * 8), "integer", "float"),
    ("e4m3", "e4m3", "wrap40", 2**53 // 245760**2, "float", "definition"),
]


@pytest.mark.parametrize(("activation", "weight", "kept", "last", "path", "beyond"), BOUNDARIES)
def test_the_last_length_of_a_path_and_one_more(
    activation: str, weight: str, kept: str, last: int, path: str, beyond: str
) -> None:
    if last:
        assert chain(activation, weight, kept, last).path == path
    assert chain(activation, weight, kept, last + 1).path == beyond


@pytest.mark.parametrize(
    ("activation", "weight", "kept", "path"),
    [
        ("int8", "uint8", "exact", "integer"),
        ("fp16", "int4", "exact", "limbs"),
        ("fp16", "int4", "fp32", "ordered"),
        ("bf16", "nf4_8", "fp16", "ordered"),
        ("int8", "int4", "aligned4", "aligned"),
        ("int8", "int4", "saturate40", "integer"),
        ("e5m2", "e5m2", "saturate70", "definition"),
        ("int16", "int8", "saturate31", "saturating"),
        ("int16", "int8", "saturate32", "definition"),
    ],
)
def test_paths_of_long_chains(activation: str, weight: str, kept: str, path: str) -> None:
    assert chain(activation, weight, kept, 1 << 16 if kept != "saturate40" else 1 << 10).path == path


def test_an_exact_sum_beyond_128_bits_is_refused() -> None:
    with pytest.raises(InputError, match="at most 128 bits, not the 2[0-9]+ of 64 products of bf16 x int4$"):
        assert chain("bf16", "int4", "exact", 64).path


def extremes(activation: str, weight: str, k: int, signs: str) -> tuple[QuantizedTensor, QuantizedTensor]:
    """The largest magnitudes everywhere, signs equal or alternating along ``k``."""
    a, w = FORMATS[activation], FORMATS[weight]
    largest_a = [a.values.index(v) for v in (a.smallest, a.largest)]
    largest_w = [w.values.index(v) for v in (w.smallest, w.largest)]
    a_codes = np.array([[largest_a[0]] * k, [largest_a[1]] * k])
    w_codes = np.array([[largest_w[0]] * k, [largest_w[1]] * k]).T.copy()
    if signs == "alternating":
        w_codes[1::2] = w_codes[1::2, ::-1]
    return (
        QuantizedTensor(a_codes.astype(np.uint8 if a.bits <= 8 else np.uint16), Scheme(a), 1),
        QuantizedTensor(w_codes.astype(np.uint8), Scheme(w), 0),
    )


SHORT = [
    ("int8", "int4", "saturate18", 127),
    ("int8", "int4", "fp16", 2),
    ("e2m1", "e2m1", "fp16", 14),
    ("int4", "int4", "bf16", 4),
]


@pytest.mark.parametrize("signs", ["equal", "alternating"])
@pytest.mark.parametrize(("activation", "weight", "kept", "last"), SHORT)
def test_both_sides_of_a_boundary_are_right_at_the_extremes(
    activation: str, weight: str, kept: str, last: int, signs: str
) -> None:
    for k in (last, last + 1, last + 2):
        a, w = extremes(activation, weight, k, signs)
        expected = [[judged(a, w, kept, m, n) for n in range(2)] for m in range(2)]
        assert matrix_product(a, w, kept).tolist() == expected


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(
    ("activation", "weight", "kept", "last"),
    [("e4m3", "e4m3", "exact", 2**53 // 245760**2), ("int8", "int4", "exact", 2**31 // 1024 - 1)],
)
def test_long_boundaries_by_the_sum_of_equal_products(activation: str, weight: str, kept: str, last: int, extra: int) -> None:
    """All products are one number, so the sum is ``k`` times it: Python's integers tell it without a loop."""
    a, w = extremes(activation, weight, last + extra, "equal")
    fa, fw = FORMATS[activation], FORMATS[weight]
    exact = [[(last + extra) * x * y for y in (fw.smallest, fw.largest)] for x in (fa.smallest, fa.largest)]
    scale = 2.0 ** (fa.lsb + fw.lsb)
    assert matrix_product(a, w, kept).tolist() == [[float(np.float32(e)) * scale for e in row] for row in exact]


FORCED = [
    ("int8_token", "int4_g128", "exact"),
    ("int8_token", "uint4_g64", "wrap12"),
    ("int8_token", "uint4_g64", "saturate13"),
    ("mxfp8_e4m3", "mxfp8_e4m3", "exact"),
    ("mxfp8_e5m2", "mxfp8_e5m2", "exact"),
    ("e4m3_token", "e4m3_channel", "bf16"),
    ("fp16", "uint4_g128", "fp32"),
    ("bf16", "nf4_g64", "fp16"),
    ("e4m3_token", "e4m3_channel", "aligned3"),
]


@pytest.mark.parametrize(("activations", "weights", "kept"), FORCED)
def test_every_path_equals_the_definition(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, activations: str, weights: str, kept: str
) -> None:
    a = quantize(numbers_for(rng, SCHEMES[activations], (9, 300)), SCHEMES[activations], axis=1)
    w = quantize(numbers_for(rng, SCHEMES[weights], (300, 70)), SCHEMES[weights], axis=0)
    fast = matrix_product(a, w, kept)
    for path in groups.SUMS:
        monkeypatch.setitem(groups.SUMS, path, groups.SUMS["definition"])
    monkeypatch.setattr(product.Task, "fits_at_once", False)
    assert matrix_product(a, w, kept).view(np.uint32).tolist() == fast.view(np.uint32).tolist()
