"""Widths, adders, counts and rates against hand calculations."""

from fractions import Fraction

import numpy as np
import pytest

from sim.design import DesignPoint
from sim.formats import FORMATS
from sim.pe import OPERATIONS, PES, Element
from tests.sim.pe.judge import build, judged, taken


def element(kind: str, weight: str, activation: str, accumulator: str = "exact", pipeline: int = 1) -> Element:
    return PES[kind](FORMATS[weight], FORMATS[activation], accumulator, pipeline)


@pytest.mark.parametrize(("group_size", "bits"), [(1, 12), (32, 17), (64, 18), (128, 19), (256, 20)])
def test_accumulator_widths_of_w4a8(group_size: int, bits: int) -> None:
    """Specification: 12-bit product; 17/18/19/20 bits for groups of 32/64/128/256."""
    assert DesignPoint("d", group_size=group_size).accumulator_bits == bits
    assert element("shift_add", "uint4", "int8").accumulator_bits(group_size) == bits


def test_adders_of_w4a8() -> None:
    """Two pairs of rows (8 bits + 8 bits shifted by one: 10), the pairs' sum (the 12-bit product), the group's sum."""
    assert element("shift_add", "uint4", "int8").adder_widths(64) == (10, 10, 12, 18)


@pytest.mark.parametrize(
    ("kind", "name", "formula", "exact"),
    [
        ("multiplier", "int4", 20, 20),
        ("multiplier", "int6", 24, 24),
        ("multiplier", "int8", 28, 28),
        ("minifloat", "e2m1", 22, 21),  # 12*12*4608 = 663552 < 2**20
        ("minifloat", "e3m2", 32, 31),  # (7*2**6)**2 * 4608 = 924844032 < 2**30
        ("minifloat", "e4m3", 50, 49),  # (15*2**14)**2 * 4608 = 1036800 * 2**28 < 2**48
        ("minifloat", "e5m2", 80, 79),  # (7*2**30)**2 * 4608 = 225792 * 2**60 < 2**78
        ("minifloat", "ocp_e4m3", 50, 49),  # (14*2**14)**2 * 4608 = 903168 * 2**28 < 2**48
        ("minifloat", "ocp_e5m2", 80, 77),  # (7*2**29)**2 * 4608 = 225792 * 2**58 < 2**76
    ],
)
def test_sums_of_4608_products(kind: str, name: str, formula: int, exact: int) -> None:
    """The formulas that are usual in the literature, and the narrowest width, from the largest magnitudes by hand."""
    f = FORMATS[name]
    if kind == "multiplier":
        usual = 2 * f.bits - 2 + 13 + 1
    else:
        e, m = int(name[-3]), int(name[-1])
        usual = 2 * (2**e + m) + 13 - 1
    assert usual == formula
    assert element(kind, name, name).sum_bits(4608) == exact


