"""What no schedule of a tiling can go below: cycles and energy, from its counts of blocks alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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
        """Whether no other order does the same: of loops with a single block, one place among the others is enough."""
        counts = {axis: self.tilings.count(axis) for axis in AXES}
        found = np.ones(len(self.tilings.m), dtype=bool)
        for outer, inner in zip(self.order, self.order[1:], strict=False):
            both = (counts[outer] == 1) & (AXES.index(outer) > AXES.index(inner))
            found &= ~((counts[inner] == 1) & ((counts[outer] > 1) | both))
        return found

    @cached_property
    def traffic(self) -> Ints:
        """Bits that the DRAM moves."""
        sums = self.totals
        operands = self._weight_loads * sums.weights_moved + self._activation_loads * sums.activations_moved
        moved: Ints = self.tilings.product.count * (operands + (2 * self._returns + 1) * sums.results_moved)
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
        outputs = sums.output_accesses + (2 * self._returns + 1) * self._results
        scratchpads = (
            prices.weight_buffer * (sums.weight_reads + self._weight_loads * sums.weights)
            + prices.activation_buffer * (sums.activation_reads + self._activation_loads * sums.activations)
            + prices.output_buffer * outputs
        )
        energy: NDArray[np.float64] = prices.dram * self.traffic + self.tilings.product.count * scratchpads
        return energy

    @property
    def _results(self) -> int:
        return self.tilings.product.m * self.tilings.product.n * OUTPUT_BITS

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
    d = t.design
    weights, activations = partial(weight_block_bits, d), partial(activation_block_bits, d)
    # Every block of k writes its totals, and those after the first read the ones before.
    outputs = (2 * t.count("k") - 1) * t.product.m * t.product.n * OUTPUT_BITS
    between_folds = 2 * d.accumulator_bits * _sum(t, AXES, d.array.partial_sums)
    return Totals(
        work=_sum(t, AXES, d.array.work),
        weights=_sum(t, ("k", "n"), weights),
        activations=_sum(t, ("m", "k"), activations),
        weights_moved=_sum(t, ("k", "n"), lambda k, n: d.dram.moved(weights(k, n))),
        activations_moved=_sum(t, ("m", "k"), lambda m, k: d.dram.moved(activations(m, k))),
        results_moved=_sum(t, ("m", "n"), lambda m, n: d.dram.moved(m * n * OUTPUT_BITS)),
        weight_reads=_sum(t, AXES, lambda m, k, n: d.array.reads(m, k, n)[0] * weights(k, n)),
        activation_reads=_sum(t, AXES, lambda m, k, n: d.array.reads(m, k, n)[1] * activations(m, k)),
        output_accesses=outputs + between_folds,
    )


def _sum(t: Tilings, axes: Sequence[Axis], value: Callable[..., Ints]) -> Ints:
    """Sum over all blocks along these axes: those of full size, and those that are the last along one or several."""
    total = 0 * t.m
    for ends in combinations((False, True), repeat=len(axes)):
        sizes = [t.last(axis) if end else t.size(axis) for axis, end in zip(axes, ends, strict=True)]
        many = 0 * t.m + 1
        for axis, end in zip(axes, ends, strict=True):
            many = many * (1 if end else t.count(axis) - 1)
        total = total + many * value(*sizes)
    return total
