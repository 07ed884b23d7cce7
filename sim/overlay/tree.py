"""Products of fp16 numbers in trees of fp16 adders, bit for bit: the arithmetic of ``element = "fp16_tree"``.

    p[i]  = fp16(a[m, i] * w[i, n])                        of ``width`` numbers along k, the last ones filled up with zeros
    sum   = neighbours in pairs, the sums of pairs in pairs, and so on to one, each addition rounded to fp16
    total = fp16(total + sum)                              in order of k, from +0

Each operation is rounded to nearest even, with subnormals; what fp16 does not hold is infinite, and remains so or becomes NaN.
These are the operators of DFX (Hong et al., MICRO 2022, arXiv 2209.10797, section V-C: fp16 multipliers, trees of fp16 adders
and an adder for each lane's running sum); which neighbours a tree adds, and that subnormals are kept, is not published.

A number of 0 adds +0 or -0, and a running sum that begins at +0 is never -0, so zeros behind ``k`` change nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]


def tree_sums(totals: Halves, activations: Halves, weights: Halves, width: int) -> Halves:
    """``totals [..., m, n]`` and the products of ``activations [..., m, k]`` and ``weights [..., k, n]``.

    ``width`` is a power of two.
    """
    rest = -activations.shape[-1] % width
    if rest:
        activations = np.pad(activations, [(0, 0)] * (activations.ndim - 1) + [(0, rest)])
        weights = np.pad(weights, [(0, 0)] * (weights.ndim - 2) + [(0, rest), (0, 0)])
    totals = totals.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        add_trees(totals, activations, weights, width)
    return totals


def add_trees(totals: Any, activations: Any, weights: Any, width: int) -> None:
    """:func:`tree_sums` into ``totals``, for ``k`` of whole trees, of numpy's arrays or torch's tensors of fp16.

    Both do an operation in fp32 and round the result, which is the operation rounded once: 24 bits are twice 11 and two more.
    """
    for row in range(activations.shape[-2]):
        products = activations[..., row, :, None] * weights
        tree = products.reshape(*products.shape[:-2], -1, width, products.shape[-1])
        while tree.shape[-2] > 1:
            tree = tree[..., 0::2, :] + tree[..., 1::2, :]
        for step in range(tree.shape[-3]):
            totals[..., row, :] += tree[..., step, 0, :]
