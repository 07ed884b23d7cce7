"""A program on the scaled-down overlay as the models have it: what is in memory afterwards, and when each unit ends."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hdl.bench.vectors import Vectors
from hdl.overlay import transfers
from hdl.overlay.buffers import WORD_BYTES
from hdl.overlay.engine_unit import BEFORE, START, product_latency
from hdl.overlay.top import UNITS
from hdl.verify.overlay_memory import Bytes, Fields, Machine
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import LANES
from sim.overlay.isa import BUFFERS, FIELDS, HEADER, OPCODES, SYSTEM, UNIT_OF, Program, encode
from sim.overlay.isa import UNITS as ALL_UNITS
from sim.overlay.isa.instructions import INSTRUCTION_BITS

LONGEST = 100_000
"""[cycle] Of a program."""


@dataclass
class Unit:
    """A unit at work: its queue, what keeps it busy, what has not ended; of a transfer also words on their way."""

    queue: deque[int] = field(default_factory=deque)
    current: int | None = None
    flight: deque[int] = field(default_factory=deque)
    next: int = -1
    """The cycle of the next word, or of the engine the one in which it is free."""
    left: int = 0
    line: deque[int | None] = field(default_factory=deque)
    """Numbers of the instructions of words on their way; the last word of one is its number, inverted."""
    ends: deque[int] = field(default_factory=deque)


@dataclass
class Run:
    """A program in time: the cycles in which instructions are taken and end; how often a load ``gave_way`` to results."""

    machine: Machine
    program: Program

    def __post_init__(self) -> None:
        names = tuple(OPCODES)
        self.rows: list[tuple[str, Fields]] = []
        for opcode, *numbers in self.program.numbers.tolist():
            fields = (field.name for field in (*HEADER[1:], *FIELDS[names[opcode]]))
            self.rows.append((names[opcode], dict(zip(fields, numbers, strict=False))))
        self.latency = self.machine.design.channels_off_chip.latency
        self.units = {unit: Unit(line=deque([None] * self.latency)) for unit in UNITS}
        self.tokens = dict.fromkeys(((a, b) for a in UNITS for b in UNITS), 0)
        self.tail = product_latency(self.machine.design)
        self.writes: set[int] = set()
        self.gave_way = 0

    def cycles(self, offered: Sequence[int]) -> dict[str, list[int]]:
        """Outputs of every cycle until the program's end, if an instruction is offered where a 1 says so."""
        out: dict[str, list[int]] = {name: [] for name in ("ready", "ended", *(f"{unit}_done" for unit in UNITS))}
        at = 0
        for cycle, valid in enumerate(offered):
            quiet = all(not of.queue and not of.flight for of in self.units.values())
            moved = {unit: self._moves(unit, cycle) for unit in UNITS}
            starts = [unit for unit in UNITS if self._may_start(unit, moved[unit][0])]
            name, f = self.rows[at]
            unit = UNIT_OF[name]
            of_unit = self.units.get(unit)
            ready = quiet if of_unit is None else len(of_unit.queue) < self.machine.design.queue or unit in starts
            ends = valid and ready and of_unit is None and f["operation"] == SYSTEM.index("end")
            for key, value in {"ready": ready, "ended": ends, **{f"{u}_done": m[1] for u, m in moved.items()}}.items():
                out[key].append(int(value))
            self._step(cycle, moved, starts)
            if ends:
                return out
            if valid and ready:
                if of_unit is not None:
                    of_unit.queue.append(at)
                at += 1
        raise RuntimeError(f"the program does not end in {len(offered)} cycles")

    def _may_start(self, unit: str, free: bool) -> bool:
        of = self.units[unit]
        if not of.queue or (of.current is not None and not free):
            return False
        waits = self.rows[of.queue[0]][1]["wait"]
        return all(self.tokens[other, unit] for other in UNITS if waits >> ALL_UNITS.index(other) & 1)

    def _step(self, cycle: int, moved: dict[str, tuple[bool, bool]], starts: list[str]) -> None:
        for unit, (free, done) in moved.items():
            of = self.units[unit]
            if done:
                signal = self.rows[of.flight.popleft()][1]["signal"]
                for other in UNITS:
                    self.tokens[unit, other] += signal >> ALL_UNITS.index(other) & 1
            if free:
                of.current = None
        for unit in starts:
            of = self.units[unit]
            of.current = of.queue.popleft()
            of.flight.append(of.current)
            name, f = self.rows[of.current]
            for other in UNITS:
                self.tokens[other, unit] -= f["wait"] >> ALL_UNITS.index(other) & 1
            if unit == "engine":
                of.next = self._engine(cycle, name, f)
                of.ends.append(of.next + self.tail)
            else:
                of.next, of.left = cycle + transfers.SETUP, f["runs"] * f["size"] // WORD_BYTES
            self.machine.execute(name, f)

    def _moves(self, unit: str, cycle: int) -> tuple[bool, bool]:
        """Whether a unit is free behind this cycle, and whether an instruction ends in it."""
        of = self.units[unit]
        if unit == "engine":
            done = bool(of.ends) and of.ends[0] == cycle
            if done:
                of.ends.popleft()
            return of.current is not None and of.next == cycle, done
        there = of.line[-1]
        if there is not None and unit == "load" and cycle in self.writes:
            f = self.rows[max(there, ~there)][1]
            if f["buffer"] == BUFFERS.index("activation"):
                self.gave_way += 1
                of.next += of.next == cycle
                return False, False
        of.line.pop()
        comes = of.current is not None and of.next == cycle
        if not comes or of.current is None:
            of.line.appendleft(None)
            return False, there is not None and there < 0
        of.left -= 1
        of.line.appendleft(of.current if of.left else ~of.current)
        of.next += 1
        return of.left == 0, there is not None and there < 0

    def _engine(self, cycle: int, name: str, f: Fields) -> int:
        """The last cycle in which weights are read."""
        at, slots = cycle + START, LANES * self.machine.design.vector_units
        for windows, written in self.machine.passes(name, f):
            at += BEFORE + windows
            first = at - 1 + self.tail - slots + 1
            self.writes |= {first + slot for slot in written}
        return at - 1


