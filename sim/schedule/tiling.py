"""Blocks: how a product is cut so that its operands fit into the scratchpads, and in which order the blocks are computed.

Each axis is cut into blocks of one size, the last one shorter: along ``m`` and ``n`` any multiple of what the array
works on at once, along ``k`` of the group. A group that all of ``k`` is part of may be cut too, at multiples of the
array's rows: a stationary array keeps the group's sum in the output scratchpad; one whose sums stay in the PEs goes on
with the same results, so that a block is then no larger than a tile, and ``k`` the innermost loop. All sizes along all
axes, and all six orders of the three loops, are legal if their blocks fit:

* an operand that is not kept needs room for two blocks, the one at work and the one that is being loaded, each with the
  scales of its groups or tokens beside it, whether they come with it or not;
* an operand that is kept for the whole product (loaded once) needs room for all of it, and if the product is repeated
  with other operands, for twice that. An operand is kept if it can be.

The same holds for the results, of which a block is at work and one being stored. Between blocks of ``k`` the results
so far are fp32 totals in the output scratchpad; where another block comes in between, they go to the DRAM and come back,
those of the block before leaving the place that those of the next one take.
Between the folds of a group, in dataflows that have such, their integer sum is beside them, or in their place if
there is only one group. Where a stream passes the array between two groups, their totals wait there too, read and
written once a group. Scales come when they are needed: those of a group, and its zero points, with the block of ``k``
that ends it, those of tokens with the last one.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.array.dataflow import whole
from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS
from sim.errors import InputError
from sim.memory import Bits
from sim.operators import Product
from sim.quantized import storage_bits

Axis = Literal["m", "k", "n"]
AXES: tuple[Axis, ...] = ("m", "k", "n")
ORDERS: tuple[tuple[Axis, ...], ...] = tuple(itertools.permutations(AXES))
"""Orders of the loops over blocks, the outermost first."""

LARGEST_FIGURE = 1 << 58
"""Cycles and bits of each tensor: their sums stay below 2**63."""

MOST_TILINGS = 5_000_000
"""Numbers of blocks along all axes that are tried, each with several sizes: some 400 bytes of memory for each, and 3 us."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Tilings:
    """Ways to cut one product, all in the same order of loops: sizes of blocks ``[tilings]`` along each axis."""

    design: DesignPoint
    product: Product
    m: Ints
    k: Ints
    n: Ints

    def chosen(self, which: Ints) -> "Tilings":
        """Some of them."""
        return Tilings(self.design, self.product, self.m[which], self.k[which], self.n[which])

    def cut(self, axis: Axis, size: Ints) -> "Tilings":
        """The same with other sizes ``[tilings]`` along an axis; one block has the length itself."""
        sizes = {other: self.size(other) for other in AXES} | {axis: np.minimum(size, self.length(axis))}
        return Tilings(self.design, self.product, **sizes)

    def size(self, axis: Axis) -> Ints:
        """Size of the blocks along an axis but for the last one."""
        sizes: Ints = getattr(self, axis)
        return sizes

    def length(self, axis: Axis) -> int:
        """Size of the product along an axis."""
        length: int = getattr(self.product, axis)
        return length

    def count(self, axis: Axis) -> Ints:
        """Blocks along an axis."""
        return -(-self.length(axis) // self.size(axis))

    def last(self, axis: Axis) -> Ints:
        """Size of the last block along an axis."""
        return self.length(axis) - (self.count(axis) - 1) * self.size(axis)

    @property
    def one_group(self) -> bool:
        """Whether all of ``k`` shares its scales."""
        return self.product.k <= self.design.group_size

    @property
    def sums_stay(self) -> bool:
        """Whether nothing leaves the PEs between two blocks of ``k``: the group goes on where it is."""
        return self.one_group and self.design.array.keeps_sums

    @property
    def goes_on(self) -> Bools:
        """Whether blocks of ``k`` follow each other in the PEs."""
        return (self.count("k") > 1) & self.sums_stay

    @property
    def total_bits(self) -> int:
        """Bits of a result that is not yet complete, outside the array between two blocks of ``k``."""
        return self.design.accumulator_bits if self.one_group else OUTPUT_BITS

    def group_totals(self, k: Ints) -> Ints:
        """How often each result of a block waits in the output scratchpad for its next group, while others pass the array."""
        waits = not (self.one_group or self.design.array.keeps_sums)
        return waits * (whole(k, self.design.group_size) - 1)

    def part(self, bits: Callable[[Ints], Ints], start: Ints, size: Ints) -> Ints:
        """An operand's bits of a block of ``k``: what it adds to those of the blocks after, as scales come at the end."""
        rest = self.product.k - start - size
        return bits(rest + size) - np.where(rest > 0, bits(rest), 0)

    def work(self, m: Ints, n: Ints, start: Ints, size: Ints) -> Ints:
        """Cycles of the array's work on a block of ``k``, which begins anew but within a group that goes on in the PEs."""
        array = self.design.array
        if not self.sums_stay:
            return array.work(m, size, n)
        # Skew or a tree is waited for before the next results, so after the last block of k only.
        flowing, end = replace(array, double_buffered=True), start + size
        until: Ints = np.where(end == self.product.k, array.work(m, end, n), flowing.work(m, end, n))
        return until - flowing.work(m, start, n)

    @cached_property
    def weights_kept(self) -> Bools:
        """Whether each weight is loaded once."""
        p = self.product
        return np.full(len(self.m), self._kept(weight_block_bits(self.design, p.k, p.n), "weight"))

    @cached_property
    def activations_kept(self) -> Bools:
        """Whether each activation is loaded once."""
        p = self.product
        return np.full(len(self.m), self._kept(activation_block_bits(self.design, p.m, p.k), "activation"))

    @cached_property
    def results_kept(self) -> Bools:
        """Whether no total goes to the DRAM before it is a result."""
        p = self.product
        return np.full(len(self.m), self._kept(p.m * p.n * entry_bits(self.design, p.k), "output"))

    @property
    def fit(self) -> Bools:
        """Which of them are legal."""
        d, p = self.design, self.product
        room = {name: pad.bits for name, pad in d.scratchpads.items()}
        rows, columns = d.array.granule
        return (
            (~self.goes_on | ((self.m <= rows) & (self.n <= columns)))
            & (self.weights_kept | (2 * weight_block_bits(d, self.k, self.n) <= room["weight"]))
            & (self.activations_kept | (2 * activation_block_bits(d, self.m, self.k) <= room["activation"]))
            & (self.results_kept | (2 * self.m * self.n * entry_bits(d, p.k) <= room["output"]))
        )

    def _kept(self, bits: int, scratchpad: str) -> bool:
        copies = 1 if self.product.count == 1 else 2
        return bits * copies <= self.design.scratchpads[scratchpad].bits


def smallest_tilings(design: DesignPoint, product: Product) -> Tilings:
    """For all numbers of blocks along all axes the smallest blocks, those of them that are legal.

    If any sizes with these numbers of blocks are legal, so are the smallest. Raises ``InputError`` for scratchpads that are
    too small for the array, and for products that are too large to search.
    """
    check_buffers(design, product.k)
    sizes = {axis: _smallest_sizes(length, granule) for axis, length, granule in _axes(design, product)}
    _check_reach(design, product, math.prod(map(len, sizes.values())))
    m, k, n = (axis.ravel() for axis in np.meshgrid(*(sizes[axis] for axis in AXES), indexing="ij"))
    tilings = Tilings(design, product, m, k, n)
    return tilings.chosen(np.flatnonzero(tilings.fit))


def with_all_sizes(smallest: Tilings) -> Tilings:
    """All legal tilings with these numbers of blocks: every size in steps of the granule."""
    found = smallest
    for axis, length, granule in _axes(smallest.design, smallest.product):
        steps, sizes = whole(found.size(axis), granule), size_counts(found, axis)
        each = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
        size = np.minimum((np.repeat(steps, sizes) + each) * granule, length)
        found = found.chosen(np.repeat(np.arange(len(sizes)), sizes)).cut(axis, size)
        # What does not fit with the smallest sizes along the other axes fits with none.
        found = found.chosen(np.flatnonzero(found.fit))
    return found


def size_counts(smallest: Tilings, axis: Axis) -> Ints:
    """How many sizes there are along an axis that make as many blocks as this one."""
    granule = {name: step for name, _, step in _axes(smallest.design, smallest.product)}[axis]
    granules, blocks = whole(smallest.length(axis), granule), smallest.count(axis)
    one_block_less = -(-granules // np.maximum(blocks - 1, 1))
    return np.where(blocks == 1, 1, one_block_less - -(-granules // blocks))


def _axes(design: DesignPoint, product: Product) -> list[tuple[Axis, int, int]]:
    """Length of each axis, and the granule of which blocks along it are multiples."""
    rows, columns = design.array.granule
    return [("m", product.m, rows), ("k", product.k, k_granule(design, product.k)), ("n", product.n, columns)]


def _smallest_sizes(length: int, granule: int) -> Ints:
    """The smallest size for each number of blocks, in multiples of the granule; one block has the length itself."""
    granules = whole(length, granule)
    # Either the blocks are few or their sizes are: no more than the root of all granules.
    few = np.arange(1, math.isqrt(granules) + 2)
    counts = np.concatenate([few, -(-granules // few)])
    sizes: Ints = np.unique(-(-granules // counts)) * granule
    return np.minimum(sizes, length)


def _check_reach(design: DesignPoint, product: Product, tilings: int) -> None:
    """Raise ``InputError`` for a product with more ways to be cut than are tried, or whose figures an int64 does not hold."""
    blocks = product.count * math.prod(whole(length, granule) for _, length, granule in _axes(design, product))
    m, k, n = (min(length, granule) for _, length, granule in _axes(design, product))
    bits = (weight_block_bits(design, k, n), activation_block_bits(design, m, k), 3 * m * n * OUTPUT_BITS)
    array = design.array
    largest = blocks * max(int(array.work(m, k, n)) + array.drain_cycles, *map(design.dram.moved, bits), m * k * n)
    if largest > LARGEST_FIGURE:
        raise InputError(
            f"product {product.name!r} takes at most {LARGEST_FIGURE} cycles or bits in blocks as small as they can be, "
            f"not {largest}"
        )
    if tilings > MOST_TILINGS:
        raise InputError(
            f"product {product.name!r} has at most {MOST_TILINGS} numbers of blocks, not {tilings}; "
            "more rows and columns and a larger group_size leave fewer"
        )


def k_granule(design: DesignPoint, k: int) -> int:
    """Blocks along ``k`` are multiples of it: a group, or where all of ``k`` is one group, rows that no group waits for."""
    rows = whole(max(design.rows, design.columns), design.rows) * design.rows
    return design.group_size if k > design.group_size else min(design.group_size, rows)


def weight_block_bits(design: DesignPoint, k: Bits, n: Bits) -> Bits:
    """Bits of a block of weights, with its scales and zero points."""
    return storage_bits(design.weight_scheme, k, n, 0)


def activation_block_bits(design: DesignPoint, m: Bits, k: Bits) -> Bits:
    """Bits of a block of activations, with the scales of its tokens or their groups."""
    return storage_bits(design.activation_scheme, m, k, 1)


def entry_bits(design: DesignPoint, k: int) -> int:
    """Bits of a result in the output scratchpad: its fp32 total, and where a group has several folds the sum of those."""
    sums = design.accumulator_bits if design.array.partial_sums(1, min(k, design.group_size), 1) else 0
    return max(OUTPUT_BITS, sums) if k <= design.group_size else OUTPUT_BITS + sums


def check_buffers(design: DesignPoint, k: int) -> None:
    """Raise ``InputError`` if a scratchpad does not hold two of the smallest blocks of products with that length of ``k``.

    The message names the smallest scratchpad that would.
    """
    rows, columns = design.array.granule
    size = k_granule(design, k)
    least = {
        "weight": weight_block_bits(design, size, columns),
        "activation": activation_block_bits(design, rows, size),
        "output": rows * columns * entry_bits(design, k),
    }
    for name, bits in least.items():
        pad = design.scratchpads[name]
        if 2 * bits > pad.bits:
            raise InputError(
                f"{name}_buffer_kib of a {design.rows}x{design.columns} {design.dataflow} array with groups of "
                f"{design.group_size} is at least {-(-2 * bits // (1024 * 8))}, not {pad.kib}"
            )
