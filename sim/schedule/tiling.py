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
from sim.quantized import activation_bits, weight_bits

Axis = Literal["m", "k", "n"]
AXES: tuple[Axis, ...] = ("m", "k", "n")
ORDERS: tuple[tuple[Axis, ...], ...] = tuple(itertools.permutations(AXES))
"""Orders of the loops over blocks, the outermost first."""

LARGEST_MACS = 1 << 52
"""In all repetitions: their bits and cycles then stay below 2**63."""

MOST_TILINGS = 5_000_000
"""Legal ways to cut a product that are searched: some 400 bytes of memory for each, and 3 us."""

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


def legal_tilings(design: DesignPoint, product: Product) -> Tilings:
    """All legal ways to cut a product: every size, in steps of the granule, that its scratchpads hold along each axis.

    Raises ``InputError`` for scratchpads that are too small for the array, and for products that are too large to search.
    """
    check_buffers(design, product.k)
    if product.macs > LARGEST_MACS:
        raise InputError(f"product {product.name!r} has at most {LARGEST_MACS} MACs, not {product.macs}")
    rows, columns = design.array.granule
    smallest = Tilings(
        design,
        product,
        m=np.array([min(rows, product.m)]),
        k=np.array([min(k_granule(design, product.k), product.k)]),
        n=np.array([min(columns, product.n)]),
    )
    # What fits along an axis depends on the others: a group that is cut allows no more than a tile, so k comes first.
    with_k = _with_every_size(smallest, "k", int(smallest.k[0]))
    with_m = _with_every_size(with_k, "m", int(smallest.m[0]))
    return _with_every_size(with_m, "n", int(smallest.n[0]))


def _with_every_size(tilings: Tilings, axis: Axis, granule: int) -> Tilings:
    """Each tiling with every size along an axis that fits, in steps of the granule."""
    length = tilings.length(axis)
    fits = np.ones_like(tilings.m)
    too_many = fits + whole(length, granule)
    while (too_many - fits > 1).any():
        middle = (fits + too_many) // 2
        fit = tilings.cut(axis, middle * granule).fit
        fits, too_many = np.where(fit, middle, fits), np.where(fit, too_many, middle)
    found = int(fits.sum())
    if found > MOST_TILINGS:
        raise InputError(
            f"product {tilings.product.name!r} has at most {MOST_TILINGS} ways to be cut, not {found}; "
            "more rows and columns, smaller scratchpads and a larger group_size leave fewer"
        )
    which = np.repeat(np.arange(len(fits)), fits)
    steps = np.arange(1, found + 1) - np.repeat(fits.cumsum() - fits, fits)
    return tilings.chosen(which).cut(axis, steps * granule)


def k_granule(design: DesignPoint, k: int) -> int:
    """Blocks along ``k`` are multiples of it: a group, or where all of ``k`` is one group, rows that no group waits for."""
    rows = whole(max(design.rows, design.columns), design.rows) * design.rows
    return design.group_size if k > design.group_size else min(design.group_size, rows)


def weight_block_bits(design: DesignPoint, k: Bits, n: Bits) -> Bits:
    """Bits of a block of weights, with its scales and zero points."""
    return weight_bits(design.weight, k, n, design.group_size)


def activation_block_bits(design: DesignPoint, m: Bits, k: Bits) -> Bits:
    """Bits of a block of activations, with the scales of its tokens."""
    return activation_bits(design.activation, m, k)


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