def program_vectors(
    design: OverlayDesign, memory: Bytes, program: Program, sizes: tuple[int, int], rng: np.random.Generator, rate: float = 1
) -> tuple[Vectors, Run]:
    """The memory is written by the host, the program runs, the memory is read again; every output in every cycle of that.

    ``sizes`` [word] of the weight and the activation buffer; instructions are offered in a share ``rate`` of the cycles.
    """
    weights, activations = (np.zeros(size * WORD_BYTES, np.uint8) for size in sizes)
    machine = Machine(design, memory.copy(), weights, activations)
    run = Run(machine, program)
    words = len(memory) // WORD_BYTES
    offered = [int(rng.random() < rate) for _ in range(LONGEST)]
    out = run.cycles(offered)
    length = len(out["ended"])
    instructions = _words(np.frombuffer(encode(program), np.uint8), INSTRUCTION_BITS // 8)
    taken = np.cumsum([0, *(v & r for v, r in zip(offered[:length], out["ready"], strict=True))])[:-1]
    total = words + length + words + 1
    inputs = {
        "host_write": np.zeros(total, np.int64),
        "host_address": np.zeros(total, np.int64),
        "host_word": np.zeros(total, dtype=object),
        "instruction": np.zeros(total, dtype=object),
        "valid": np.zeros(total, np.int64),
    }
    inputs["host_write"][:words] = 1
    inputs["host_address"][:words] = np.arange(words)
    inputs["host_word"][:words] = _words(memory, WORD_BYTES)
    inputs["valid"][words : words + length] = offered[:length]
    inputs["instruction"][words : words + length] = [instructions[i] for i in taken]
    inputs["host_address"][words + length :][:words] = np.arange(words)
    outputs, checked = {}, {}
    for name, values in out.items():
        outputs[name], checked[name] = np.zeros(total, np.int64), np.zeros(total, bool)
        outputs[name][words : words + length], checked[name][words : words + length] = values, True
    outputs["host_read"], checked["host_read"] = np.zeros(total, dtype=object), np.zeros(total, bool)
    outputs["host_read"][words + length + 1 :] = _words(machine.memory, WORD_BYTES)
    checked["host_read"][words + length + 1 :] = True
    return Vectors(inputs, outputs, checked), run


def _words(data: Bytes, size: int) -> list[int]:
    """Words of so many bytes as numbers."""
    return [int.from_bytes(data[i : i + size].tobytes(), "little") for i in range(0, len(data), size)]
