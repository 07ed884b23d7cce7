"""What no schedule of a tiling can go below: cycles and energy, from its counts of blocks alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product as combinations

import numpy as np
from numpy.typing import NDArray

from sim.epilogue import OUTPUT_BITS
from sim.memory import Prices
from sim.schedule.pipeline import left_over, transfer_cycles
from sim.schedule.tiling import AXES, Axis, Bools, Ints, Tilings, activation_block_bits, weight_block_bits


@dataclass(frozen=True)
class Totals:
    """Sums ``[tilings]`` over the blocks of one repetition that hold in any order of loops.

    Work [cycle]; bits of each tensor's blocks, and as the DRAM moves them; bits that the array reads and writes.
    """

    work: Ints
    weights: Ints
    activations: Ints
    weights_moved: Ints
    activations_moved: Ints
    results_moved: Ints
    totals_moved: Ints
    weight_reads: Ints
    activation_reads: Ints
    output_accesses: Ints


@dataclass(frozen=True)
class Bounds:
    """Bounds ``[tilings]`` under one order of loops."""

    tilings: Tilings
    order: Sequence[Axis]
    totals: Totals

    @cached_property
    def distinct(self) -> Bools:
        """Whether it is legal and no other order does the same: of loops with one block, one place among others is enough."""
        counts = {axis: self.tilings.count(axis) for axis in AXES}
        found: Bools = ~self.tilings.goes_on | (self.order[-1] == "k")
        for outer, inner in zip(self.order, self.order[1:], strict=False):
            both = (counts[outer] == 1) & (AXES.index(outer) > AXES.index(inner))
            found &= ~((counts[inner] == 1) & ((counts[outer] > 1) | both))
        return found

    @cached_property
    def traffic(self) -> Ints:
        """Bits that the DRAM moves."""
        sums = self.totals
        operands = self._weight_loads * sums.weights_moved + self._activation_loads * sums.activations_moved
        moved: Ints = self.tilings.product.count * (operands + sums.results_moved + 2 * self._returns * sums.totals_moved)
        return moved

    @cached_property
    def cycles(self) -> Ints:
        """The first block's operands come before everything and the last block's results after everything.

        In between are all the work, all the rest of the traffic and all that passes a scratchpad's ports.
        """
        t, d, sums, count = self.tilings, self.tilings.design, self.totals, self.tilings.product.count
        begin = d.dram.moved(weight_block_bits(d, t.k, t.n)) + d.dram.moved(activation_block_bits(d, t.m, t.k))
        end = d.dram.moved(t.last("m") * t.last("n") * OUTPUT_BITS)
        pads = d.scratchpads
        between: Ints = np.maximum.reduce(
            [
                count * sums.work + left_over(t),
                transfer_cycles(d, np.maximum(self.traffic - begin - end, 0)),
                count * sums.weight_reads // pads["weight"].bits_per_cycle,
                count * sums.activation_reads // pads["activation"].bits_per_cycle,
                count * sums.output_accesses // pads["output"].bits_per_cycle,
            ]
        )
        return transfer_cycles(d, begin) + between + transfer_cycles(d, end)

    def energy(self, prices: Prices) -> NDArray[np.float64]:
        """Energy [pJ] of the memories' traffic: not a bound but the figure itself."""
        sums = self.totals
        p = self.tilings.product
        outputs = sums.output_accesses + p.m * p.n * (OUTPUT_BITS + 2 * self._returns * self.tilings.total_bits)
        scratchpads = (
            prices.weight_buffer * (sums.weight_reads + self._weight_loads * sums.weights)
            + prices.activation_buffer * (sums.activation_reads + self._activation_loads * sums.activations)
            + prices.output_buffer * outputs
        )
        energy: NDArray[np.float64] = prices.dram * self.traffic + self.tilings.product.count * scratchpads
        return energy

    @property
    def _weight_loads(self) -> Ints:
        """How often each weight is loaded."""
        t = self.tilings
        return np.where(t.weights_kept | ~self._encloses("m", "k", "n"), 1, t.count("m"))

    @property
    def _activation_loads(self) -> Ints:
        """How often each activation is loaded."""
        t = self.tilings
        return np.where(t.activations_kept | ~self._encloses("n", "m", "k"), 1, t.count("n"))

    @property
    def _returns(self) -> Ints:
        """How often a total goes to the DRAM and comes back."""
        t = self.tilings
        return np.where(t.results_kept | ~self._encloses("k", "m", "n"), 0, t.count("k") - 1)

    def _encloses(self, outer: Axis, *inner: Axis) -> Bools:
        """Whether the outer loop runs around one of the inner ones that has more than one block."""
        place = self.order.index(outer)
        found = np.zeros(len(self.tilings.m), dtype=bool)
        for axis in inner:
            if self.order.index(axis) > place:
                found |= self.tilings.count(axis) > 1
        return found


