"""One output of a product by Python's integers and fractions, and operands to try."""

from fractions import Fraction

import numpy as np

from sim import reference
from sim.formats import NORMAL_FLOAT_4
from sim.quantized import QuantizedTensor, Scheme


def judged(activations: QuantizedTensor, weights: QuantizedTensor, accumulator: str, m: int, n: int) -> float:
    """The output ``[m, n]``, as ``sim.kernels.product`` defines it; an infinity ends the reckoning, so none may occur."""
    k = activations.shape[1]
    size = activations.group_size or weights.group_size or k
    total = offset = Fraction(0)
    for group, start in enumerate(range(0, k, size)):
        part = range(start, min(start + size, k))
        a = [_parts(activations, m, i) for i in part]
        w = [_parts(weights, i, n) for i in part]
        s_a, s_w = _scale(activations, "group", m, group), _scale(weights, "group", group, n)
        total = _fp32(total + _fp32(s_a * s_w * _corrected(a, w, activations, weights, accumulator, group, m, n)))
        if weights.scheme.zero == "minimum":
            zero_a = int(_zero(activations, m, group)) if activations.scheme.zero == "integer" else 0
            rows = _fp32(_row_sum(a, accumulator) - zero_a * len(a))
            offset = _fp32(offset + _fp32(s_a * _fp32(Fraction(float(_zero(weights, group, n))) * rows)))
    total = _fp32(_outer(total, weights, 0, n) + offset)
    return float(_outer(total, activations, m, 0))


def _outer(total: Fraction, tensor: QuantizedTensor, row: int, column: int) -> Fraction:
    for level in reversed(tensor.scheme.levels):
        if level.per != "group":
            total = _fp32(total * _scale(tensor, level.per, row, column))
    return total


def _corrected(a, w, activations, weights, accumulator, group, m, n) -> Fraction:  # type: ignore[no-untyped-def]
    zero_w = int(_zero(weights, group, n)) if weights.scheme.zero == "integer" else 0
    zero_a = int(_zero(activations, m, group)) if activations.scheme.zero == "integer" else 0
    unit = activations.format.lsb + weights.format.lsb
    if accumulator == "exact":
        terms = [(_value(x) - zero_a) * (_value(y) - zero_w) for x, y in zip(a, w, strict=True)]
        return _fp32(sum(terms, Fraction(0)))
    products = [(x[0] * y[0], x[1] + y[1]) for x, y in zip(a, w, strict=True)]
    total = reference.chain(accumulator, products, unit)
    assert isinstance(total, Fraction)
    if accumulator.startswith(("wrap", "saturate")):
        return _fp32(total - zero_w * _row_sum(a, accumulator))
    return _fp32(_fp32(total) - _fp32(zero_w * _row_sum(a, accumulator)))


def _row_sum(a: list[tuple[int, int]], accumulator: str) -> Fraction:
    total = Fraction(0)
    for x in a:
        total += _value(x)
        if not accumulator.startswith(("exact", "wrap", "saturate")):
            total = _fp32(total)
    return total


def _value(parts: tuple[int, int]) -> Fraction:
    return parts[0] * Fraction(2) ** parts[1]


def _fp32(number: Fraction) -> Fraction:
    rounded = reference.round_to_float(number, "fp32")
    assert isinstance(rounded, Fraction), "no infinity in these tests"
    return rounded


def _parts(tensor: QuantizedTensor, row: int, column: int) -> tuple[int, int]:
    name, code = tensor.format.name, int(tensor.codes[row, column])
    if name == "mxint8":
        return reference.integer_of(code, 8, True), -6
    if name.startswith("nf4"):
        return reference.codebook_parts(NORMAL_FLOAT_4, code, 27 if name == "nf4" else 8)
    if tensor.scheme.fitted:
        value = tensor.format.values[code]
        assert value is not None
        return value, tensor.format.lsb
    found = reference.parts(name, code)
    assert found is not None
    return found


def _scale(tensor: QuantizedTensor, per: str, row: int, column: int) -> Fraction:
    for index, level in enumerate(tensor.scheme.levels):
        if level.per == per:
            values = tensor.level_values(index)
            return Fraction(float(values[min(row, values.shape[0] - 1), min(column, values.shape[1] - 1)]))
    return Fraction(1)


def _zero(tensor: QuantizedTensor, row: int, column: int) -> float:
    assert tensor.zero is not None
    return float(tensor.zero[min(row, tensor.zero.shape[0] - 1), min(column, tensor.zero.shape[1] - 1)])


def numbers_for(rng: np.random.Generator, scheme: Scheme, shape: tuple[int, int]) -> np.ndarray:
    """Numbers of many sizes: most near each other, some far larger, some zero; fp16 ones where nothing scales them."""
    numbers = rng.normal(size=shape) * np.exp2(rng.integers(-3, 4, shape))
    numbers[rng.random(shape) < 0.02] *= 100
    numbers[rng.random(shape) < 0.05] = 0
    return numbers.astype(np.float16 if scheme.levels == () else np.float32).astype(np.float32)
