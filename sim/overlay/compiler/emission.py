"""Instructions one after the other, with the tokens that keep the units in step."""

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from sim.overlay.isa.encoding import Program
from sim.overlay.isa.instructions import COLUMNS, FIELDS, HEADER, OPCODES, UNIT_OF, UNITS

UNIT_NUMBER = {opcode: UNITS.index(unit) for opcode, unit in UNIT_OF.items()}
WAIT, SIGNAL = (next(i for i, field in enumerate(HEADER) if field.name == name) for name in ("wait", "signal"))


class Emitter:
    """Collects instructions; each says what it ``reads`` and ``writes``, by any names.

    One that reads what another unit wrote waits for a token of that unit, one that writes what others read or wrote waits for
    those. A unit's instructions are in order, so the latest of them is waited for, once.
    """

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.steps: list[str] = []
        self._units: list[int] = []
        self._writer: dict[str, int] = {}
        self._readers: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._seen = [[-1] * len(UNITS) for _ in UNITS]

    def emit(self, step: str, opcode: str, reads: Iterable[str] = (), writes: Iterable[str] = (), **fields: int) -> None:
        """Add an instruction of the ``step`` of the model that it belongs to."""
        unit, here = UNIT_NUMBER[opcode], len(self.rows)
        places = _places(opcode)
        row = [OPCODES[opcode]] + [0] * (COLUMNS - 1)
        for name, value in fields.items():
            row[places[name]] = value
        self.rows.append(row)
        self.steps.append(step)
        self._units.append(unit)
        self._wait(here, unit, reads, writes)

    def program(self) -> Program:
        """What has been emitted."""
        return Program(np.array(self.rows, np.int64).reshape(-1, COLUMNS))

    def _wait(self, here: int, unit: int, reads: Iterable[str], writes: Iterable[str]) -> None:
        latest: dict[int, int] = {}
        for name in reads:
            if (at := self._writer.get(name)) is not None:
                _later(latest, self._units[at], at)
        for name in writes:
            if (at := self._writer.get(name)) is not None:
                _later(latest, self._units[at], at)
            for other, at in self._readers.pop(name, {}).items():
                _later(latest, other, at)
            self._writer[name] = here
        for name in reads:
            self._readers[name][unit] = here
        for other, at in latest.items():
            if other != unit and at > self._seen[unit][other]:
                self._seen[unit][other] = at
                self.rows[here][WAIT] |= 1 << other
                self.rows[at][SIGNAL] |= 1 << unit


def _later(latest: dict[int, int], unit: int, at: int) -> None:
    latest[unit] = max(at, latest.get(unit, -1))


@lru_cache
def _places(opcode: str) -> dict[str, int]:
    """Columns of an instruction's fields by name."""
    return {field.name: place for place, field in enumerate(HEADER + FIELDS[opcode])}
