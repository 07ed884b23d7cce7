"""The accelerator's streams cycle by cycle, for operands that come and results that are taken whenever it pleases others.

Simulated from registers that change once a cycle, independently of the closed form in :mod:`sim.accelerator.cycles`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.blocks import Block, Command
from sim.accelerator.depths import OPERANDS
from sim.design import DesignPoint
from sim.epilogue import LATENCY

INPUTS = (*OPERANDS, "command")
HALVES = 2


@dataclass(frozen=True)
class Handshakes:
    """What is on a stream in each cycle: whether a word is valid and whether it is taken, and which word it is, from 0."""

    valid: NDArray[np.bool_]
    ready: NDArray[np.bool_]
    word: NDArray[np.int64]


@dataclass
class _Buffer:
    """Two halves of words: those that are complete, those of them that no block has begun with, words of the next one."""

    packets: list[int]
    complete: int = 0
    unclaimed: int = 0
    words: int = 0
    packet: int = 0

    def accept(self) -> None:
        self.words += 1
        if self.words == self.packets[self.packet]:
            self.complete, self.unclaimed, self.words, self.packet = self.complete + 1, self.unclaimed + 1, 0, self.packet + 1


@dataclass
class _Machine:
    """The registers of controller and output buffer."""

    design: DesignPoint
    commands: Sequence[Command]
    operands: list[tuple[int, bool, bool, bool]] = field(default_factory=list)
    started: int = 0
    paused: int = 0
    since_end: int = 1 << 20
    releases: dict[int, list[str]] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)
    claimed: int = 0
    results: list[int] = field(default_factory=list)
    reading: int = 0
    shown: bool = False

    def operands_of(self, command: Command) -> list[tuple[int, bool, bool, bool]]:
        """For each operand: how many are left in its group, whether it begins its group, its tile, ends its tile."""
        order = []
        for tile in range(command.row_tiles * command.column_tiles):
            del tile
            for group in range(command.groups):
                terms = command.last_terms if group == command.groups - 1 else self.design.group_size
                for term in range(terms):
                    ends = group == command.groups - 1 and term == terms - 1
                    order.append((terms - 1 - term, term == 0, term == 0 and group == 0, ends))
        return order[::-1]

    def may_issue(self) -> bool:
        """Whether the next operand's turn has come."""
        if not self.operands or self.paused:
            return False
        left, begins, begins_tile, _ = self.operands[-1]
        d = self.design
        ready = not begins or self.since_end + left * d.element.interval >= max(d.rows, d.columns)
        if begins_tile and not d.double_buffered:
            ready = ready and self.since_end >= d.element.interval + d.rows + d.columns - 2
        return ready


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
    commands = [Command.of(design, block) for block in blocks]
    words = [command.words(design) for command in commands]
    buffers = {name: _Buffer([getattr(of, name) for of in words]) for name in OPERANDS}
    totals = {name: sum(buffer.packets) for name, buffer in buffers.items()} | {"command": len(commands)}
    taken, offered = dict.fromkeys(INPUTS, 0), dict.fromkeys(INPUTS, False)
    machine = _Machine(design, commands)
    log: dict[str, list[tuple[bool, bool, int]]] = {name: [] for name in (*INPUTS, "result")}
    sent = 0
    for cycle in range(len(takes)):
        for name in INPUTS:
            offered[name] = taken[name] < totals[name] and (offered[name] or bool(offers[name][cycle]))
        issues = machine.may_issue()
        ending = issues and len(machine.operands) == 1
        starts = (
            offered["command"]
            and (not machine.operands or ending)
            and all(buffer.unclaimed for buffer in buffers.values())
            and (machine.claimed < HALVES or not commands[machine.started].ends)
        )
        for name in OPERANDS:
            log[name].append((offered[name], buffers[name].complete < HALVES, taken[name]))
        log["command"].append((offered["command"], starts, taken["command"]))
        log["result"].append((machine.shown, bool(takes[cycle]), sent))

        # The clock's edge.
        if machine.shown and takes[cycle]:
            sent += 1
        reads = bool(machine.results) and (not machine.shown or bool(takes[cycle]))
        machine.shown = reads or (machine.shown and not takes[cycle])
        if reads:
            machine.reading += 1
            if machine.reading == machine.results[0]:
                machine.results.pop(0)
                machine.reading, machine.claimed = 0, machine.claimed - 1
        if cycle in machine.written:
            machine.results.append(machine.written.pop(cycle))
        for name in OPERANDS:
            if offered[name] and buffers[name].complete < HALVES:
                taken[name], offered[name] = taken[name] + 1, False
                buffers[name].accept()
        for name in machine.releases.pop(cycle, []):
            buffers[name].complete -= 1
        machine.paused = max(0, machine.paused - 1)
        machine.since_end += 1
        if issues:
            _issue(machine, cycle, commands[machine.started - 1], ending, buffers)
        if starts:
            taken["command"], offered["command"] = taken["command"] + 1, False
            for buffer in buffers.values():
                buffer.unclaimed -= 1
            machine.claimed += commands[machine.started].ends
            machine.operands = machine.operands_of(commands[machine.started])
            machine.started += 1
    return {name: Handshakes(*(np.array(values) for values in zip(*entries, strict=True))) for name, entries in log.items()}


def _issue(machine: _Machine, cycle: int, command: Command, ending: bool, buffers: Mapping[str, _Buffer]) -> None:
    """An operand is read; with the block's last one its buffers are given back, some later, and its results are due."""
    d = machine.design
    left, *_ = machine.operands.pop()
    machine.paused = d.element.interval - 1
    if left == 0:
        machine.since_end = 1
    if not ending:
        return
    for name in ("weight", "activation"):
        buffers[name].complete -= 1
    for name, after in (("scale", d.pe_latency - 1 + d.columns - 1), ("token_scale", d.pe_latency + d.rows - 1)):
        if after == 0:
            buffers[name].complete -= 1
        else:
            machine.releases.setdefault(cycle + after, []).append(name)
    if command.ends:
        due = cycle + 1 + d.pe_latency + LATENCY + command.last_rows - 1 + d.columns - 1
        machine.written[due] = command.words(d).result
