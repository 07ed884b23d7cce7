"""The accelerator's streams cycle by cycle, for operands that come and results that are taken whenever it pleases others.

Simulated from registers that change once a cycle, independently of the closed form in :mod:`sim.accelerator.cycles`; when
operands are read is in :mod:`sim.accelerator.pace`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.blocks import COMMAND, Block, Command
from sim.accelerator.depths import OPERANDS
from sim.accelerator.pace import PACES
from sim.design import DesignPoint

INPUTS = (*OPERANDS, COMMAND)
HALVES = 2


@dataclass(frozen=True)
class Handshakes:
    """What is on a stream in each cycle: whether a word is valid and whether it is taken, and which word it is, from 0."""

    valid: NDArray[np.bool_]
    ready: NDArray[np.bool_]
    word: NDArray[np.int64]

    @property
    def taken(self) -> int:
        """How many words have been taken."""
        return int((self.valid & self.ready).sum())

    def until(self, cycles: int) -> "Handshakes":
        """Those of the first cycles."""
        return Handshakes(self.valid[:cycles], self.ready[:cycles], self.word[:cycles])


@dataclass
class _Buffer:
    """Two halves of words: how many are complete, how many of them no block has begun with; and words of the next one."""

    packets: list[int]
    complete: int = 0
    unclaimed: int = 0
    words: int = 0

    @property
    def ready(self) -> bool:
        return self.complete < HALVES

    def accept(self) -> None:
        self.words += 1
        if self.words == self.packets[0]:
            self.complete, self.unclaimed, self.words = self.complete + 1, self.unclaimed + 1, 0
            self.packets.pop(0)


@dataclass
class _Source:
    """A stream's sender: a word that is offered stays until it is taken."""

    words: int
    taken: int = 0
    valid: bool = False

    def offer(self, comes: bool) -> None:
        self.valid = self.taken < self.words and (self.valid or comes)

    def accept(self) -> None:
        self.taken, self.valid = self.taken + 1, False


@dataclass
class _Results:
    """The output buffer: halves that are claimed, sizes of complete ones, and what is shown of the oldest."""

    claimed: int = 0
    sizes: list[int] = field(default_factory=list)
    read: int = 0
    sent: int = 0
    shown: bool = False

    def edge(self, taken: bool) -> None:
        self.sent += self.shown and taken
        reads = bool(self.sizes) and (not self.shown or taken)
        self.shown = reads or (self.shown and not taken)
        self.read += reads
        if reads and self.read == self.sizes[0]:
            self.sizes.pop(0)
            self.read, self.claimed = 0, self.claimed - 1


class _Machine:
    """The accelerator's registers; ``later`` is what happens in which cycle, all by itself."""

    def __init__(self, design: DesignPoint, blocks: Sequence[Block]) -> None:
        self.design = design
        self.commands = [Command.of(design, block) for block in blocks]
        words = [command.words(design) for command in self.commands]
        self.buffers = {name: _Buffer([getattr(of, name) for of in words]) for name in OPERANDS}
        self.sources = {name: _Source(sum(buffer.packets)) for name, buffer in self.buffers.items()}
        self.sources[COMMAND] = _Source(len(self.commands))
        self.results = _Results()
        self.later: dict[int, list[Callable[[], None]]] = {}
        self.pace = PACES[design.dataflow](design)

    @property
    def starts(self) -> bool:
        """Whether the next block, whose command is there, begins."""
        command = self.commands[self.sources[COMMAND].taken]
        room = not command.ends or self.results.claimed < HALVES
        return self.pace.idle and room and all(buffer.unclaimed for buffer in self.buffers.values())

    def ready(self, name: str) -> bool:
        """Whether a word of the stream would be taken in this cycle."""
        if name == COMMAND:
            return self.sources[COMMAND].valid and self.starts
        return self.buffers[name].ready

    def edge(self, cycle: int, results_taken: bool) -> None:
        """The end of a cycle."""
        starts = self.ready(COMMAND)
        accepted = [name for name in OPERANDS if self.sources[name].valid and self.buffers[name].ready]
        self.results.edge(results_taken)
        for action in self.later.pop(cycle, []):
            action()
        for name in accepted:
            self.sources[name].accept()
            self.buffers[name].accept()
        command = self.commands[self.sources[COMMAND].taken - 1]
        for name, after in self.pace.edge().items():
            if name in OPERANDS:
                self._schedule(cycle, after, partial(self._release, name))
            elif command.ends:
                self._schedule(cycle, after, partial(self.results.sizes.append, command.words(self.design).result))
        if starts:
            self._start()

    def _start(self) -> None:
        command = self.commands[self.sources[COMMAND].taken]
        self.sources[COMMAND].accept()
        for buffer in self.buffers.values():
            buffer.unclaimed -= 1
        self.results.claimed += command.ends
        self.pace.start(command)

    def _schedule(self, cycle: int, after: int, action: Callable[[], None]) -> None:
        """Have it happen at the end of a cycle, perhaps of this one."""
        if after == 0:
            action()
        else:
            self.later.setdefault(cycle + after, []).append(action)

    def _release(self, name: str) -> None:
        self.buffers[name].complete -= 1


def handshakes(
    design: DesignPoint,
    blocks: Sequence[Block],
    offers: Mapping[str, NDArray[np.bool_]],
    takes: NDArray[np.bool_],
) -> dict[str, Handshakes]:
    """The streams of a run of as many cycles as ``takes`` has.

    ``offers[stream][cycle]`` says whether a word comes up that was not there before; it then stays until it is taken, as AXI
    demands. ``takes[cycle]`` says whether a result would be taken.
    """
    machine = _Machine(design, blocks)
    log: dict[str, list[tuple[bool, bool, int]]] = {name: [] for name in (*INPUTS, "result")}
    for cycle, taken in enumerate(takes):
        for name, source in machine.sources.items():
            source.offer(bool(offers[name][cycle]))
            log[name].append((source.valid, machine.ready(name), source.taken))
        log["result"].append((machine.results.shown, bool(taken), machine.results.sent))
        machine.edge(cycle, bool(taken))
    return {name: Handshakes(*(np.array(values) for values in zip(*entries, strict=True))) for name, entries in log.items()}
