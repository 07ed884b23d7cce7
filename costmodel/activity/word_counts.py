"""Toggles of a PE's words over whole products: how many bits of operands, products and sums change from MAC to MAC.

What :mod:`costmodel.activity.measure` finds with gates in thousands of MACs is estimated from these counts
(:mod:`costmodel.activity.word_model`), which compiled loops find in whole layers.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from costmodel.activity.operands import Codes, Piece, Product
from sim.array import group_lengths
from sim.design import DesignPoint
from sim.errors import InputError

WORDS = ("weight", "activation", "ands", "product", "sum")
"""Words whose bits are compared with those of the MAC before: codes, the rectangle of ands of the operands' bits, the
product, the sum. Of numbers with an exponent the ands are those of significands, and a product is magnitude, sign, exponent."""

Counts = NDArray[np.int64]
_compiled: Any = njit(cache=True)


@_compiled
def _ones(number):  # type: ignore[no-untyped-def]
    """Bits of 64 that are one."""
    x = np.uint64(number)
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@_compiled
def _compare(counts, before, w, a, product, total):  # type: ignore[no-untyped-def]
    """Add bits that differ to ``counts[5]``; ``before[7]`` becomes what there is now, its last place says that it is.

    Operands have fields: code, bits that are multiplied, number, exponent.
    """
    if before[6]:
        counts[0] += _ones(before[0] ^ w[0])
        counts[1] += _ones(before[1] ^ a[0])
        same = _ones(before[2] & w[1]) * _ones(before[3] & a[1])
        counts[2] += _ones(before[2]) * _ones(before[3]) + _ones(w[1]) * _ones(a[1]) - 2 * same
        counts[3] += _ones(before[4] ^ product)
        counts[4] += _ones(before[5] ^ total)
    before[0], before[1], before[2], before[3] = w[0], a[0], w[1], a[1]
    before[4], before[5], before[6] = product, total, 1


@_compiled
def _product(w, a, mask, exponent_place):  # type: ignore[no-untyped-def]
    """The word of a product, and the number at its place in the sum as far as 64 bits hold it."""
    number, exponent = w[2] * a[2], w[3] + a[3]
    fields = abs(number) << 1 | np.int64(number < 0) | exponent << exponent_place
    return fields if exponent_place else number & mask, number << exponent if exponent < 64 else np.int64(0)


@_compiled
def _passing(weights, activations, ends, unit, place, mask, sum_mask):  # type: ignore[no-untyped-def]
    """Counts of ``weights[n, k, field]`` and ``activations[m, k, field]``: each two rows are a PE that adds along ``k``.

    ``unit`` is that of products if sums are floats, else 0.
    """
    counts = np.zeros(5, dtype=np.int64)
    single = np.zeros(1, dtype=np.float32)
    bits = single.view(np.int32)
    for j in range(len(weights)):
        for i in range(len(activations)):
            before = np.zeros(7, dtype=np.int64)
            total, real = np.int64(0), 0.0
            for t in range(len(ends)):
                w, a = weights[j, t], activations[i, t]
                product, placed = _product(w, a, mask, place)
                if unit:
                    single[0] = real + unit * w[2] * a[2] * 2.0 ** (w[3] + a[3])
                    real, total = np.float64(single[0]), np.int64(bits[0]) & 0xFFFFFFFF
                else:
                    total = (total + placed) & sum_mask
                _compare(counts, before, w, a, product, total)
                if ends[t]:
                    total, real = np.int64(0), 0.0
    return counts


@_compiled
def _held(counts, before, w, activations, above, place, mask, sum_mask):  # type: ignore[no-untyped-def]
    """Add counts of a fold of one PE, of weight ``w[field]`` and ``activations[m, field]``; ``above[m]`` becomes its sums."""
    for t in range(len(activations)):
        product, placed = _product(w, activations[t], mask, place)
        above[t] += placed
        _compare(counts, before, w, activations[t], product, above[t] & sum_mask)


@_compiled
def _all_held(weights, activations, starts, lengths, rows, place, mask, sum_mask):  # type: ignore[no-untyped-def]
    """Counts of ``weights[n, k, field]`` and ``activations[k, m, field]``, folds along ``k``."""
    counts = np.zeros(5, dtype=np.int64)
    for j in range(len(weights)):
        before = np.zeros((rows, 7), dtype=np.int64)
        for fold in range(len(starts)):
            above = np.zeros(activations.shape[1], dtype=np.int64)
            for r in range(lengths[fold]):
                k = starts[fold] + r
                _held(counts, before[r], weights[j, k], activations[k], above, place, mask, sum_mask)
    return counts


class WordCounter:
    """Counts toggles of the words of a design's PEs.

    Sums are compared in their lowest 64 bits, those of float accumulators as fp32. Raises ``InputError`` for an ``aligned``
    accumulator.
    """

    def __init__(self, design: DesignPoint) -> None:
        element = design.element
        if element.accumulation.family == "aligned":
            raise InputError(f"words of an accumulator are counted if it is not aligned, not {design.accumulator}")
        self.design, self.unit = design, 2.0**element.product_lsb if element.accumulation.is_float else 0.0
        self.fields = tuple(_fields(design, side) for side in (0, 1))
        w, a = self.fields
        significands = int(np.abs(w[:, 2]).max() * np.abs(a[:, 2]).max()).bit_length() + 1
        self.place = significands if element.has_exponents else 0
        self.masks = tuple((1 << min(63, bits)) - 1 for bits in (element.product_bits, design.accumulator_bits))

    def product(self, product: Product) -> Counts:
        """Counts ``[word]`` of all MACs of a product, in the order of the design's dataflow."""
        a, w = product
        counts: Counts
        weights = np.ascontiguousarray(self.fields[0][w.T])
        lengths = np.array(group_lengths(self.design.group_size, a.shape[1]))
        if self.design.dataflow != "weight_stationary":
            ends = np.zeros(a.shape[1], dtype=bool)
            ends[np.cumsum(lengths) - 1] = True
            counts = _passing(weights, self.fields[1][a], ends, self.unit, self.place, *self.masks)
            return counts
        starts = np.concatenate(
            [np.arange(e - n, e, self.design.rows) for e, n in zip(np.cumsum(lengths), lengths, strict=True)]
        )
        sizes = np.diff(np.concatenate([starts, [a.shape[1]]]))
        activations = np.ascontiguousarray(self.fields[1][a.T])
        counts = _all_held(weights, activations, starts, sizes, self.design.rows, self.place, *self.masks)
        return counts

    def piece(self, piece: Piece) -> Counts:
        """Counts ``[word]`` of a piece of one PE's operands."""
        if self.design.dataflow == "weight_stationary":
            counts, before = np.zeros(len(WORDS), dtype=np.int64), np.zeros(7, dtype=np.int64)
            for fold in piece:
                assert fold.above is not None
                above = fold.above.astype(np.int64)
                activations = self.fields[1][fold.activations[:, 0]]
                _held(counts, before, self.fields[0][fold.weights[0, 0]], activations, above, self.place, *self.masks)
            return counts
        a, w = (np.concatenate(codes).T for codes in zip(*((run.activations, run.weights) for run in piece), strict=True))
        ends = np.concatenate([np.arange(len(run.activations)) == len(run.activations) - 1 for run in piece])
        found: Counts = _passing(self.fields[0][w], self.fields[1][a], ends, self.unit, self.place, *self.masks)
        return found


def _fields(design: DesignPoint, side: int) -> Codes:
    """For each code ``[code, 4]`` of the weight or the activation itself, the bits that are multiplied, number and exponent."""
    element, format_ = design.element, (design.weight, design.activation)[side]
    codes = np.arange(len(format_.values))
    if not element.has_exponents:
        numbers = np.array([value or 0 for value in format_.values])
        return np.stack([codes, codes, numbers, np.zeros_like(codes)], axis=1)
    negative, significands, exponents = element.fields[side].split(codes)
    return np.stack([codes, significands, np.where(negative, -significands, significands), exponents - exponents.min()], axis=1)
