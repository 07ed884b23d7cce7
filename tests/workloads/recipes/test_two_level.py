"""Two levels of scales: QServe's by hand, what is expanded is int8, DGQ's search is the best of what it may choose."""

from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.quantized import SCHEMES, QuantizedTensor, ScaleLevel, Scheme
from tests.workloads.recipes.conftest import FORMATS_OF_ALL_KINDS, Pair, errors_of
from workloads.recipes import RECIPES, Recipe, dual_grained, nearest, progressive
from workloads.recipes.two_level import STEPS, protective_range

GROUPS = (ScaleLevel("group", "fp16"),)
INTEGERS = {
    "int4": Scheme(FORMATS["int4"], GROUPS, group_size=16),
    "uint4": Scheme(FORMATS["uint4"], GROUPS, "integer", 16),
    "uint3": Scheme(FORMATS["uint3"], GROUPS, "integer", 16),
}


def test_the_protective_range_of_the_paper() -> None:
    """[-119, 119] for 4 bits with zero points (QServe); 127 / (1 + 1/14) without."""
    assert protective_range(INTEGERS["uint4"]) == 119
    assert protective_range(INTEGERS["int4"]) == 118


def test_progressive_by_hand() -> None:
    """A column with greatest magnitude 119: the channel's scale is 1. Group 0 from -119 to 119: 238 / 15 = 15.9, so 16, zero
    119 / 16 = 7.4, so 7; 119 is 7 steps above it. Group 1 from 0 to 30: scale 2, zero 0.
    """
    weights = np.zeros((32, 1), np.float32)
    weights[[0, 1, 2, 16, 17], 0] = -119, 119, 33, 30, 5.2
    q = progressive(weights, weights.T, INTEGERS["uint4"]).parts[0].weights
    assert q.scales[0].tolist() == [[1.0]]
    assert (q.scales[1].ravel().tolist(), q.zero.ravel().tolist()) == ([16, 2], [7, 0])
    assert q.codes.ravel()[[0, 1, 2, 3, 16, 17]].tolist() == [0, 14, 9, 7, 15, 2]


@pytest.mark.parametrize("recipe", [progressive, dual_grained])
@pytest.mark.parametrize("name", INTEGERS)
def test_expanded_weights_are_int8(rng: np.random.Generator, name: str, recipe: Recipe) -> None:
    """Also where a group fills the range to both ends: scale times code less zero, in Python's integers."""
    for size in (0.3, 1, 5):
        weights = (rng.standard_t(3, size=(96, 24)) * rng.lognormal(sigma=size, size=(96, 1))).astype(np.float32)
        weights[:16:2], weights[1:16:2] = np.abs(weights).max(axis=0), -np.abs(weights).max(axis=0)
        q = recipe(weights, np.eye(96, dtype=np.float32), INTEGERS[name]).parts[0].weights
        scales = np.repeat(q.scales[1].astype(int), 16, axis=0)
        zero = 0 if q.zero is None else np.repeat(q.zero.astype(int), 16, axis=0)
        expanded = scales * (q.format.decode(q.codes).astype(int) - zero)
        assert (np.abs(expanded) <= 128).all()
        assert (expanded <= 127).all()
        assert np.allclose(q.dequantize(), expanded * q.scales[0].astype(np.float64), rtol=1e-6)


def test_dgq_is_no_worse_than_any_of_its_candidates(operands: Pair) -> None:
    """For each output, of those that fit int8: the channel's scale is the greatest group scale over 1, 2, 4, 8, ..."""
    weights, activations = operands
    scheme = INTEGERS["int4"]
    found = errors_of(dual_grained(weights, activations, scheme), operands)
    fine = RECIPES["nearest_mse"](weights, activations, scheme).parts[0].weights
    exact = fine.scales[0].astype(np.float64)
    least = np.full(12, np.inf)
    for steps in STEPS:
        channel = (exact.max(axis=0) / steps).astype(np.float16).astype(np.float64)
        group = np.repeat(np.clip(np.rint(exact / channel), 1, 127), 16, axis=0)[:40]
        codes = np.clip(np.rint(weights / (group * channel)), -8, 7)
        fits = ((codes * group >= -128) & (codes * group <= 127)).all(axis=0)
        error = ((activations.astype(np.float64) @ (codes * group * channel - weights)) ** 2).mean(axis=0)
        least = np.where(fits, np.minimum(least, error), least)
    assert found == pytest.approx(least, rel=1e-5)


def test_two_levels_cost_little(operands: Pair) -> None:
    """Against fp16 scales per group; and they take fewer bits where there are several groups."""
    weights, activations = operands
    for recipe in (progressive, dual_grained):
        layer = recipe(weights, activations, INTEGERS["int4"])
        plain = nearest(weights, activations, INTEGERS["int4"])
        assert errors_of(layer, operands).sum() < 2 * errors_of(plain, operands).sum()
        assert layer.bits == 40 * 12 * 4 + 12 * 16 + 3 * 12 * 8 < plain.bits


@pytest.mark.parametrize("name", ["e2m1", "nf4", "mxfp4", "nvfp4", "uint4_minimum"])
def test_any_format_of_groups(operands: Pair, name: str) -> None:
    scheme = FORMATS_OF_ALL_KINDS[name]
    for recipe in (progressive, dual_grained):
        q: QuantizedTensor = recipe(*operands, scheme).parts[0].weights
        assert [(level.per, level.format) for level in q.scheme.levels] == [("channel", "fp16"), ("group", "int8")]
        assert np.linalg.norm(q.dequantize() - operands[0]) < 0.2 * np.linalg.norm(operands[0])


def test_a_scheme_without_groups() -> None:
    for recipe in (progressive, dual_grained):
        for scheme, per in ((SCHEMES["int8_channel"], "channel"), (SCHEMES["fp16"], "none")):
            with pytest.raises(InputError, match=f"with scales per group, not with {per}$"):
                recipe(np.ones((4, 4), np.float32), np.ones((4, 4), np.float32), replace(scheme))
