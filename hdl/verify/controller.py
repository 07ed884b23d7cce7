"""What the tile controller is told, block after block, and in which cycle it must say what."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.bench.vectors import Vectors, followed
from sim.accelerator.blocks import Command, largest_counts
from sim.accelerator.depths import Depths, depths
from sim.design import DesignPoint
from sim.epilogue import LATENCY

READY = 0.7
"""How often a command is there, its operands are, and room for its results."""

Said = dict[str, dict[int, int]]
"""Values of outputs by cycle."""

ALWAYS = (
    "start",
    "claim_results",
    "valid",
    "tile",
    *(f"give_back_{name}" for name in Depths.__dataclass_fields__ if name != "result"),
)
"""Outputs that are zero in all cycles in which they are not said to be something else."""

AGAIN = {"row_tiles": {"groups": 2, "last_terms": 1}, "column_tiles": {"row_tiles": 2}}
"""What makes the controller go back, among so many tiles, to a tile's first token or to a column's first weight and scale."""


def controller_vectors(design: DesignPoint, blocks: int, seed: int = 0) -> Vectors:
    """So many random blocks, some of which reach the ends of the buffers, after a third of them and a reset in their middle.

    Each output is checked in the cycles in which it means something.
    """
    rng = np.random.default_rng(seed)
    broken_off = _run(design, blocks // 3, rng)
    return followed(broken_off, broken_off.cycles // 2, _run(design, blocks, rng))


def _run(design: DesignPoint, blocks: int, rng: np.random.Generator) -> Vectors:
    """From a reset to the end of the last block."""
    waiting = deque(random_command(design, number, rng) for number in range(blocks))
    inputs: dict[str, list[int]] = {name: [] for name in ("command", "command_valid", "complete", "free")}
    said: Said = {}
    operands: deque[tuple[Mapping[str, int], Command]] = deque()
    pause, last_end, cycle = 0, -(1 << 20), 0
    while waiting or operands or cycle < max((max(of) for of in said.values()), default=0) + 8:
        given = {name: int(rng.random() < READY) for name in ("command_valid", "complete", "free")}
        given["command_valid"] &= bool(waiting)
        command = waiting[0] if given["command_valid"] else random_command(design, 1, rng)
        issues = bool(operands) and pause <= cycle and _may_begin(design, operands[0][0], cycle - last_end)
        room = given["free"] or not command.ends
        starts = given["command_valid"] and given["complete"] and room and len(operands) == issues
        if issues:
            pause = cycle + design.element.interval
            operand, of = operands.popleft()
            last_end = cycle if operand["left"] == 0 else last_end
            _operand(design, said, cycle, operand, of, not operands)
        if starts:
            waiting.popleft()
            operands.extend((operand, command) for operand in _operands(design, command))
            _say(said, cycle, start=1, claim_results=int(command.ends), last_rows_less_one=command.last_rows - 1)
        for name, value in {"command": command.word, **given}.items():
            inputs[name].append(value)
        cycle += 1
    return _vectors(inputs, said, cycle)


def random_command(design: DesignPoint, number: int, rng: np.random.Generator) -> Command:
    """A block that fits; every third one has as much of something as there can be, or half, and reads some of it again."""
    most = largest_counts(design)
    counts = {name: int(rng.integers(1, min(limit, 3) + 1)) for name, limit in most.items()}
    begins, ends = bool(rng.random() < READY), bool(rng.random() < READY)
    name = list(most)[number // 3 % len(most)]
    if number % 3 == 0:
        counts = {
            **dict.fromkeys(most, 1),
            # An odd number of operands too: after an even one a wrong bit that changes every cycle is as it was.
            "last_terms": max(1, most["last_terms"] - int(rng.integers(2))),
            name: int(rng.integers(most[name] // 2, most[name]) + 1),
        }
        if number % 2:
            # Without results, for which there is less room.
            counts, ends = counts | AGAIN.get(name, {}), False
    while not _fits(design, command := Command(**counts, begins=begins, ends=ends)):
        largest = max(counts, key=lambda name: counts[name])
        counts[largest] -= 1
    return command


def _fits(design: DesignPoint, command: Command) -> bool:
    room, words = depths(design), command.words(design)
    return all(getattr(words, name) <= getattr(room, name) for name in Depths.__dataclass_fields__)


def _operands(design: DesignPoint, command: Command) -> Iterator[dict[str, int]]:
    terms = (command.groups - 1) * design.group_size + command.last_terms
    for column in range(command.column_tiles):
        for row in range(command.row_tiles):
            for term in range(terms):
                group = term // design.group_size
                in_group = command.last_terms if group == command.groups - 1 else design.group_size
                place = term - group * design.group_size
                yield {"column": column, "row": row, "group": group, "place": place, "left": in_group - 1 - place}


def _may_begin(design: DesignPoint, operand: Mapping[str, int], since_end: int) -> bool:
    interval, rows, columns = design.element.interval, design.rows, design.columns
    if operand["place"] == 0 and since_end + operand["left"] * interval < max(rows, columns):
        return False
    begins_tile = operand["place"] == operand["group"] == 0
    return design.double_buffered or not begins_tile or since_end >= interval + rows + columns - 2


def _operand(design: DesignPoint, said: Said, cycle: int, operand: Mapping[str, int], of: Command, last: bool) -> None:
    """What is said because of an operand that is read in this cycle, the block's last one or not."""
    terms = (of.groups - 1) * design.group_size + of.last_terms
    term, column, row = operand["group"] * design.group_size + operand["place"], operand["column"], operand["row"]
    _say(said, cycle, weight_address=column * terms + term, activation_address=row * terms + term)
    ends, latency = operand["left"] == 0, design.pe_latency
    first_group, last_group = operand["group"] == 0, operand["group"] == of.groups - 1
    _say(said, cycle + 1, valid=1, last=int(ends))
    if not ends:
        return
    _say(said, cycle + 1, first_group=int(of.begins and first_group), last_group=int(of.ends and last_group))
    for c in range(design.columns):
        scale = (column * of.groups + operand["group"]) * design.columns + c
        _say(said, cycle + latency - 1 + c, scale_address=scale)
    for r in range(design.rows):
        _say(said, cycle + latency + r, token_scale_address=row * design.rows + r)
    if last:
        _say(said, cycle, give_back_weight=1, give_back_activation=1)
        _say(said, cycle + latency - 1 + design.columns - 1, give_back_scale=1)
        _say(said, cycle + latency + design.rows - 1, give_back_token_scale=1)
    if last_group and of.ends:
        last_row = row == of.row_tiles - 1
        last_tile = last_row and column == of.column_tiles - 1
        _say(said, cycle + 1 + latency + LATENCY, tile=1, last_row_tile=int(last_row), last_tile=int(last_tile))


def _say(said: Said, cycle: int, **values: int) -> None:
    for name, value in values.items():
        said.setdefault(name, {})[cycle] = value


def _vectors(inputs: Mapping[str, list[int]], said: Said, cycles: int) -> Vectors:
    outputs, checked = {}, {}
    for name, of in said.items():
        outputs[name], checked[name] = np.zeros(cycles, dtype=np.int64), np.full(cycles, name in ALWAYS)
        where = np.array(sorted(of))
        outputs[name][where], checked[name][where] = [of[cycle] for cycle in where], True
    given: dict[str, NDArray[Any]] = {name: np.array(values, dtype=object) for name, values in inputs.items()}
    return Vectors(given, outputs, checked)
