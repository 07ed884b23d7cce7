"""How often an accumulator overflows: group sums that are not the exact ones because they left its range."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accumulators import accumulator as parse
from sim.kernels.groups import SUMS, Tile
from sim.kernels.product import Task
from sim.quantized import QuantizedTensor

EXACT = parse("exact")
OPERANDS = ("activations", "weights", "chain")


@dataclass(frozen=True)
class GroupSums:
    """Sums of groups that a product takes, and how many of them overflow."""

    count: int = 0
    overflows: int = 0

    def __add__(self, other: "GroupSums") -> "GroupSums":
        return GroupSums(self.count + other.count, self.overflows + other.overflows)


def group_sums(activations: QuantizedTensor, weights: QuantizedTensor, accumulator: str = "exact") -> GroupSums:
    """The sums ``[m, n]`` of every group of a product, as :func:`sim.kernels.product.matrix_product` takes them.

    A sum overflows if it differs from the exact one in an accumulator of given width, or is not finite in a float one; those
    that provably cannot are not computed. ``aligned`` has the range of its largest product, so that none overflows. Raises
    ``InputError`` as the product does.
    """
    task = Task.of(activations, weights, parse(accumulator))
    (m, k), n = activations.shape, weights.shape[1]
    groups = [slice(start, start + task.group_size) for start in range(0, k, task.group_size)]
    kept, count = task.chain.accumulator, m * n * len(groups)
    if task.chain.is_exact or not (kept.is_bounded or kept.is_float):
        return GroupSums(count)
    tiles = (Tile(activations, weights, task.chain, slice(None), group, slice(None)) for group in groups)
    if kept.is_float:
        return GroupSums(count, sum(int((~np.isfinite(SUMS[task.chain.path](tile))).sum()) for tile in tiles))
    codes = Task.of(_without_zero(activations), _without_zero(weights), EXACT)
    return GroupSums(count, sum(int((SUMS[task.chain.path](tile) != _exact(tile, codes)).sum()) for tile in tiles))


def _without_zero(tensor: QuantizedTensor) -> QuantizedTensor:
    """The tensor's codes for themselves: those are what an accumulator of given width adds up, zero points come later."""
    return replace(tensor, scheme=replace(tensor.scheme, zero="none"), zero=None)


def _exact(tile: Tile, codes: Task) -> NDArray[Any]:
    """Exact sums of a tile's codes, in units of the products' least bit."""
    path = codes.chain.path
    sums = SUMS["definition" if path == "limbs" else path](replace(tile, **{name: getattr(codes, name) for name in OPERANDS}))
    return np.ldexp(sums, -codes.chain.lsb) if path == "float" else sums
