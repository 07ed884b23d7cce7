"""When each block is at work, in closed form, while operands keep coming and results are taken at once.

With one word of each stream a cycle, loading a block, computing it and sending its results overlap with those of its
neighbours: a block starts when its operands are there, the array has had those of the block before, and of the two halves
of the output buffer one is free. What the array then takes is :mod:`sim.array`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.accelerator.blocks import Block, Command
from sim.accelerator.depths import OPERANDS
from sim.array import OutputStationary, group_lengths
from sim.design import DesignPoint

ISSUE_CYCLES = 1
"""[cycle] From an address at the buffers to the operand at the array."""


@dataclass(frozen=True)
class BlockTimes:
    """Cycles of a block: its first and last operand at the array, its last result in the output buffer, the last one sent.

    Without results, because the reduction goes on, the last two are those of the last operand.
    """

    first: int
    last: int
    computed: int
    sent: int


def block_times(design: DesignPoint, blocks: Sequence[Block]) -> tuple[BlockTimes, ...]:
    """Cycles of each block, counted from the first in which all streams have a word."""
    array = design.array
    assert isinstance(array, OutputStationary)
    interval, apart = design.element.interval, max(design.rows, design.columns)
    freed: dict[str, list[int]] = {name: [0, 0] for name in (*OPERANDS, "result")}
    loaded = dict.fromkeys(OPERANDS, 0)
    idle, last, read = 0, -apart - design.rows - design.columns - interval, -1
    times = []
    for block in blocks:
        command = Command.of(design, block)
        words = command.words(design)
        for name in OPERANDS:
            loaded[name] = max(loaded[name], freed[name][-2]) + getattr(words, name)
        start = max(idle, *loaded.values(), freed["result"][-2] if block.ends else 0)
        first_group = group_lengths(design.group_size, len(block.k))[0]
        group_end = last + apart - (first_group - 1) * interval
        skew = 0 if array.double_buffered else design.rows + design.columns - 2
        first = max(start + 1, group_end, last + interval + skew)
        tiles = command.row_tiles * command.column_tiles
        last = first + (tiles - 1) * array.work(1, len(block.k), 1) + int(array.feed_cycles(len(block.k))[-1])
        idle = last
        freed["weight"].append(last + 1)
        freed["activation"].append(last + 1)
        freed["scale"].append(last + design.pe_latency + design.columns - 1)
        freed["token_scale"].append(last + design.pe_latency + design.rows)
        computed = sent = last + ISSUE_CYCLES
        if block.ends:
            computed += command.last_rows - 1 + design.columns - 1 + array.result_latency
            read = max(computed, read) + words.result
            freed["result"].append(read + 1)
            sent = read + 1
        times.append(BlockTimes(first + ISSUE_CYCLES, last + ISSUE_CYCLES, computed, sent))
    return tuple(times)
