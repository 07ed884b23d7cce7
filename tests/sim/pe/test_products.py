"""Every product of every pair of codes, for every processing element and every pair of formats that it takes."""

import re

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe import PES
from tests.sim.pe.judge import assert_all_products, build, judged, taken, weights_of

INTEGER_WEIGHTS, INTEGER_ACTIVATIONS = "u?int[1-8]", "u?int([2-8]|16)"
MINIFLOATS = r"e[1-5]m\d|ocp_e4m3|ocp_e5m2"
ALSO_MINIFLOAT = "pot3"
"""0, 1, 2, 4 and their negatives, which is E2M0 by another name."""

TAKEN = {
    "shift_add": [(f"{INTEGER_WEIGHTS}|bipolar[1-4]", INTEGER_ACTIVATIONS)],
    "shift_add_float": [(INTEGER_WEIGHTS, "fp16|bf16")],
    "minifloat": [(f"{MINIFLOATS}|{ALSO_MINIFLOAT}", f"{MINIFLOATS}|{ALSO_MINIFLOAT}")],
    "mixed": [
        (INTEGER_WEIGHTS, f"{MINIFLOATS}|{ALSO_MINIFLOAT}"),
        (f"{MINIFLOATS}|{ALSO_MINIFLOAT}", INTEGER_ACTIVATIONS),
    ],
    "bit_serial": [("u?int([1-8]|16)", INTEGER_ACTIVATIONS)],
    "shift_only": [(r"uint[12]|int[23]|bipolar[12]|pot\d|apot\d|e[1-5]m[01]", INTEGER_ACTIVATIONS)],
    "multiplier": [("u?int([1-8]|16)", "u?int([1-8]|16)"), ("fp16", "fp16"), ("bf16", "bf16")],
    "dsp_packed": [("u?int[1-8]", "u?int[1-8]")],
    "fused": [("u?int[1-8]", "u?int[1-8]")],
}
"""Patterns of names of weight and activation formats."""


@pytest.mark.parametrize("kind", PES)
def test_formats_that_a_pe_takes(kind: str) -> None:
    allowed = {
        (w, a) for weight, activation in TAKEN[kind] for w in FORMATS for a in FORMATS
        if re.fullmatch(weight, w) and re.fullmatch(activation, a)
    }  # fmt: skip
    assert set(taken(kind)) == allowed


@pytest.mark.parametrize(("kind", "weight"), [(kind, w) for kind in PES for w in weights_of(kind, range(17))])
def test_all_pairs_of_codes(kind: str, weight: str) -> None:
    for activation in weights_of(kind, range(17))[weight]:
        element = build(kind, weight, activation)
        assert element is not None
        assert_all_products(element)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kind", "weight"), [(kind, w) for kind in PES for w in weights_of(kind, range(17, 25))])
def test_all_pairs_of_codes_up_to_24_bits(kind: str, weight: str) -> None:
    for activation in weights_of(kind, range(17, 25))[weight]:
        element = build(kind, weight, activation)
        assert element is not None
        assert_all_products(element)


@pytest.mark.parametrize(
    ("kind", "weight", "activation"), [(k, w, a) for k in PES for w, a in taken(k) if FORMATS[w].bits + FORMATS[a].bits > 24]
)
def test_pairs_of_16_bits_are_sampled(rng: np.random.Generator, kind: str, weight: str, activation: str) -> None:
    element = build(kind, weight, activation)
    assert element is not None
    (w_codes, w_integers), (a_codes, a_integers) = judged(weight), judged(activation)
    ends = [(f(w_integers), g(a_integers)) for f in (min, max) for g in (min, max)]
    corners = [(w_integers.index(x), a_integers.index(y)) for x, y in ends]
    drawn = zip(rng.integers(0, len(w_codes), 1000).tolist(), rng.integers(0, len(a_codes), 1000).tolist(), strict=True)
    i, j = np.array([*corners, *drawn]).T
    products = element.product(w_codes[i], a_codes[j])
    assert products.tolist() == [w_integers[x] * a_integers[y] for x, y in zip(i.tolist(), j.tolist(), strict=True)]


SPECIAL = [(w, a) for w, a in taken("minifloat") if FORMATS[w].has_special and a == "e2m1"]


@pytest.mark.parametrize(("weight", "activation"), SPECIAL)
def test_codes_that_are_no_numbers_are_no_operands(weight: str, activation: str) -> None:
    element = build("minifloat", weight, activation)
    assert element is not None
    numbers = set(judged(weight)[0].tolist())
    specials = [code for code in range(256) if code not in numbers]
    assert len(specials) in (2, 8)  # two NaN; two infinities and six NaN
    for code in specials:
        with pytest.raises(InputError, match=f"codes of numbers of {weight}, not {code}$"):
            element.product(np.array([0, code]), np.array([0]))


@pytest.mark.parametrize("kind", PES)
@pytest.mark.parametrize("beyond", [-1, 1 << 16])
def test_codes_that_are_none_are_no_operands(kind: str, beyond: int) -> None:
    element = build(kind, *taken(kind)[0])
    assert element is not None
    with pytest.raises(InputError, match=f"not {beyond}$"):
        element.product(np.array([0]), np.array([beyond]))