def totals(t: Tilings) -> Totals:
    """Sums over all blocks of one repetition."""
    d, array = t.design, t.design.array

    def weights(k: Span, n: Span) -> Ints:
        return t.part(lambda length: weight_block_bits(d, length, n.size), k.start, k.size)

    def activations(m: Span, k: Span) -> Ints:
        return t.part(lambda length: activation_block_bits(d, m.size, length), k.start, k.size)

    def of_array(value: Callable[[Ints, Ints, Ints], Ints]) -> Ints:
        return _sum(t, AXES, lambda m, k, n: t.array_part(lambda length: value(m.size, length, n.size), k.start, k.size))

    def read(which: int, bits: Callable[[Span, Span, Span], Ints]) -> Ints:
        return _sum(t, AXES, lambda m, k, n: array.reads(m.size, k.size, n.size)[which] * bits(m, k, n))

    results = t.product.m * t.product.n * OUTPUT_BITS
    # Every block of k writes its totals, and those after the first read the ones before, unless all is one group.
    outputs = results if t.one_group else (2 * t.count("k") - 1) * results
    between_groups = _sum(t, AXES, lambda m, k, n: t.group_totals(m.size, k.size, n.size))
    return Totals(
        work=of_array(array.work),
        weights=_sum(t, ("k", "n"), weights),
        activations=_sum(t, ("m", "k"), activations),
        weights_moved=_sum(t, ("k", "n"), lambda k, n: d.dram.moved(weights(k, n))),
        activations_moved=_sum(t, ("m", "k"), lambda m, k: d.dram.moved(activations(m, k))),
        results_moved=_sum(t, ("m", "n"), lambda m, n: d.dram.moved(m.size * n.size * OUTPUT_BITS)),
        totals_moved=_sum(t, ("m", "n"), lambda m, n: d.dram.moved(m.size * n.size * t.total_bits)),
        weight_reads=read(0, lambda _, k, n: weights(k, n)),
        activation_reads=read(1, lambda m, k, _: activations(m, k)),
        output_accesses=outputs + 2 * d.accumulator_bits * of_array(array.partial_sums) + 2 * OUTPUT_BITS * between_groups,
    )


@dataclass(frozen=True)
class Span:
    """Where a block begins along an axis, and its size."""

    start: Ints
    size: Ints


def _sum(t: Tilings, axes: Sequence[Axis], value: Callable[..., Ints]) -> Ints:
    """Sum over all blocks along these axes: of each axis the first one, one in between for all of these, and the last."""
    total = 0 * t.m
    kinds = [_kinds(t, axis) for axis in axes]
    for chosen in combinations(*kinds):
        many = 0 * t.m + 1
        for _, occurs in chosen:
            many = many * occurs
        total = total + many * value(*(span for span, _ in chosen))
    return total


def _kinds(t: Tilings, axis: Axis) -> list[tuple[Span, Ints]]:
    """Blocks along an axis that differ, and how many there are of each."""
    size, count, last = t.size(axis), t.count(axis), t.last(axis)
    first = np.where(count == 1, last, size)
    return [
        (Span(0 * size, first), 0 * size + 1),
        (Span(size, size), np.maximum(count - 2, 0)),
        (Span((count - 1) * size, last), 1 * (count > 1)),
    ]
