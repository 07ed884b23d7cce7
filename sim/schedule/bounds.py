"""What no schedule of a tiling can go below: cycles and energy, from its counts of blocks alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product as combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

from sim.epilogue import OUTPUT_BITS
from sim.memory import Prices
from sim.schedule.pipeline import BlockBits, cycles_alone, left_over, moved, transfer_cycles
from sim.schedule.tiling import AXES, Axis, Bools, Ints, Tilings, activation_block_bits, weight_block_bits


@dataclass(frozen=True)
class Totals:
    """Sums ``[tilings]`` over the blocks of one repetition that hold in any order of loops.

    What the array's ``work`` and the scratchpads' ``ports`` take in all repetitions; ``alone``: what the first load and the
    last store take [cycle]. Bits of these two, and of each tensor's blocks, as the DRAM moves them; bits of each
    tensor; bits that the array reads and writes.
    """

    work: Ints
    ports: Ints
    alone: Ints
    alone_moved: Ints
    weights_moved: Ints
    activations_moved: Ints
    results_moved: Ints
    totals_moved: Ints
    weights: Ints
    activations: Ints
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
        found: Bools = ~self.tilings.goes_on | (self.order[-1] == "k")
        for outer, inner in zip(self.order, self.order[1:], strict=False):
            found &= self._many[inner] | (~self._many[outer] & (AXES.index(outer) < AXES.index(inner)))
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
        d, sums = self.tilings.design, self.totals
        rest = transfer_cycles(d, np.maximum(self.traffic - sums.alone_moved, 0))
        cycles: Ints = sums.alone + np.maximum(np.maximum(sums.work, sums.ports), rest)
        return cycles

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
                found |= self._many[axis]
        return found

    @cached_property
    def _many(self) -> dict[Axis, Bools]:
        """Whether an axis has more than one block."""
        return {axis: self.tilings.size(axis) < self.tilings.length(axis) for axis in AXES}


def totals(t: Tilings) -> Totals:
    """Sums over all blocks of one repetition."""
    d, p, array = t.design, t.product, t.design.array

    def weights_of(k: Span, n: Span) -> Ints:
        return t.part(lambda length: weight_block_bits(d, length, n.size), k.start, k.size)

    def activations_of(m: Span, k: Span) -> Ints:
        return t.part(lambda length: activation_block_bits(d, m.size, length), k.start, k.size)

    def work(m: Span, k: Span, n: Span) -> Ints:
        return t.work(m.size, n.size, k.start, k.size)

    weights = _sum(t, ("n",), lambda n: weight_block_bits(d, p.k, n.size))
    activations = _sum(t, ("m",), lambda m: activation_block_bits(d, m.size, p.k))
    # Blocks end where folds and groups do, so that there are as many of these whatever the blocks are.
    partial_sums = array.partial_sums(p.m, p.k, p.n) * d.accumulator_bits
    # Every block of k writes its totals, and those after the first read the ones before, unless all is one group.
    outputs = p.m * p.n * OUTPUT_BITS * (1 if t.one_group else 2 * t.count("k") - 1)
    between_groups = p.m * p.n * OUTPUT_BITS * _sum(t, ("k",), lambda k: t.group_totals(k.size))
    reads = {
        "weight": weights * _sum(t, ("m",), lambda m: array.reads(m.size, p.n)[0]),
        "activation": activations * _sum(t, ("n",), lambda n: array.reads(p.m, n.size)[1]),
        "output": outputs + 2 * (partial_sums + between_groups),
    }
    ports = [p.count * bits // d.scratchpads[name].bits_per_cycle for name, bits in reads.items()]
    load = _first_load(t)
    store = {"results": t.last("m") * t.last("n") * OUTPUT_BITS}
    return Totals(
        work=p.count * _sum(t, AXES, work) + left_over(t),
        ports=np.maximum.reduce(ports),
        alone=cycles_alone(d, load) + cycles_alone(d, store),
        alone_moved=moved(d, load) + moved(d, store),
        weights_moved=_sum(t, ("k", "n"), lambda k, n: d.dram.moved(weights_of(k, n))),
        activations_moved=_sum(t, ("m", "k"), lambda m, k: d.dram.moved(activations_of(m, k))),
        results_moved=_sum(t, ("m", "n"), lambda m, n: d.dram.moved(m.size * n.size * OUTPUT_BITS)),
        totals_moved=_sum(t, ("m", "n"), lambda m, n: d.dram.moved(m.size * n.size * t.total_bits)),
        weights=weights,
        activations=activations,
        weight_reads=reads["weight"],
        activation_reads=reads["activation"],
        output_accesses=reads["output"],
    )


def _first_load(t: Tilings) -> BlockBits:
    """Bits of the first block's operands."""
    d, start = t.design, 0 * t.k
    return {
        "weights": t.part(lambda length: weight_block_bits(d, length, t.n), start, t.k),
        "activations": t.part(lambda length: activation_block_bits(d, t.m, length), start, t.k),
    }


def least_totals(t: Tilings, sums: Totals) -> Totals:
    """What no tiling with these numbers of blocks goes below, from the sums of those with the smallest blocks.

    Numbers of blocks say how often everything is moved, and what the array reads; sizes add what bursts waste and what the
    array loses at the blocks' edges. The first load is the less, the smaller the block.
    """
    d, p = t.design, t.product
    load = cycles_alone(d, _first_load(t))
    results = p.m * p.n * np.ones_like(t.m)
    return replace(
        sums,
        # Less what a group would have waited for, or a result on its way through a tree.
        work=p.count * d.array.work(p.m, p.k, p.n) - d.rows - d.columns + 0 * t.m,
        alone=load,
        alone_moved=load * d.dram_bits_per_cycle.numerator // d.dram_bits_per_cycle.denominator + 1,
        weights_moved=sums.weights,
        activations_moved=sums.activations,
        results_moved=results * OUTPUT_BITS,
        totals_moved=results * t.total_bits,
    )


@dataclass(frozen=True)
class Span:
    """Where a block begins along an axis, and its size."""

    start: Ints
    size: Ints


def _sum(t: Tilings, axes: Sequence[Axis], value: Callable[..., Ints]) -> Ints:
    """Sum over all blocks along these axes: those along one do not differ but for the last, so the first stands for them."""
    total = 0 * t.m
    for chosen in combinations(*(_kinds(t, axis) for axis in axes)):
        many = prod(occurs for _, occurs in chosen)
        total = total + many * value(*(span for span, _ in chosen))
    return total


def _kinds(t: Tilings, axis: Axis) -> list[tuple[Span, Ints]]:
    """The first and the last block along an axis, and how many there are like each."""
    size, count, last = t.size(axis), t.count(axis), t.last(axis)
    return [(Span(0 * size, size), count - 1), (Span((count - 1) * size, last), np.ones_like(count))]
