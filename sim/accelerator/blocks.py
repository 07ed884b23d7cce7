"""Blocks: parts of a product that the accelerator holds at once, and what it is told of each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sim.accelerator.depths import Depths, activation_words, depths, tile_rows
from sim.array.dataflow import whole
from sim.design import DesignPoint


def is_accelerated(design: DesignPoint) -> bool:
    """Whether there is an accelerator around the design's array: if the scales of its columns can be read one by one."""
    return design.dataflow == "output_stationary" or design.rows >= design.columns or not design.double_buffered


@dataclass(frozen=True)
class Block:
    """Rows ``m``, columns ``n`` and part ``k`` of the reduction of a product.

    ``begins`` and ``ends`` say whether ``k`` contains the first and the last of the reduction. Totals of a reduction that
    goes on wait in the epilogues, so its blocks are one tile of results, or one strip of columns where weights stay, and
    follow each other.
    """

    m: range
    k: range
    n: range
    begins: bool
    ends: bool


COMMAND = "command"
"""The stream of commands, beside those of operands."""

FIELD_BITS = 16
"""[bit] Of a command's counts, each less one."""


@dataclass(frozen=True)
class Command:
    """What the controller is told of a block: how often each of its loops runs.

    ``last_terms`` are the operands of the last group, ``last_rows`` the rows of PEs of the last row of tiles that have results;
    where weights stay a tile is one row of results, and the loops are over strips of columns, groups, their folds and rows.
    As a word the fields follow each other, the first lowest, in 16 bit each: counts less one, then ``begins`` and ``ends``.
    """

    groups: int
    last_terms: int
    row_tiles: int
    last_rows: int
    column_tiles: int
    begins: bool
    ends: bool

    @classmethod
    def of(cls, design: DesignPoint, block: Block) -> "Command":
        rows, columns = design.array.granule
        groups, row_tiles = whole(len(block.k), design.group_size), whole(len(block.m), rows)
        return cls(
            groups=groups,
            last_terms=len(block.k) - (groups - 1) * design.group_size,
            row_tiles=row_tiles,
            last_rows=whole(len(block.m), design.element.lanes[0]) - (row_tiles - 1) * tile_rows(design),
            column_tiles=whole(len(block.n), columns),
            begins=block.begins,
            ends=block.ends,
        )

    @property
    def word(self) -> int:
        """The command as a number."""
        counts = self.groups, self.last_terms, self.row_tiles, self.last_rows, self.column_tiles
        fields = *(count - 1 for count in counts), self.begins | self.ends << 1
        return sum(value << place * FIELD_BITS for place, value in enumerate(fields))

    def words(self, design: DesignPoint) -> Depths:
        """How many words a block has in each buffer."""
        terms = (self.groups - 1) * design.group_size + self.last_terms
        rows = (self.row_tiles - 1) * tile_rows(design) + self.last_rows
        return Depths(
            weight=self.column_tiles * terms,
            scale=self.column_tiles * self.groups * design.columns,
            activation=self.row_tiles * activation_words(design, terms),
            token_scale=self.row_tiles * tile_rows(design),
            result=self.column_tiles * rows * self.ends,
        )


def largest_counts(design: DesignPoint) -> dict[str, int]:
    """What the counts of a command are at most, as its block fits into the buffers and the counts into their fields."""
    room = depths(design)
    counts = {
        "groups": room.scale // design.columns,
        "last_terms": design.group_size,
        "row_tiles": room.token_scale // tile_rows(design),
        "last_rows": tile_rows(design),
        "column_tiles": room.scale // design.columns,
    }
    return {name: min(count, 1 << FIELD_BITS) for name, count in counts.items()}


def blocks_of(design: DesignPoint, m: int, k: int, n: int) -> tuple[Block, ...]:
    """A product cut into blocks that fit: rows innermost, as many tiles of them as fit, then as many columns.

    A reduction that does not fit is cut after a group, tile by tile, or strip by strip with as many rows as fit. Raises
    ``InputError`` for scratchpads that are too small.
    """
    room, most = depths(design), largest_counts(design)
    rows, columns = design.array.granule
    group = activation_words(design, design.group_size)
    most_rows = min(whole(m, rows), most["row_tiles"], room.result // tile_rows(design))
    row_tiles = min(most_rows, room.activation // activation_words(design, k))
    column_tiles = min(whole(n, columns), room.weight // k, most["column_tiles"] // whole(k, design.group_size))
    part = k
    if row_tiles and column_tiles:
        column_tiles = min(column_tiles, room.result // (row_tiles * tile_rows(design)))
    else:
        row_tiles = 1 if design.array.keeps_sums else min(most_rows, room.activation // group)
        column_tiles = 1
        groups = min(most["groups"], room.weight // design.group_size, room.activation // (row_tiles * group))
        part = groups * design.group_size
    return tuple(
        Block(i, terms, j, terms.start == 0, terms.stop == k)
        for j in _parts(n, column_tiles * columns)
        for i in _parts(m, row_tiles * rows)
        for terms in _parts(k, part)
    )


def _parts(length: int, size: int) -> list[range]:
    return [range(start, min(start + size, length)) for start in range(0, length, size)]


def quartered(design: DesignPoint, blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Blocks cut in two along rows and along columns, where they have several tiles: smaller ones, and more of them."""
    rows, columns = design.array.granule

    def parts(whole_range: range, step: int) -> list[range]:
        half = whole(whole(len(whole_range), step), 2) * step
        return [whole_range[start : start + half] for start in range(0, len(whole_range), half)]

    found: list[Block] = []
    for block in blocks:
        complete = block.begins and block.ends
        found += (
            [replace(block, m=m, n=n) for n in parts(block.n, columns) for m in parts(block.m, rows)] if complete else [block]
        )
    return tuple(found)