@pytest.mark.parametrize("kind", PES)
def test_sums_fit_their_width_and_no_narrower_one(kind: str) -> None:
    for weight, activation in taken(kind)[:: max(1, len(taken(kind)) // 40)]:
        pe = build(kind, weight, activation)
        assert pe is not None
        w, a = judged(weight)[1], judged(activation)[1]
        corners = [x * y for x in (min(w), max(w)) for y in (min(a), max(a))]
        for terms in (1, 2, 100, 4608):
            ends = terms * min(corners), terms * max(corners)
            bits = pe.sum_bits(terms)
            assert -(1 << (bits - 1)) <= ends[0]
            assert ends[1] < 1 << (bits - 1)
            assert bits == 1 or ends[0] < -(1 << (bits - 2)) or ends[1] >= 1 << (bits - 2)


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "accumulator", "bits", "adder"),
    [
        ("shift_add", "int4", "int8", "wrap14", 14, 14),
        ("shift_add", "int4", "int8", "saturate13", 13, 13),
        ("minifloat", "e4m3", "e4m3", "fp32", 32, 27),
        ("minifloat", "e4m3", "e4m3", "fp16", 16, 14),
        ("minifloat", "e4m3", "e4m3", "bf16", 16, 11),
        # 64 products of significands up to 15 * 15, with 4 bits below: 230400 < 2**18
        ("minifloat", "e4m3", "e4m3", "aligned4", 19, 19),
        # 64 * 2047 * 8 = 1048064 < 2**20
        ("shift_add_float", "int4", "fp16", "aligned0", 21, 21),
        ("multiplier", "fp16", "fp16", "fp32", 32, 27),
        # 65504 = 2047 * 2**29 in units of 2**-24; its square is 4190209 * 2**58 < 2**80, 64 of them below 2**86
        ("multiplier", "fp16", "fp16", "exact", 87, 87),
    ],
)
def test_accumulator_widths(kind: str, weight: str, activation: str, accumulator: str, bits: int, adder: int) -> None:
    pe = element(kind, weight, activation, accumulator)
    assert pe.accumulator_bits(64) == bits
    assert pe.adder_widths(64)[-1] == adder


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "adders"),
    [
        # rows of 11 bits: pairs 13, 13, then 15 + the sum; the sign-magnitude weight has a negation of 4
        ("shift_add_float", "int4", "fp16", (4, 13, 13, 15)),
        ("minifloat", "e2m1", "e2m1", (4, 3)),  # two rows of two bits; exponents of two bits
        ("minifloat", "e4m3", "e5m2", (5, 5, 7, 6)),
        ("mixed", "uint2", "e4m3", (6,)),
        ("bit_serial", "int4", "int8", (18, 18, 18)),
        ("shift_only", "pot4", "int8", ()),
        ("shift_only", "apot3", "int8", (10,)),  # 3 * -128 in ten bits
        ("multiplier", "int8", "int8", (8,) * 7),
        ("multiplier", "fp16", "fp16", (*(11,) * 10, 6)),
        ("dsp_packed", "int8", "int8", (*(27,) * 9, 24)),
        ("dsp_packed", "int4", "int4", (*(27,) * 5, 12)),
        # 4 x 4 bits are four bricks of a 4-bit addition each, and three additions of products of 8 bits
        ("fused", "int4", "int4", (4, 4, 4, 4, 8, 8, 8)),
    ],
)
def test_adders_of_a_product(kind: str, weight: str, activation: str, adders: tuple[int, ...]) -> None:
    assert element(kind, weight, activation).adder_widths(64)[:-1] == adders


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "accumulator", "counts"),
    [
        ("shift_add", "uint4", "int8", "exact", {"add": 4}),
        ("shift_add", "uint4", "int8", "saturate16", {"add": 4, "limit": 1}),
        ("bit_serial", "int8", "int8", "exact", {"add": 8}),
        ("shift_only", "pot4", "int8", "exact", {"add": 1, "shift": 1}),
        ("shift_only", "apot5", "int8", "exact", {"add": 2, "shift": 2}),
        ("multiplier", "int8", "int8", "exact", {"add": 1, "multiply": 1}),
        ("multiplier", "fp16", "fp16", "fp32", {"add": 2, "multiply": 1, "align": 1, "round": 1}),
        ("fused", "int2", "int2", "saturate8", {"add": 2, "limit": 1}),
        ("minifloat", "e2m1", "e2m1", "exact", {"add": 3, "align": 1}),
        ("minifloat", "e2m1", "e2m1", "aligned4", {"add": 3, "align": 1, "compare": 1}),
        # half a slice and half an addition in P, half a correction and one addition of the lane's sum in 7 cycles
        ("dsp_packed", "int8", "int8", "exact", {"add": Fraction(1, 2) + Fraction(1, 14) + 1, "multiply": Fraction(1, 2)}),
    ],
)
def test_counts_of_one_mac(kind: str, weight: str, activation: str, accumulator: str, counts: dict[str, Fraction]) -> None:
    assert element(kind, weight, activation, accumulator).counts() == counts


