"""Toggles of words, counted by hand and by numpy, and the line that is fitted to energies."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from costmodel.activity.operands import Product, activation_codes, pieces_of, weight_codes
from costmodel.activity.word_counts import WordCounter
from costmodel.least_squares import least_squares
from sim.accumulators import Products
from sim.design import DesignPoint
from sim.errors import InputError

W4A8 = DesignPoint("test", group_size=3, rows=2, columns=2)


def ones(numbers: NDArray[np.int64], bits: int) -> int:
    """Of two's complement numbers."""
    return sum(int(number & (1 << bits) - 1).bit_count() for number in np.ravel(numbers))


def changes(words: NDArray[np.int64], bits: int) -> int:
    """Bits that differ along the last axis."""
    return ones(words[..., 1:] ^ words[..., :-1], bits)


def test_a_chain_by_hand() -> None:
    """uint4 x int8, groups of two: 3 x 2, 1 x -1; 1 x 5.

    Weights 0011, 0001, 0001: 1 bit. Activations 00000010, 11111111, 00000101: 7 and 6 bits. Ands: 2 x 1 ones, then 1 x 8 with
    1 in common, then 1 x 2 with 2 in common: 2 + 8 - 2 x 1 = 8 and 8 + 2 - 2 x 2 = 6. Products of 12 bits 6 = ..00110,
    -1 = ..11111, 5 = ..00101: 10 and 10. Sums 6, 5, and after the group's end 5: 2 and 0.
    """
    design = replace(W4A8, group_size=2)
    assert (design.element.product_bits, design.accumulator_bits) == (12, 13)
    product = np.array([[2, 255, 5]]), np.array([[3], [1], [1]])
    assert WordCounter(design).product(product).tolist() == [1, 13, 14, 10 + 10, 2]


def random_product(design: DesignPoint, shape: tuple[int, int, int] = (5, 7, 3)) -> Product:
    rng = np.random.default_rng(0)
    m, k, n = shape
    activations, weights = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    return activation_codes(design.activation_scheme, activations), weight_codes(design.weight_scheme, weights)


def test_sums_in_the_pe() -> None:
    """Against whole arrays in numpy: operands along ``k``, sums from zero in each group."""
    a, w = random_product(W4A8)
    numbers = W4A8.activation.decode(a).astype(int)
    products = numbers[:, None, :] * w.T[None]  # [m, n, k]
    sums = np.concatenate([np.cumsum(products[..., at : at + 3], axis=-1) for at in (0, 3, 6)], axis=-1)
    both = (a[:, None, :, None, None] >> np.arange(8)[:, None] & 1) & (w.T[None, :, :, None, None] >> np.arange(4) & 1)
    expected = [
        5 * changes(w.T, 4),
        3 * changes(a, 8),
        int(np.abs(np.diff(both, axis=2)).sum()),
        changes(products, W4A8.element.product_bits),
        changes(sums, W4A8.accumulator_bits),
    ]
    assert WordCounter(W4A8).product((a, w)).tolist() == expected


def test_weights_that_stay() -> None:
    """Folds of two rows in groups of three: 0 1, 2, 3 4, 5, 6. Sums run down, activations pass along ``m``."""
    design = replace(W4A8, dataflow="weight_stationary")
    a, w = random_product(design)
    numbers = design.activation.decode(a).astype(int)
    of_row = [[], []]  # [row of PEs][fold]: weights, activations, products, sums [n, m]
    for fold in ([0, 1], [2], [3, 4], [5], [6]):
        products = np.stack([numbers[:, k] * w[k][:, None] for k in fold])
        for row, (k, total) in enumerate(zip(fold, np.cumsum(products, axis=0), strict=True)):
            of_row[row].append((np.tile(w[k][:, None], 5), np.tile(a[:, k], (3, 1)), products[row], total))
    expected = np.zeros(4, dtype=int)
    widths = (4, 8, design.element.product_bits, design.accumulator_bits)
    for folds in of_row:
        words = [np.concatenate(each, axis=1) for each in zip(*folds, strict=True)]
        expected += [changes(word, bits) for word, bits in zip(words, widths, strict=True)]
    counts = WordCounter(design).product((a, w))
    assert counts[[0, 1, 3, 4]].tolist() == expected.tolist()


@pytest.mark.parametrize("dataflow", ["output_stationary", "weight_stationary"])
def test_pieces_are_counted_as_products_are(dataflow: str) -> None:
    """The only PE of a 1x1 array, and a product of one tile: a piece is the whole product, on from its first group."""
    design = replace(W4A8, rows=1, columns=1, dataflow=dataflow)
    a, w = random_product(design, (1, 3, 1) if dataflow == "output_stationary" else (8, 1, 1))
    piece = pieces_of(design, [(a, w)], 1)[0]
    counter = WordCounter(design)
    assert counter.piece(piece).tolist() == counter.product((a, w)).tolist()


def test_float_sums_are_those_of_the_model() -> None:
    """Bits of fp32 after each product of E2M1 numbers, and products as magnitude, sign and exponent."""
    design = DesignPoint("test", pe="minifloat", weight_format="e2m1", activation_format="e2m1", accumulator="fp32")
    a, w = random_product(design, (2, 64, 2))
    sums, fields = [], []
    for j in range(2):
        for i in range(2):
            significands, exponents = design.element.multiply(w[:, j], a[i])
            parts = [Products(significands[:t], exponents[:t], design.element.product_lsb, 64) for t in range(1, 65)]
            sums.append([design.element.accumulation.sum(part).view(np.int32) for part in parts])
            fields.append((np.abs(significands), significands < 0, exponents - design.element.product_lsb))
    counts = WordCounter(design).product((a, w))
    assert counts[4] == changes(np.array(sums).astype(np.int64), 32)
    assert counts[3] == sum(changes(np.array(each).astype(np.int64), 16) for field in fields for each in field)


def test_aligned_accumulators_are_refused() -> None:
    design = DesignPoint("test", pe="minifloat", weight_format="e2m1", activation_format="e2m1", accumulator="aligned4")
    with pytest.raises(InputError, match="words of an accumulator are counted if it is not aligned, not aligned4"):
        WordCounter(design)


def test_a_line_is_found() -> None:
    rates = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 5.0]])
    assert least_squares(rates, 7 + 3 * rates[:, 1]) == pytest.approx([7, 3])
