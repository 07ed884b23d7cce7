"""When each block is at work, in closed form, while operands keep coming and results are taken at once.

With one word of each stream a cycle, loading a block, computing it and sending its results overlap with those of its
neighbours: a block starts when its operands are there, the array has had those of the block before, and of the two halves
of the output buffer one is free. What the array then takes is :mod:`sim.array`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sim.accelerator.blocks import Block, Command
from sim.accelerator.depths import OPERANDS
from sim.array import OutputStationary, group_lengths
from sim.design import DesignPoint

ISSUE_CYCLES = 1
"""[cycle] From an address at the buffers to the operand at the array."""

LONG_AGO = -(1 << 30)


@dataclass(frozen=True)
class BlockTimes:
    """Cycles of a block: its first and last operand at the array, its last result in the output buffer, the last one sent.

    The first operand is a weight where weights are loaded before activations come.

    Without results, because the reduction goes on, the last two are those of the last operand.
    """

    first: int
    last: int
    computed: int
    sent: int


@dataclass(frozen=True)
class Reads:
    """Cycles in which a block's operands are read: the first, the last; ``idle`` is the first in which another may start.

    ``freed`` is the cycle after the last word of each buffer; ``computed`` that of the last result, if there are any.
    """

    first: int
    last: int
    idle: int
    freed: Mapping[str, int]
    computed: int


def block_times(design: DesignPoint, blocks: Sequence[Block]) -> tuple[BlockTimes, ...]:
    """Cycles of each block, counted from the first in which all streams have a word."""
    freed: dict[str, list[int]] = {name: [0, 0] for name in (*OPERANDS, "result")}
    loaded = dict.fromkeys(OPERANDS, 0)
    idle, last, read = 0, LONG_AGO, -1
    times = []
    for block in blocks:
        words = Command.of(design, block).words(design)
        for name in OPERANDS:
            loaded[name] = max(loaded[name], freed[name][-2]) + getattr(words, name)
        start = max(idle, *loaded.values(), freed["result"][-2] if block.ends else 0)
        reads = READS[design.dataflow](design, block, start, last)
        idle, last = reads.idle, reads.last
        for name in OPERANDS:
            freed[name].append(reads.freed[name])
        computed = sent = last + ISSUE_CYCLES
        if block.ends:
            computed = reads.computed
            read = max(computed, read) + words.result
            freed["result"].append(read + 1)
            sent = read + 1
        times.append(BlockTimes(reads.first + ISSUE_CYCLES, last + ISSUE_CYCLES, computed, sent))
    return tuple(times)


def _tiles(design: DesignPoint, block: Block, start: int, before: int) -> Reads:
    """Tile after tile; ``before`` is the last operand of the block before."""
    array, command = design.array, Command.of(design, block)
    assert isinstance(array, OutputStationary)
    interval, apart = design.element.interval, max(design.rows, design.columns)
    first_group = group_lengths(design.group_size, len(block.k))[0]
    group_end = before + apart - (first_group - 1) * interval
    skew = 0 if array.double_buffered else design.rows + design.columns - 2
    first = max(start + 1, group_end, before + interval + skew)
    tiles = command.row_tiles * command.column_tiles
    last = first + (tiles - 1) * array.work(1, len(block.k), 1) + int(array.feed_cycles(len(block.k))[-1])
    freed = {
        "weight": last + 1,
        "activation": last + 1,
        "scale": last + design.pe_latency + design.columns - 1,
        "token_scale": last + design.pe_latency + design.rows,
    }
    computed = last + ISSUE_CYCLES + command.last_rows - 1 + design.columns - 1 + array.result_latency
    return Reads(first, last, last, freed, computed)


def _folds(design: DesignPoint, block: Block, start: int, _: int) -> Reads:
    """Fold after fold, the first one loaded when the block before is through."""
    array, command = design.array, Command.of(design, block)
    interval = array.work(len(block.m), 1, 1)
    folds = array.pieces(len(block.k)) * command.column_tiles
    first = start + 1
    stream = first + design.rows + (folds - 1) * interval
    loading = first if folds == 1 else stream - (interval if array.double_buffered else design.rows)
    last, foot = stream + len(block.m) - 1, design.rows - 1 + design.element.latency
    skew = design.rows - 1 + design.columns - 1
    freed = {
        "weight": loading + (command.last_terms - 1) % design.rows + 1,
        "activation": last + 1,
        "scale": stream + foot + design.columns,
        "token_scale": last + foot + 2,
    }
    idle = last if array.double_buffered else last + skew
    return Reads(first, last, idle, freed, last + ISSUE_CYCLES + skew + array.result_latency)


READS: dict[str, Callable[[DesignPoint, Block, int, int], Reads]] = {"output_stationary": _tiles, "weight_stationary": _folds}
"""Dataflow to when a block is read that starts in a given cycle, after another one's last operand."""