@pytest.mark.parametrize("kind", PES)
def test_counts_are_named_and_adders_agree_with_them(kind: str) -> None:
    """A multiplier's rows are adders for the estimate of energy only; everywhere else each adder is one addition."""
    for weight, activation in taken(kind)[::20]:
        pe = build(kind, weight, activation)
        assert pe is not None
        assert pe.counts().keys() <= OPERATIONS.keys()
        if "multiply" not in pe.counts():
            assert pe.counts()["add"] == len(pe.adder_widths(64))


@pytest.mark.parametrize("kind", PES)
def test_the_registry_s_names(kind: str) -> None:
    assert PES[kind].kind == kind
    assert (PES[kind].__doc__ or "").partition("\n")[0].endswith(".")


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "latency", "rate"),
    [
        ("shift_add", "uint4", "int8", 2, 1),
        ("shift_add_float", "int4", "fp16", 3, 1),
        ("minifloat", "e2m1", "e2m1", 3, 1),
        ("mixed", "int4", "e2m1", 3, 1),
        ("bit_serial", "int4", "int8", 4, Fraction(1, 4)),
        ("shift_only", "pot4", "int8", 2, 1),
        ("multiplier", "int8", "int8", 2, 1),
        ("multiplier", "fp16", "fp16", 3, 1),
        ("dsp_packed", "int8", "int8", 6, 2),
        ("dsp_packed", "int4", "int8", 6, 2),
        ("dsp_packed", "int4", "uint4", 6, 4),
        ("fused", "int8", "int8", 2, 1),
        ("fused", "uint5", "int8", 2, 1),
        ("fused", "int4", "int8", 2, 2),
        ("fused", "int4", "int3", 2, 4),
        ("fused", "uint2", "int8", 2, 4),
        ("fused", "uint1", "int2", 2, 16),
    ],
)
def test_latency_and_rate(kind: str, weight: str, activation: str, latency: int, rate: Fraction) -> None:
    pe = element(kind, weight, activation)
    assert (pe.latency, pe.macs_per_cycle) == (latency, rate)


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "latencies"),
    [
        ("shift_add", "uint4", "int8", {0: 1, 1: 2, 2: 3}),
        ("shift_add_float", "int4", "fp16", {0: 1, 1: 3, 2: 4}),
        ("minifloat", "e2m1", "e2m1", {0: 1, 1: 3, 2: 4}),
        ("mixed", "int4", "e2m1", {0: 1, 1: 3, 2: 4}),
        ("bit_serial", "int4", "int8", {1: 4}),
        ("shift_only", "pot4", "int8", {0: 1, 1: 2, 2: 3}),
        ("multiplier", "int8", "int8", {0: 1, 1: 2, 2: 3}),
        ("multiplier", "fp16", "fp16", {0: 1, 1: 3, 2: 4}),
        ("dsp_packed", "int8", "int8", {1: 6}),
        ("fused", "int4", "int8", {0: 1, 1: 2, 2: 3}),
    ],
)
def test_latency_at_every_level_of_pipelining(kind: str, weight: str, activation: str, latencies: dict[int, int]) -> None:
    """The sum's register; product and, if it has an exponent, its place; what the product is added up from."""
    found = {p: element(kind, weight, activation, pipeline=p).latency for p in PES[kind].pipelines}
    assert found == latencies


def test_the_sums_are_of_the_stated_kinds() -> None:
    a, w = np.zeros((1, 2), dtype=np.uint8), np.zeros((2, 1), dtype=np.uint8)
    assert element("shift_add", "int4", "int8").group_sums(a, w, 2).dtype == np.int64
    assert element("minifloat", "e2m1", "e2m1", "bf16").group_sums(a, w, 2).dtype == np.float32
    assert element("minifloat", "e5m2", "e5m2").group_sums(a, w, 2).dtype == object
