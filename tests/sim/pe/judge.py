"""What the judge says of codes, pairs of codes and chains of them, for all processing elements alike."""

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim import reference
from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe import PES, Element

BLOCK = 1 << 20


def build(kind: str, weight: str, activation: str) -> Element | None:
    """The PE with an exact accumulator, or fp32 where exact sums are too wide; ``None`` if it does not take the formats."""
    for accumulator in ("exact", "fp32"):
        try:
            return PES[kind](FORMATS[weight], FORMATS[activation], accumulator)
        except InputError:
            continue
    return None


@lru_cache
def taken(kind: str) -> tuple[tuple[str, str], ...]:
    """Names of all pairs of formats that a kind of PE takes."""
    return tuple((w, a) for w in FORMATS for a in FORMATS if build(kind, w, a))


def weights_of(kind: str, bits: range) -> dict[str, list[str]]:
    """Activation formats by weight format, of the pairs that have so many bits together."""
    pairs: dict[str, list[str]] = {}
    for w, a in taken(kind):
        if FORMATS[w].bits + FORMATS[a].bits in bits:
            pairs.setdefault(w, []).append(a)
    return pairs


@lru_cache
def judged(name: str) -> tuple[NDArray[np.int64], tuple[int, ...]]:
    """Codes that are numbers, and the integer of each in units of ``2**unit``."""
    one = Fraction(2) ** reference.unit(name)
    integers = {code: number / one for code, number in reference.numbers(name, FORMATS[name].bits).items()}
    assert all(integer.denominator == 1 for integer in integers.values())
    return np.array(list(integers)), tuple(integer.numerator for integer in integers.values())


def assert_all_products(element: Element) -> None:
    """Every pair of codes against the judge, as an exact outer product of integers."""
    w_codes, w_integers = judged(element.weight.name)
    a_codes, a_integers = judged(element.activation.name)
    assert element.product_lsb == reference.unit(element.weight.name) + reference.unit(element.activation.name)
    largest = max(map(abs, w_integers)) * max(map(abs, a_integers))
    kind = np.int64 if largest < 1 << 62 else object
    w_numbers, a_numbers = np.array(w_integers, dtype=kind), np.array(a_integers, dtype=kind)
    rows = max(1, BLOCK // len(a_codes))
    for row in range(0, len(w_codes), rows):
        part = slice(row, row + rows)
        products = element.product(w_codes[part, None], a_codes[None, :])
        assert np.array_equal(products, np.multiply.outer(w_numbers[part], a_numbers)), (element, part)


read = lru_cache(maxsize=None)(reference.parts)


def chain(element: Element, activations: list[int], weights: list[int]) -> Fraction | float:
    """One group sum, from codes."""
    terms = []
    for a, w in zip(activations, weights, strict=True):
        x, y = read(element.activation.name, a), read(element.weight.name, w)
        assert x is not None and y is not None
        terms.append((x[0] * y[0], x[1] + y[1]))
    unit = reference.unit(element.weight.name) + reference.unit(element.activation.name)
    return reference.chain(element.accumulator, terms, unit)


def assert_group_sums(element: Element, activations: NDArray[Any], weights: NDArray[Any], group_size: int) -> None:
    """All group sums of codes ``activations[m, k]`` and ``weights[k, n]``."""
    sums = element.group_sums(activations, weights, group_size)
    (m, k), n = activations.shape, weights.shape[1]
    assert sums.shape == (-(-k // group_size), m, n)
    for g, start in enumerate(range(0, k, group_size)):
        part = slice(start, start + group_size)
        for i in range(m):
            for j in range(n):
                expected = chain(element, activations[i, part].tolist(), weights[part, j].tolist())
                assert value(element, sums[g, i, j]) == expected, (element, g, i, j)


def value(element: Element, result: Any) -> Fraction | float:
    """The number that an element of the group sums stands for."""
    if element.accumulation.is_float:
        return Fraction(float(result)) if np.isfinite(result) else float(result)
    return int(result) * Fraction(2) ** element.product_lsb
