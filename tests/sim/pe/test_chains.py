"""Group sums of every processing element with every accumulator that it takes, against the judge."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sim.accumulators import ACCUMULATORS
from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe import PES, Element
from tests.sim.pe.judge import assert_group_sums, build, judged, taken

PAIRS: dict[str, list[tuple[str, str]]] = {
    "shift_add": [("uint4", "int8"), ("int8", "int16"), ("int2", "uint2"), ("bipolar3", "int8"), ("uint1", "int4")],
    "shift_add_float": [("int4", "fp16"), ("uint8", "fp16"), ("int8", "bf16")],
    "minifloat": [("e2m1", "e2m1"), ("ocp_e4m3", "ocp_e5m2"), ("e5m2", "e5m2"), ("e3m2", "e1m6"), ("e4m0", "ocp_e4m3")],
    "mixed": [("int4", "ocp_e4m3"), ("e2m1", "int8"), ("e5m2", "int16"), ("uint8", "e3m2")],
    "bit_serial": [("int4", "int8"), ("uint16", "int16"), ("int2", "uint2")],
    "shift_only": [("pot4", "int8"), ("apot5", "int8"), ("e2m1", "int4"), ("e3m0", "uint8"), ("pot6", "int16")],
    "multiplier": [("int8", "int8"), ("uint16", "int16"), ("fp16", "fp16"), ("bf16", "bf16")],
    "dsp_packed": [("int8", "int8"), ("int4", "int4"), ("int4", "uint4"), ("uint4", "int8"), ("uint2", "int3")],
    "fused": [("int8", "int8"), ("int4", "int8"), ("uint2", "int3"), ("int5", "uint1")],
}
CASES = [(kind, *pair, family) for kind, pairs in PAIRS.items() for pair in pairs for family in PES[kind].accumulators]


@lru_cache
def with_accumulator(kind: str, weight: str, activation: str, family: str, spare: int) -> Element | None:
    """With ``spare`` bits more than a product has, or guard bits; ``None`` where an exact sum is too wide."""
    plain = build(kind, weight, activation)
    assert plain is not None
    number = {"wrap": plain.product_bits + spare, "saturate": plain.product_bits + spare, "aligned": 2 * spare}.get(family, "")
    try:
        return PES[kind](FORMATS[weight], FORMATS[activation], f"{family}{number}")
    except InputError as error:
        assert "at most 128 bits" in str(error) or (number and number > 128), error
        return None


def test_every_kind_and_accumulator_is_tried() -> None:
    assert PAIRS.keys() == PES.keys()
    assert {family for *_, family in CASES} == set(ACCUMULATORS)
    for kind in PES:
        built = {f for k, w, a, f in CASES if k == kind and with_accumulator(k, w, a, f, 0)}
        assert built == set(PES[kind].accumulators)


@pytest.mark.parametrize(("kind", "weight", "activation", "family"), CASES)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(data=st.data())
def test_random_chains(kind: str, weight: str, activation: str, family: str, data: st.DataObject) -> None:
    element = with_accumulator(kind, weight, activation, family, data.draw(st.integers(0, 3)))
    if element is None:
        return
    k = data.draw(st.integers(1, 16))
    m, n = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    group_size = data.draw(st.integers(1, 20))
    w = codes(weight, data.draw(st.binary(min_size=2 * k * n, max_size=2 * k * n))).reshape(k, n)
    a = codes(activation, data.draw(st.binary(min_size=2 * m * k, max_size=2 * m * k))).reshape(m, k)
    assert_group_sums(element, a, w, group_size)


def codes(name: str, drawn: bytes) -> NDArray[np.int64]:
    """Codes from two bytes each (lists of codes are slow to draw): a third of them extremes."""
    table = judged(name)[0]
    words = np.frombuffer(drawn, dtype=np.uint16).astype(np.int64)
    return np.where(words % 3 == 0, np.resize(extremes(name), 60)[words // 3 % 60], table[words % len(table)])


@lru_cache
def extremes(name: str) -> list[int]:
    """Codes of the largest and the smallest number, of the positive and the negative one nearest to zero, and of zero."""
    table, integers = judged(name)
    positive = min(i for i in integers if i > 0)
    found = [max(integers), min(integers), positive, max((i for i in integers if i < 0), default=0), 0]
    return [int(table[integers.index(i)]) for i in found if i in integers]


LENGTH = 70


def patterns(name: str, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Chains of codes that are hard to add up."""
    largest, smallest, tiny, *_ = extremes(name)
    any_codes = rng.choice(judged(name)[0], LENGTH)
    return {
        "largest": np.full(LENGTH, largest),
        "smallest": np.full(LENGTH, smallest),
        "alternating": np.resize([largest, smallest], LENGTH),
        "huge first": np.r_[largest, np.full(LENGTH - 1, tiny)],
        "huge last": np.r_[np.full(LENGTH - 1, tiny), smallest],
        "there and back": np.r_[np.full(LENGTH // 2, largest), np.full(LENGTH // 2, smallest)],
        "random": any_codes,
    }


@pytest.mark.parametrize(("kind", "weight", "activation", "family"), CASES)
def test_adversarial_chains(rng: np.random.Generator, kind: str, weight: str, activation: str, family: str) -> None:
    """Every activation pattern with every weight pattern: saturation hit and left, wraps, cancellation, overflow."""
    element = with_accumulator(kind, weight, activation, family, 1)
    if element is None:
        return
    a = np.stack(list(patterns(activation, rng).values()))
    w = np.stack(list(patterns(weight, rng).values()), axis=1)
    assert_group_sums(element, a, w, LENGTH)
    assert_group_sums(element, a[-1:], w[:, -1:], 32)


@pytest.mark.parametrize("kind", PES)
def test_large_operands_are_summed_in_blocks(rng: np.random.Generator, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    element = build(kind, *taken(kind)[0])
    assert element is not None
    a = rng.choice(judged(element.activation.name)[0], (7, 40))
    w = rng.choice(judged(element.weight.name)[0], (40, 5))
    whole = element.group_sums(a, w, 16)
    monkeypatch.setattr("sim.pe.element.BLOCK", 16 * 5 * 2)
    assert np.array_equal(element.group_sums(a, w, 16), whole)
