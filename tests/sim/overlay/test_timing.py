"""Instructions in time, beside a machine of the same units that goes cycle by cycle, and figures by hand."""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.compiler import compile_step
from sim.overlay.design import OverlayDesign
from sim.overlay.isa import UNIT_OF, UNITS, Program, assemble
from sim.overlay.isa.encoding import NAMES
from sim.overlay.timing import durations, holds, simulate
from tests.sim.overlay.test_compiler import CASES, DESIGN, OFF_CHIP

HBM = OverlayDesign("u280")


class _Machine:
    """In every cycle each unit looks at the head of its queue, an instruction is dispatched, and the load unit moves on,
    unless stores hold it up."""

    def __init__(self, program: Program, design: OverlayDesign) -> None:
        self.busy, self.latency = durations(program, design)
        self.hold = holds(program, design)
        self.rows = program.numbers.tolist()
        self.queues = {unit: deque[int]() for unit in UNITS}
        self.free = dict.fromkeys(UNITS, 0)
        self.tokens = {(one, other): deque[int]() for one in UNITS for other in UNITS}
        self.begin, self.ends = [-1] * len(self.rows), [0]
        self.room, self.following, self.stopped, self.cycle = design.queue, 0, 0, 0
        self.load, self.left, self.held_up, self.held = -1, 0, 0, 0

    def run(self) -> list[int]:
        while -1 in self.begin:
            for unit, queue in self.queues.items():
                if queue and self._ready(unit, queue[0]):
                    self._start(unit, queue.popleft())
            self._dispatch()
            self._move()
            self.cycle += 1
        return self.begin

    def _named(self, place: int, mask: int) -> list[str]:
        return [unit for i, unit in enumerate(UNITS) if self.rows[place][mask] >> i & 1]

    def _ready(self, unit: str, place: int) -> bool:
        given = [self.tokens[other, unit] for other in self._named(place, 1)]
        ended = unit != "system" or (max(self.ends) <= self.cycle and not self.left)
        free = self.free[unit] <= self.cycle and not (unit == "load" and self.left)
        return free and ended and all(t and t[0] <= self.cycle for t in given)

    def _start(self, unit: str, place: int) -> None:
        for other in self._named(place, 1):
            self.tokens[other, unit].popleft()
        self.begin[place] = self.cycle
        if unit == "load":
            self.load, self.left = place, int(self.busy[place])
            return
        self.free[unit] = self.cycle + int(self.busy[place])
        self.held_up += int(self.hold[place])
        self._end(unit, place)
        if unit == "system":
            self.stopped = self.cycle

    def _end(self, unit: str, place: int) -> None:
        """The unit is free, now or at a cycle that is known."""
        self.ends.append(self.free[unit] + int(self.latency[place]))
        for other in self._named(place, 2):
            self.tokens[unit, other].append(self.ends[-1])

    def _move(self) -> None:
        if self.left and self.held_up:
            self.held_up -= 1
            self.held += 1
        elif self.left:
            self.left -= 1
            if not self.left:
                self.free["load"] = self.cycle + 1
                self._end("load", self.load)
        if not self.left and self.free["store"] <= self.cycle + 1:
            self.held_up = 0

    def _dispatch(self) -> None:
        if self.following == len(self.rows) or self.queues["system"] or (self.stopped and self.cycle <= self.stopped):
            return
        unit = UNIT_OF[NAMES[self.rows[self.following][0]]]
        if len(self.queues[unit]) < self.room:
            self.queues[unit].append(self.following)
            self.following += 1


def _machine(program: Program, design: OverlayDesign) -> list[int]:
    """Begin of each instruction."""
    return _Machine(program, design).run()


@pytest.mark.parametrize("queue", [1, 2, 16])
@pytest.mark.parametrize("case", CASES)
def test_begins_are_those_of_a_machine_that_goes_cycle_by_cycle(case: tuple, queue: int) -> None:  # type: ignore[type-arg]
    decoder, design, new, length = case
    design = replace(design, queue=queue)
    program = compile_step(replace(decoder, layers=2), design, new, length).program
    assert simulate(program, design).begin.tolist() == _machine(program, design)


