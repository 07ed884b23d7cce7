"""Orders in which a program's instructions may run: units in order of their queues, each instruction with its tokens."""

from collections import Counter, deque
from collections.abc import Callable, Iterator

import numpy as np

from sim.errors import InputError
from sim.overlay.isa.encoding import NAMES, Program
from sim.overlay.isa.instructions import MOST_TOKENS, OPCODES, SYSTEM, UNIT_OF, UNITS

UNIT = tuple(UNITS.index(UNIT_OF[name]) for name in NAMES)
"""Number of an opcode's unit."""

Choice = Callable[[list[int]], int]
"""Of the instructions that could begin, one for each unit at the most, the one that does."""


def check(program: Program) -> None:
    """Raise ``InputError`` for a program that does not end, waits for a token that nothing before gives, or heaps up tokens."""
    ends = program.numbers[:, 0] == OPCODES["SYS"]
    ends &= program.numbers[:, 3] == SYSTEM.index("end")
    if not len(program) or not ends[-1] or ends[:-1].any():
        raise InputError("the last instruction of a program is SYS operation=end, and no other one is")
    if _keeps_its_tokens(program):
        return
    tokens: Counter[tuple[int, int]] = Counter()
    for place, (opcode, wait, signal) in enumerate(program.numbers[:, :3].tolist()):
        unit = UNIT[opcode]
        for other in _named(wait):
            tokens[other, unit] -= 1
            if tokens[other, unit] < 0:
                raise InputError(
                    f"instruction {place}, {NAMES[opcode]}, waits for a token of {UNITS[other]} that none before it gives"
                )
        for other in _named(signal):
            tokens[unit, other] += 1
            if tokens[unit, other] > MOST_TOKENS:
                raise InputError(
                    f"at most {MOST_TOKENS} tokens of {UNITS[unit]} wait for {UNITS[other]}, and instruction {place}, "
                    f"{NAMES[opcode]}, gives one more"
                )


def _keeps_its_tokens(program: Program) -> bool:
    """Whether no instruction of these waits in vain or gives a token too many, for all of them at once."""
    opcodes, waits, signals = program.numbers[:, :3].T
    units = np.array(UNIT)[opcodes]
    for giver in range(len(UNITS)):
        for taker in range(len(UNITS)):
            taken = np.cumsum((units == taker) & (waits >> giver & 1 == 1))
            given = np.cumsum((units == giver) & (signals >> taker & 1 == 1))
            if (given - taken > MOST_TOKENS).any() or (taken[1:] > given[:-1]).any() or taken[0]:
                return False
    return True


def in_order(program: Program, choice: Choice = min) -> Iterator[int]:
    """The program's instructions in an order that tokens and barriers allow, which ``choice`` decides; ``min``: as they stand.

    Raises ``InputError`` as :func:`check`. An instruction has run when the next one is asked for.
    """
    check(program)
    rows = program.numbers[:, :3].tolist()
    queues = [deque(i for i, row in enumerate(rows) if UNIT[row[0]] == unit) for unit in range(len(UNITS))]
    stops = queues[UNITS.index("system")]
    tokens: Counter[tuple[int, int]] = Counter()

    def ready(i: int, done: int) -> bool:
        opcode, wait, _ = rows[i]
        if i == stops[0]:
            return done == i
        return i < stops[0] and all(tokens[other, UNIT[opcode]] for other in _named(wait))

    for done in range(len(rows)):
        place = choice([queue[0] for queue in queues if queue and ready(queue[0], done)])
        opcode, wait, signal = rows[place]
        unit = UNIT[opcode]
        queues[unit].popleft()
        tokens.subtract((other, unit) for other in _named(wait))
        yield place
        tokens.update((unit, other) for other in _named(signal))


def _named(mask: int) -> list[int]:
    """Units whose bits are set."""
    return [unit for unit in range(len(UNITS)) if mask >> unit & 1]
