"""Cycles, traffic and energy of a pass from sizes alone, in a millisecond: what all points of a search are compared by.

Each product has the best of some tilings (:mod:`sim.schedule.tiling`): for each of a few sizes of blocks along ``k`` the
largest blocks along ``m`` and ``n`` that fit beside each other, and the six orders of loops. Cycles are those of the
array's work, of the DRAM or of the scratchpads' ports, whichever take longest, and the first load and the last store, as in
:mod:`sim.schedule.bounds`; edges of bursts and waits between blocks are left out. Products and vector work follow each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.area import DesignArea
from costmodel.energy import PICOJOULE, Priced, per_cycle, priced
from shiftwise.exploration.work import Ints, Products, Work
from sim.design import FP32_BITS, DesignPoint
from sim.epilogue import OUTPUT_BITS
from sim.schedule.pipeline import transfer_cycles
from sim.schedule.tiling import AXES, ORDERS, activation_block_bits, check_buffers, entry_bits, weight_block_bits
from sim.schedule.vector import QUANTIZE_OPERATIONS
from sim.widths import mac_share

DIVISORS = (1, 2, 4, 16, 1 << 40)
"""Into how many blocks ``k`` is cut, as far as groups allow; the last one makes blocks of one group."""

AS_FAST = 1.001
"""Of tilings that take at most so many times the fewest cycles, the one that moves fewest bits is taken."""

Numbers = NDArray[Any]

INSIDE = np.array([[[order.index(inner) > order.index(outer) for inner in AXES] for outer in AXES] for order in ORDERS])
"""``[order, outer, inner]``: whether the loop over an axis is inside that over another one."""


@dataclass(frozen=True)
class Pass:
    """Cycles of a pass, and counts of actions as in :data:`sim.trace.ACTIONS`."""

    cycles: int
    counts: dict[str, float]


def run_pass(design: DesignPoint, work: Work, layers: Mapping[str, str] | None = None) -> Pass:
    """One pass on a design, weights in its format or in those of the ``layers``; a MAC is one with weights of its own.

    Raises ``InputError`` for scratchpads that are too small for its array.
    """
    d = design
    parts = [(d, work.both)] if d.attention is d else [(d, work.weights), (d.attention, work.cache)]
    if layers is not None:
        parts = [(d.with_weights(name), own) for name, own in work.by_format(layers).items()] + [(d.attention, work.cache)]
    cycles, counts = _vector(d, work)
    for seen, products in parts:
        more, actions = _products(seen, products)
        if layers is not None and products is not work.cache:
            actions["mac"] *= mac_share(d, seen)
        cycles += more
        counts = {name: counts.get(name, 0) + actions.get(name, 0) for name in {**counts, **actions}}
    return Pass(int(cycles), counts)


def energy_j(design: DesignPoint, found: Pass, technology: str, area: DesignArea) -> float:
    """Energy [J] of a pass, products with the KV cache at the price of the others."""
    prices = priced(design, technology)
    always = sum(per_cycle(design, technology, area).values())
    return (sum(count * _price(prices, name) for name, count in found.counts.items()) + always * found.cycles) * PICOJOULE


def _price(prices: dict[str, Priced], name: str) -> float:
    """Of an action, or of a bit that is read or written as often."""
    if name in prices:
        return prices[name].energy
    return (prices[f"{name}_read"].energy + prices[f"{name}_write"].energy) / 2


def _vector(d: DesignPoint, work: Work) -> tuple[float, dict[str, float]]:
    v = work.vectors(d)
    operations = v.operations + QUANTIZE_OPERATIONS * v.writes * (v.bits != v.writes * FP32_BITS)
    bits = d.dram.moved(v.reads * FP32_BITS) + d.dram.moved(v.bits)
    cycles = np.maximum(-(-operations // d.vector_lanes) + d.vector_latency, transfer_cycles(d, bits))
    return float((cycles * v.alike).sum()), {
        "vector_operation": float((operations * v.alike).sum()),
        "dram": float((bits * v.alike).sum()),
    }


def _products(d: DesignPoint, p: Products) -> tuple[float, dict[str, float]]:
    if not len(p.m):
        return 0.0, {}
    for length in {int(p.k.max()), int(p.k.min())}:
        check_buffers(d, length)
    m, k, n = _blocks(d, p)
    cut = _Cut(d, p, m, k, n)
    cycles = np.where(cut.fits, cut.cycles, np.inf).reshape(-1, len(p.m))
    fast = cycles <= AS_FAST * cycles.min(axis=0)
    best = np.where(fast, cut.dram.reshape(-1, len(p.m)), np.inf).argmin(axis=0)

    def chosen(values: Numbers) -> float:
        """Sum over all products of what each has in its best tiling."""
        each = np.broadcast_to(values, cut.cycles.shape).reshape(-1, len(p.m))[best, np.arange(len(p.m))]
        return float((each * p.alike).sum())

    results = p.m * p.n * p.count
    return chosen(cut.cycles), {
        "mac": float(p.macs),
        "row_sum": chosen(p.m * p.k * p.count * d.array.reads(p.m, p.n)[1]) if d.has_zero_points else 0.0,
        "partial_sum": chosen(p.count * d.array.partial_sums(p.m, p.k, p.n)),
        "group_epilogue": chosen(results * -(-p.k // d.group_size)),
        "token_scale": chosen(results) if d.has_token_scales else 0.0,
        "weight_buffer_read": chosen(cut.weight_reads),
        "weight_buffer_write": chosen(cut.weight_loads),
        "activation_buffer_read": chosen(cut.activation_reads),
        "activation_buffer_write": chosen(cut.activation_loads),
        "output_buffer": chosen(cut.outputs),
        "dram": chosen(cut.dram),
    }


def _blocks(d: DesignPoint, p: Products) -> tuple[Ints, Ints, Ints]:
    """Sizes ``[tiling, product]`` of blocks: for each size along ``k`` five shares of the room along ``m`` and ``n``."""
    rows, columns = d.array.granule
    room = {name: pad.bits // 2 for name, pad in d.scratchpads.items()}
    group = d.group_size
    stays = d.array.keeps_sums & (p.k <= group)
    k = np.stack([np.minimum(-(-p.k // (part * group)) * group, p.k) for part in DIVISORS])
    k = np.where(stays, p.k, k)
    entries = np.array([entry_bits(d, int(length)) for length in p.k])
    copies = np.where(p.count == 1, 1, 2)
    kept = copies * p.m * p.n * entries <= 2 * room["output"]
    weight = copies * weight_block_bits(d, p.k, p.n) <= 2 * room["weight"]
    activation = copies * activation_block_bits(d, p.m, p.k) <= 2 * room["activation"]
    results = np.where(kept, p.m * p.n, room["output"] // entries)
    most_m = np.where(activation, p.m, room["activation"] // activation_block_bits(d, 1 + 0 * k, k))
    most_n = np.where(weight, p.n, room["weight"] // weight_block_bits(d, k, 1 + 0 * k))
    small_m, small_n = np.minimum(rows, p.m) + 0 * k, np.minimum(columns, p.n) + 0 * k
    most_m = _within(most_m, results // small_n, rows, p.m)
    most_n = _within(most_n, results // small_m, columns, p.n)
    middle = _within(np.sqrt(results).astype(np.int64), most_m, rows, p.m)
    pairs = [
        (most_m, _within(most_n, results // most_m, columns, p.n)),
        (_within(most_m, results // most_n, rows, p.m), most_n),
        (middle, _within(most_n, results // middle, columns, p.n)),
        (most_m, small_n),
        (small_m, most_n),
    ]
    sizes = [np.concatenate([pair[axis] for pair in pairs]) for axis in (0, 1)]
    return _even(sizes[0], rows, p.m), np.concatenate([k] * len(pairs)), _even(sizes[1], columns, p.n)


def _even(size: Ints, granule: int, length: Ints) -> Ints:
    """The smallest size with as many blocks: a last block that is much shorter would be waited for."""
    blocks = -(-length // size)
    even: Ints = np.minimum(-(-length // (blocks * granule)) * granule, length)
    return even


def _within(size: Ints, most: Ints, granule: int, length: Ints) -> Ints:
    """A size that is no larger than two others, in whole granules, at least one."""
    whole = np.minimum(size, most) // granule * granule
    least: Ints = np.minimum(np.maximum(np.where(np.minimum(size, most) >= length, length, whole), granule), length)
    return least


class _Cut:
    """Figures ``[order, tiling, product]`` of tilings, all repetitions of a product together."""

    def __init__(self, d: DesignPoint, p: Products, m: Ints, k: Ints, n: Ints) -> None:
        counts = [-(-length // size) for length, size in ((p.m, m), (p.k, k), (p.n, n))]
        blocks_m, blocks_k, blocks_n = counts
        last_m, last_n = p.m - (blocks_m - 1) * m, p.n - (blocks_n - 1) * n
        many = [count > 1 for count in counts]
        pads = d.scratchpads
        copies = np.where(p.count == 1, 1, 2)
        weights, activations = weight_block_bits(d, p.k, p.n), activation_block_bits(d, p.m, p.k)
        one_group = p.k <= d.group_size
        entries = np.array([entry_bits(d, int(length)) for length in p.k])
        totals = np.where(one_group, d.accumulator_bits, OUTPUT_BITS)

        def encloses(outer: int, inner: tuple[int, int]) -> Numbers:
            return np.logical_or(*(INSIDE[:, outer, axis][:, None, None] & many[axis] for axis in inner))

        # A group that goes on in the PEs may be cut, which is not tried: it is taken to fit.
        self.fits = (one_group & d.array.keeps_sums) | (
            (2 * weight_block_bits(d, k, n) <= pads["weight"].bits) | (copies * weights <= pads["weight"].bits)
        ) & (
            (2 * activation_block_bits(d, m, k) <= pads["activation"].bits) | (copies * activations <= pads["activation"].bits)
        )
        weights_kept = copies * weights <= pads["weight"].bits
        activations_kept = copies * activations <= pads["activation"].bits
        results_kept = copies * p.m * p.n * entries <= pads["output"].bits
        loads_w = np.where(weights_kept | ~encloses(0, (1, 2)), 1, blocks_m)
        loads_a = np.where(activations_kept | ~encloses(2, (0, 1)), 1, blocks_n)
        returns = np.where(results_kept | ~encloses(1, (0, 2)), 0, blocks_k - 1)
        results = p.m * p.n
        self.weight_loads = p.count * loads_w * weights
        self.activation_loads = p.count * loads_a * activations
        self.dram = self.weight_loads + self.activation_loads + p.count * results * (OUTPUT_BITS + 2 * returns * totals)
        array = d.array

        def along(size: Ints, last: Ints, blocks: Ints, value: Any) -> Numbers:
            found: Numbers = (blocks - 1) * value(size) + value(last)
            return found

        self.weight_reads = p.count * weights * along(m, last_m, blocks_m, lambda rows: array.reads(rows, p.n)[0])
        self.activation_reads = p.count * activations * along(n, last_n, blocks_n, lambda columns: array.reads(p.m, columns)[1])
        waits = 0 if array.keeps_sums else results * OUTPUT_BITS * np.maximum(-(-p.k // d.group_size) - blocks_k, 0)
        sums = np.where(one_group & array.keeps_sums, 1, 2 * blocks_k - 1)
        inside = results * OUTPUT_BITS * sums + 2 * (array.partial_sums(p.m, p.k, p.n) * d.accumulator_bits + waits)
        self.outputs = p.count * (inside + results * (OUTPUT_BITS + 2 * returns * totals))
        work = p.count * along(
            m, last_m, blocks_m, lambda rows: along(n, last_n, blocks_n, lambda columns: array.work(rows, p.k, columns))
        )
        ports = np.maximum.reduce(
            [
                self.weight_reads // pads["weight"].bits_per_cycle,
                self.activation_reads // pads["activation"].bits_per_cycle,
                p.count * inside // pads["output"].bits_per_cycle,
            ]
        )
        first = weight_block_bits(d, k, n) + activation_block_bits(d, m, k)
        ends = transfer_cycles(d, first) + transfer_cycles(d, last_m * last_n * OUTPUT_BITS)
        rest = transfer_cycles(d, np.maximum(self.dram - first - last_m * last_n * OUTPUT_BITS, 0))
        self.cycles = ends + np.maximum(np.maximum(work + array.once(p.m, p.k, p.n), ports), rest)