def test_a_barrier_lets_nothing_begin_before() -> None:
    program = assemble(
        "LD buffer=weight size=4096 runs=1\nSYS operation=barrier\n"
        "MISC operation=add rows=1 length=8 heads=1 group=1\nSYS operation=end"
    )
    found = simulate(program, DESIGN)
    assert found.begin.tolist() == _machine(program, DESIGN)
    assert found.begin[2] > found.end[0]


def test_two_loads_hide_each_others_latency_by_hand() -> None:
    """225 MHz: a row is opened in 137.8 ns, 32 cycles; 8 KiB on 32 channels of 32 bytes in 15/14 cycles take 9 cycles."""
    text = "LD buffer=weight size=8192 runs=1\nLD buffer=weight size=8192 runs=1\nSYS operation=end"
    found = simulate(assemble(text), HBM)
    assert found.begin.tolist() == [1, 10, 1 + 9 + 9 + 32]
    assert found.cycles == 1 + 9 + 9 + 32 + 1
    assert found.moved == 16384


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        # 2 MiB at 32 x 29.9 bytes a cycle; a turnaround of 8 cycles, and 1.0 % of the store's 9
        ("LD size=2097152 runs=1\nST size=8192 runs=1", [1, 2, 1 + 2195 + 8 + 1 + 32]),
        # the first load behind a store's begin, and that one alone
        ("ST size=65536 runs=1\nLD size=8192 runs=1\nLD size=8192 runs=1", [1, 2, 2 + 9 + 8 + 1, 1 + 69 + 32]),
        # none behind the store
        ("ST signal=load size=8192 runs=1\nLD wait=store size=8192 runs=1", [1, 1 + 9 + 32, 1 + 9 + 32 + 9 + 32]),
    ],
)
def test_a_store_holds_up_a_load_by_hand(text: str, begin: list[int]) -> None:
    program = assemble(text + "\nSYS operation=end")
    assert simulate(program, HBM).begin.tolist() == begin == _machine(program, HBM)


def test_loads_and_stores_side_by_side(rng: np.random.Generator) -> None:
    held = 0
    for _ in range(30):
        lines, given = [], 0
        for _ in range(40):
            opcode, wait = ("LD", "ST")[int(rng.random() < 0.4)], ""
            if opcode == "ST" and given and rng.random() < 0.5:
                given, wait = given - 1, " wait=load"
            signals = opcode == "LD" and rng.random() < 0.5
            given += signals
            where = f"memory={rng.integers(1 << 24)} size={rng.integers(1, 20_000)} runs={rng.integers(1, 6)} pitch=4096"
            lines.append(f"{opcode}{wait}{' signal=store' * signals} {where}")
        lines += ["ST wait=load size=1 runs=1"] * given
        program = assemble("\n".join([*lines, "SYS operation=end"]))
        machine = _Machine(program, HBM)
        assert simulate(program, HBM).begin.tolist() == machine.run()
        held += machine.held
    assert held > 1000


def test_codes_of_a_wide_product_go_through_the_activation_buffer_by_hand() -> None:
    """12 tokens of 4096 codes for each of two rounds of 64 blocks of columns, 128 bytes a cycle; 3 cycles of weights a pass."""
    text = "MM m=12 k=4096 n=2048 heads=1 cycles=3 part=2\nSYS operation=end"
    assert simulate(assemble(text), HBM).busy("engine") == 2 * 12 * 4096 // 128


def test_every_cycle_is_given_to_something() -> None:
    for decoder, design, new, length in CASES:
        found = simulate(compile_step(decoder, design, new, length).program, design)
        assert sum(found.where.values()) == found.cycles
        busy = np.zeros(found.cycles, bool)
        for begin, free, unit in zip(found.begin, found.free, found.units, strict=True):
            if unit in (UNITS.index("load"), UNITS.index("store")):
                busy[begin:free] = True
        assert found.where["memory"] == busy.sum()


def test_what_stays_on_the_chip_saves_time() -> None:
    decoder = CASES[0][0]
    inside, outside = (simulate(compile_step(decoder, d, 1, 20).program, d).cycles for d in (DESIGN, OFF_CHIP))
    assert inside < outside


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the last instruction of a program is SYS operation=end"),
        ("SYS operation=barrier", "the last instruction of a program is SYS operation=end"),
        ("LD size=1 runs=1\nMV wait=load m=1 cycles=1\nSYS operation=end", "instruction 1, MV, waits for a token"),
    ],
)
def test_malformed_programs_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(assemble(text), DESIGN)
