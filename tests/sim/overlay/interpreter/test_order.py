"""The flags between units: whatever order tokens allow, a program leaves the same."""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.compiler import compile_step
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.interpreter import Inference, execute, in_order
from sim.overlay.interpreter.order import UNIT, check
from sim.overlay.isa import UNITS, Program, assemble
from sim.overlay.isa.instructions import MOST_TOKENS, OPCODES
from sim.overlay.timing import simulate
from tests.sim.overlay.forward import DESIGNS, LLAMA, SPARSE, Halves, forward, random_parameters, random_rows

Choice = Callable[[list[int]], int]

SHUFFLED = (1, 1, 3, 20, 100_000, 100_000, 100_000)
"""After how many instructions units have another order of preference, a run each: from chaos to units far ahead of others."""


def _by_units(program: Program, preferences: Iterator[Sequence[int]]) -> Choice:
    """Of what could begin, the instruction of the unit that is preferred most."""
    units = [UNIT[opcode] for opcode in program.numbers[:, 0].tolist()]

    def choice(ready: list[int]) -> int:
        preference = next(preferences)
        return min(ready, key=lambda place: preference[units[place]])

    return choice


def _changing(seed: int, every: int) -> Iterator[Sequence[int]]:
    rng = np.random.default_rng(seed)
    while True:
        yield from itertools.repeat(rng.permutation(len(UNITS)).tolist(), every)


@dataclass(frozen=True)
class _Step:
    """A decode step or a prefill behind a prefill."""

    before: Inference
    program: Program
    rows: Halves

    def logits(self, program: Program, choice: Choice) -> Halves:
        run = copy.deepcopy(self.before)
        run.put(self.rows, 1 if len(self.rows) == 1 else run.design.prefill_step)
        execute(program, run.machine, run.length, len(self.rows), choice)
        return run.logits()


def _step(decoder: Decoder, design: OverlayDesign, tokens: int) -> _Step:
    rows = random_rows(decoder)
    before = Inference(decoder, design, random_parameters(decoder, design))
    before.append(rows[: design.prefill_step])
    new = 1 if tokens == 1 else design.prefill_step
    program = compile_step(decoder, design, new, before.length + tokens).program
    return _Step(before, program, rows[before.length :][:tokens])


@pytest.mark.parametrize("tokens", [1, 9])
@pytest.mark.parametrize("design", [SPARSE, DESIGNS[2]], ids=lambda own: own.name)
def test_every_order_that_tokens_allow_gives_the_same(design: OverlayDesign, tokens: int) -> None:
    """Random ones, and that in which instructions begin in time."""
    step = _step(LLAMA, design, tokens)
    wanted = forward(LLAMA, design, random_parameters(LLAMA, design), random_rows(LLAMA))[design.prefill_step + tokens - 1]
    for seed, every in enumerate(SHUFFLED):
        assert np.array_equal(step.logits(step.program, _by_units(step.program, _changing(seed, every))), wanted), (seed, every)
    begin = simulate(step.program, design).begin
    assert np.array_equal(step.logits(step.program, lambda ready: min(ready, key=lambda place: begin[place])), wanted)


IMPLIED = {("load", "store"), ("store", "engine")}
"""Tokens that other ones make sure of here: what is stored has been computed from what was loaded before from its place, and
what has been stored off the chip is loaded again before anything is computed from it."""


def test_the_orders_find_tokens_that_are_missing() -> None:
    """Without those of one unit to another, the other ahead of all and the one behind all, logits are not what they were."""
    given, found = set(), set()
    for design, tokens in itertools.product((DESIGNS[2], DESIGNS[5]), (1, 9)):
        step = _step(LLAMA, design, tokens)
        wanted = step.logits(step.program, min)
        for one, other in _pairs(step.program):
            given.add((UNITS[one], UNITS[other]))
            preference = [2 * (unit == one) - (unit == other) for unit in range(len(UNITS))]
            with suppress(InputError):
                program = _without(step.program, one, other)
                logits = step.logits(program, _by_units(program, itertools.repeat(preference)))
                if np.array_equal(logits, wanted):
                    continue
            found.add((UNITS[one], UNITS[other]))
    ends = {pair for pair in given if pair[1] == "system"}  # the end waits for everything as it is
    assert given - found - ends == IMPLIED


def _pairs(program: Program) -> set[tuple[int, int]]:
    """Units of which the first gives tokens to the second."""
    rows = program.numbers[:, [0, 2]].tolist()
    return {(UNIT[opcode], other) for opcode, signal in rows for other in range(len(UNITS)) if signal >> other & 1}


def _without(program: Program, one: int, other: int) -> Program:
    numbers = program.numbers.copy()
    units = np.array(UNIT)[numbers[:, 0]]
    numbers[units == one, 2] &= ~(1 << other)
    numbers[units == other, 1] &= ~(1 << one)
    return Program(numbers)


def test_nothing_passes_a_barrier() -> None:
    """By hand: of what could begin always the last; the store waits for a token of the load behind the barrier."""
    text = (
        "LD\nMISC operation=relu\nSYS operation=barrier\nMISC operation=relu\nLD signal=store\nST wait=load\nSYS operation=end"
    )
    program = assemble(text)
    assert list(in_order(program, max)) == [1, 0, 2, 4, 5, 3, 6]
    assert list(in_order(program)) == list(range(7))


def test_tokens_are_counted_by_hand(rng: np.random.Generator) -> None:
    """Short random programs: one is refused just when a pile of tokens, counted one by one, is empty or too high."""
    refused = 0
    end = assemble("SYS operation=end").numbers
    for _ in range(400):
        rows = np.zeros((6, end.shape[1]), np.int64)
        rows[:, 0] = rng.choice([OPCODES["LD"], OPCODES["ST"]], 6)
        rows[:, 1:3] = np.where(rng.random((6, 2)) < (0.2, 0.8), 1 << rng.integers(0, 2, (6, 2)), 0)
        piles = np.zeros((len(UNITS), len(UNITS)), int)
        lowest = 0
        for opcode, wait, signal in rows[:, :3].tolist():
            unit = UNIT[opcode]
            for other in range(len(UNITS)):
                piles[other, unit] -= wait >> other & 1
                lowest = min(lowest, piles[other, unit])
                piles[unit, other] += signal >> other & 1
        program = Program(np.concatenate([rows, end]))
        if lowest < 0:
            refused += 1
            with pytest.raises(InputError, match=r"waits for a token of \w+ that none before it gives"):
                check(program)
        else:
            check(program)
    assert 100 < refused < 300


def test_tokens_do_not_heap_up() -> None:
    loads = "LD size=1 runs=1 signal=engine\n"
    check(assemble(loads * MOST_TOKENS + "SYS operation=end"))
    with pytest.raises(
        InputError, match=r"at most 255 tokens of load wait for engine, and instruction 255, LD, gives one more"
    ):
        check(assemble(loads * (MOST_TOKENS + 1) + "SYS operation=end"))
