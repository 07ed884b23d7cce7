"""Products of fp16 numbers in trees of fp16 adders, bit for bit, and their cycles: ``element = "fp16_tree"``.

    p[i]  = fp16(a[m, i] * w[i, n])                        of ``width`` numbers along k, the last ones filled up with zeros
    sum   = neighbours in pairs, the sums of pairs in pairs, and so on to one, each addition rounded to fp16
    total = fp16(total + sum)                              in order of k, from +0

Each operation is rounded to nearest even, with subnormals; what fp16 does not hold is infinite, and remains so or becomes NaN.
These are the operators of DFX (Hong et al., MICRO 2022, arXiv 2209.10797, read in summaries of the paper): fp16 multipliers,
trees of fp16 adders and an adder for each lane's running sum. Which neighbours a tree adds, and that subnormals are kept, are
assumptions.

A number of 0 adds +0 or -0, and a running sum that begins at +0 is never -0, so zeros behind ``k`` change nothing.

The ``D`` multipliers of a vector unit are a tree of ``width = D / 16`` for each of its 16 columns: a cycle takes ``width``
numbers along ``k`` of a column block. DFX's tile of 64 x 16 is one vector unit of 1,024 multipliers. A running sum comes out of
its adder 11 cycles after it went in, and only then can more be added to it. So a vector unit goes through all column blocks of
its tile with the first ``width`` numbers along ``k``, then through all of them with the next: an assumption. Each column's sums
stay in order of ``k``, so that its bits do not depend on this.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.float16]

HALF_MULTIPLY, HALF_ADD = 6, 11
"""[cycle] Of fp16 numbers in DSP slices, one and two (DFX, as above)."""


def tree_latency(width: int) -> int:
    """From a tree's operands to the running sum [cycle]: the product, the tree's levels, and the last adder."""
    return HALF_MULTIPLY + HALF_ADD * (width.bit_length() - 1) + HALF_ADD


def tree_cycles(steps: Any, blocks: Any) -> Any:
    """Cycles of a token in a tile of so many trees along ``k`` and column blocks of a vector unit.

    With fewer blocks than an adder has stages each step waits for its sums, the last one too, as the next tile may add to them.
    """
    return steps * np.maximum(blocks, HALF_ADD)


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
