"""When a block's operands are read from their buffers, cycle by cycle: what the controllers of the dataflows do.

Simulated from registers that change once a cycle, independently of the closed form in :mod:`sim.accelerator.cycles`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sim.accelerator.blocks import Command
from sim.array import group_lengths
from sim.array.weight_stationary import FOOT_CYCLES
from sim.design import DesignPoint
from sim.epilogue import LATENCY

LONG_AGO = 1 << 30


class Pace(Protocol):
    """A block at a time is read."""

    @property
    def idle(self) -> bool:
        """Whether another block may start at the end of this cycle."""

    def start(self, command: Command) -> None:
        """A block starts at the end of this cycle, after :meth:`edge`."""

    def edge(self) -> dict[str, int]:
        """The end of a cycle; after how many cycles more a buffer's words are through, and ``"result"`` complete."""


@dataclass(frozen=True)
class _Operand:
    """An operand to be read: how many are left in its group, whether it begins its group, its tile."""

    left: int
    begins_group: bool
    begins_tile: bool


class Tiles:
    """Tile after tile of results, a pair of operands whenever buses and scales are free."""

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        self.command: Command | None = None
        self.operands: deque[_Operand] = deque()
        self.pause = 0
        self.since_end = LONG_AGO

    @property
    def _issues(self) -> bool:
        """Whether an operand is read in this cycle."""
        if not self.operands or self.pause:
            return False
        design, interval, operand = self.design, self.design.element.interval, self.operands[0]
        group_fits = self.since_end + operand.left * interval >= max(design.rows, design.columns)
        tile_fits = design.double_buffered or self.since_end >= interval + design.rows + design.columns - 2
        return (group_fits or not operand.begins_group) and (tile_fits or not operand.begins_tile)

    @property
    def idle(self) -> bool:
        return not self.operands or (self._issues and len(self.operands) == 1)

    def start(self, command: Command) -> None:
        self.command = command
        for _ in range(command.row_tiles * command.column_tiles):
            for group in range(command.groups):
                terms = command.last_terms if group == command.groups - 1 else self.design.group_size
                self.operands += [_Operand(terms - 1 - i, i == 0, i == 0 and group == 0) for i in range(terms)]

    def edge(self) -> dict[str, int]:
        issues = self._issues
        self.pause, self.since_end = max(0, self.pause - 1), self.since_end + 1
        if not issues:
            return {}
        operand = self.operands.popleft()
        self.pause = self.design.element.interval - 1
        if operand.left == 0:
            self.since_end = 1
        if self.operands:
            return {}
        assert self.command
        latency, rows, columns = self.design.pe_latency, self.design.rows, self.design.columns
        due = {"weight": 0, "activation": 0, "scale": latency - 1 + columns - 1, "token_scale": latency + rows - 1}
        return due | {"result": 1 + latency + LATENCY + self.command.last_rows - 1 + columns - 1}


@dataclass
class _Fold:
    """Words of weights, whether the block ends with it; cycles since the first was read, rows of activations that were."""

    weights: int
    ends_block: bool
    loading: int = 0
    streamed: int = 0


class Folds:
    """Fold after fold: its weights are read, then its rows of activations, and with these the weights of the next one.

    If not double-buffered, weights are read when the last PE has had the activations of the fold before.
    """

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        self.rows = 0
        self.waiting: deque[_Fold] = deque()
        self.loaded: _Fold | None = None
        self.streaming: _Fold | None = None
        self.since_stream = LONG_AGO

    @property
    def idle(self) -> bool:
        if self.waiting or self.loaded:
            return False
        skew = 0 if self.design.double_buffered else self.design.rows - 1 + self.design.columns - 1
        if self.streaming:
            return skew == 0 and self.streaming.streamed == self.rows - 1
        return self.since_stream >= skew

    def start(self, command: Command) -> None:
        design, self.rows = self.design, command.row_tiles
        lengths = group_lengths(design.group_size, (command.groups - 1) * design.group_size + command.last_terms)
        for _ in range(command.column_tiles):
            for length in lengths:
                self.waiting += [_Fold(min(design.rows, length - at), False) for at in range(0, length, design.rows)]
        self.waiting[-1].ends_block = True
        self._next()

    def edge(self) -> dict[str, int]:
        design, due = self.design, {}
        self.since_stream += 1
        if self.loaded:
            if self.loaded.ends_block and self.loaded.loading == self.loaded.weights - 1:
                due["weight"] = 0
            self.loaded.loading += 1
        if self.streaming:
            to_foot = design.rows - 1 + design.element.latency
            if self.streaming.ends_block and self.streaming.streamed == 0:
                due["scale"] = to_foot + design.columns - 1
            self.streaming.streamed += 1
            if self.streaming.streamed == self.rows:
                if self.streaming.ends_block:
                    due |= {"activation": 0, "token_scale": to_foot + 1}
                    due["result"] = 1 + to_foot + FOOT_CYCLES + LATENCY + design.columns - 1
                self.streaming, self.since_stream = None, 1
        self._next()
        return due

    def _next(self) -> None:
        """What is read in the next cycle."""
        design = self.design
        if self.loaded and self.loaded.loading >= design.rows and not self.streaming:
            self.loaded, self.streaming = None, self.loaded
        through = self.since_stream >= design.rows + design.columns - 1 and not self.streaming
        if self.waiting and not self.loaded and (design.double_buffered or through):
            self.loaded = self.waiting.popleft()


PACES: dict[str, Callable[[DesignPoint], Pace]] = {"output_stationary": Tiles, "weight_stationary": Folds}
"""By dataflow."""
