"""The shift-and-add PE: all code pairs against numpy's multiplication, widths against the specification's figures."""

import numpy as np
import pytest

from sim import reference
from sim.design import DesignPoint
from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe.shift_add import ShiftAdd

WEIGHTS = [name for name, f in FORMATS.items() if f.bits <= 8]
ACTIVATIONS = ["int2", "int4", "int8", "uint8"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("weight", WEIGHTS)
def test_all_pairs_of_codes(weight: str, activation: str) -> None:
    element = ShiftAdd(FORMATS[weight], FORMATS[activation])
    w = np.arange(1 << element.weight.bits)[:, None]
    a = np.arange(1 << element.activation.bits)[None, :]
    numbers = [
        [reference.integer_of(c, f.bits, f.name.startswith("int")) for c in range(1 << f.bits)]
        for f in (element.weight, element.activation)
    ]
    assert np.array_equal(element.product(w, a), np.outer(*numbers))


def test_all_activations_of_16_bits() -> None:
    element = ShiftAdd(FORMATS["uint4"], FORMATS["int16"])
    a = np.arange(1 << 16)
    expected = np.outer(np.arange(16), a.astype(np.uint16).view(np.int16).astype(np.int64))
    assert np.array_equal(element.product(np.arange(16)[:, None], a[None, :]), expected)


@pytest.mark.parametrize(("group_size", "bits"), [(1, 12), (32, 17), (64, 18), (128, 19), (256, 20)])
def test_accumulator_widths_of_w4a8(group_size: int, bits: int) -> None:
    """Specification: 12-bit product; 17/18/19/20 bits for groups of 32/64/128/256."""
    assert DesignPoint("d", group_size=group_size).accumulator_bits == bits


def test_adders_of_w4a8() -> None:
    """Two pairs of rows (8 bits + 8 bits shifted by one: 10), the pairs' sum (the 12-bit product), the group's sum."""
    assert ShiftAdd(FORMATS["uint4"], FORMATS["int8"]).adder_widths(64) == (10, 10, 12, 18)


@pytest.mark.parametrize("group_size", [1, 5, 64, 1000])
def test_group_sums_with_a_short_last_group(rng: np.random.Generator, group_size: int) -> None:
    element = ShiftAdd(FORMATS["uint4"], FORMATS["int8"])
    k = 133
    a = rng.integers(0, 256, (3, k), dtype=np.uint8)
    w = rng.integers(0, 16, (k, 5), dtype=np.uint8)
    sums = element.group_sums(a, w, group_size)
    for g, start in enumerate(range(0, k, group_size)):
        part = slice(start, start + group_size)
        assert np.array_equal(sums[g], a.view(np.int8)[:, part].astype(np.int64) @ w[part].astype(np.int64))
    assert len(sums) == -(-k // group_size)


@pytest.mark.parametrize(("weight", "activation", "named"), [("int16", "int8", "int16"), ("uint4", "uint1", "uint1")])
def test_widths_that_a_shift_add_pe_does_not_take(weight: str, activation: str, named: str) -> None:
    with pytest.raises(InputError, match=f"not {named}$"):
        ShiftAdd(FORMATS[weight], FORMATS[activation])
