"""When each instruction runs: units in order, queues, tokens, and what each unit takes.

Queues and tokens are those of :mod:`sim.overlay.queues`. What a unit takes:

| unit | busy | latency |
|---|---|---|
| load, store | :meth:`sim.overlay.memory.Channels.cycles` | until the first bytes |
| engine | passes of tokens times ``cycles``, or codes, or results | :attr:`sim.overlay.engine.Engine.drain_cycles` |
| special | :mod:`sim.overlay.special.cycles` | none: the next operation waits |

The engine takes whichever is more of the three: codes and results go through the activation buffer, which is as wide as the
special-function unit has lanes, for reading and for writing. At what position tokens are is not known here; addresses of
transfers are those of position 0.
"""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray

from sim.overlay.cells import FP16_BYTES
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, Engine
from sim.overlay.interpreter.order import check
from sim.overlay.isa.encoding import NAMES, Program
from sim.overlay.isa.instructions import LEAVES, OPCODES, SPECIAL, UNIT_OF, UNITS
from sim.overlay.queues import run
from sim.overlay.special.cycles import cycles
from sim.overlay.special.operations import OPERATIONS

Cycles = NDArray[np.int64]

TRANSFERS = ("LD", "ST")

UNIT_NUMBERS = np.array([UNITS.index(UNIT_OF[name]) for name in NAMES], np.int64)

KEPT_BY = ("memory", "engine", "special", "waiting")
"""What a cycle is given to: the first of these that is at work in it."""


@dataclass(frozen=True)
class Timing:
    """When each instruction was dispatched, began, left its unit free and ended [cycle].

    ``units`` are numbers of :data:`sim.overlay.isa.UNITS`, ``moved_by`` what each moves to or from the memory [byte].
    """

    units: Cycles
    dispatched: Cycles
    begin: Cycles
    free: Cycles
    end: Cycles
    moved_by: Cycles

    @property
    def cycles(self) -> int:
        """Of the whole program."""
        return int(self.end.max(initial=0))

    @property
    def moved(self) -> int:
        """All traffic of the memory [byte]."""
        return int(self.moved_by.sum())

    def busy(self, unit: str) -> int:
        """Cycles in which a unit is occupied."""
        at = self.units == UNITS.index(unit)
        return int((self.free - self.begin)[at].sum())

    @cached_property
    def where(self) -> dict[str, int]:
        """Every cycle, given to the first of ``KEPT_BY`` that is at work in it; the sum is :attr:`cycles`."""
        loads = np.flatnonzero((self.units == UNITS.index("load")) | (self.units == UNITS.index("store")))
        loads = loads[np.argsort(self.begin[loads], kind="stable")]
        order = [loads, *(np.flatnonzero(self.units == UNITS.index(unit)) for unit in ("engine", "special"))]
        found = _given(*(part for at in order for part in (self.begin[at], self.free[at])), self.cycles)
        return dict(zip(KEPT_BY, map(int, found), strict=True))


def durations(program: Program, design: OverlayDesign) -> tuple[Cycles, Cycles]:
    """How long each instruction occupies its unit, and how much later it ends [cycle]."""
    busy, latency = (np.ones(len(program), np.int64), np.zeros(len(program), np.int64))
    opcodes, memory, engine = program.numbers[:, 0], design.channels_off_chip, design.engine
    for name in TRANSFERS:
        at = opcodes == OPCODES[name]
        busy[at] = memory.cycles(*_addresses(program, name), write=name == "ST")
        latency[at] = memory.latency
    for name in ("MM", "MV"):
        at = opcodes == OPCODES[name]
        passes = -(-program.column(name, "m") // engine.tokens(name.lower())) * program.column(name, "cycles")
        width = design.special_lanes * FP16_BYTES
        moved = np.maximum(_results(program, name) * FP16_BYTES, _codes(program, name, engine) * design.operand_bytes)
        busy[at] = np.maximum(passes, -(-moved // width))
        latency[at] = engine.drain_cycles
    busy[opcodes == OPCODES["MISC"]] = _special(program, design.special_lanes)
    return np.maximum(busy, 1), latency


def holds(program: Program, design: OverlayDesign) -> Cycles:
    """By how much each store holds up a load [cycle], 0 for all else."""
    found = np.zeros(len(program), np.int64)
    found[program.numbers[:, 0] == OPCODES["ST"]] = design.channels_off_chip.hold(*_addresses(program, "ST"))
    return found


def _addresses(program: Program, name: str) -> tuple[Cycles, Cycles, Cycles, Cycles]:
    """Of each transfer, as :class:`sim.overlay.memory.Channels` takes them."""
    memory, size, runs, pitch = (program.column(name, field) for field in ("memory", "size", "runs", "pitch"))
    return memory, size, runs, pitch


def _codes(program: Program, name: str, engine: Engine) -> Cycles:
    """Activations that each product reads: those of a head once for all column blocks that are side by side."""
    m, k, n, heads = (program.column(name, field) for field in ("m", "k", "n", "heads"))
    return np.asarray(m * k * heads * -(-n // (BLOCK * engine.column_blocks(name.lower()))), np.int64)


def _results(program: Program, name: str) -> Cycles:
    """Numbers that each product writes; none where sums stay in the engine."""
    m, n, heads, part = (program.column(name, field) for field in ("m", "n", "heads", "part"))
    return np.asarray(m * n * heads * (part & LEAVES == 0), np.int64)


def _special(program: Program, lanes: int) -> Cycles:
    """Of each operation of the special-function unit."""
    operation, rows, length, heads, group = (
        program.column("MISC", name) for name in ("operation", "rows", "length", "heads", "group")
    )
    busy = np.zeros(len(operation), np.int64)
    for number, name in enumerate(SPECIAL):
        latencies = OPERATIONS["quantize" if name == "quantize_heads" else name].latencies(lanes)
        at = operation == number
        busy[at] = cycles(latencies, (rows * heads * group)[at], length[at], lanes)
    return busy


def simulate(program: Program, design: OverlayDesign) -> Timing:
    """The program's instructions in time.

    Raises ``InputError`` for a malformed program (:func:`sim.overlay.interpreter.order.check`).
    """
    check(program)
    busy, latency = durations(program, design)
    stops = program.numbers[:, 0] == OPCODES["SYS"]
    units = UNIT_NUMBERS[program.numbers[:, 0]]
    tokens = program.numbers[:, 1], program.numbers[:, 2]
    dispatched, begin, free = run(units, *tokens, busy, latency, holds(program, design), stops, design.queue)
    moved = np.zeros(len(program), np.int64)
    for name in TRANSFERS:
        moved[program.numbers[:, 0] == OPCODES[name]] = program.column(name, "size") * program.column(name, "runs")
    return Timing(units, dispatched, begin, free, free + latency, moved)


@numba.njit(cache=True)
def _given(load_begin, load_end, engine_begin, engine_end, special_begin, special_end, cycles):  # type: ignore[no-untyped-def]
    found = np.zeros(4, np.int64)
    at = np.zeros(3, np.int64)
    now = 0
    while now < cycles:
        chosen, until = 3, cycles
        for kind in range(3):
            begins = load_begin if kind == 0 else engine_begin if kind == 1 else special_begin
            ends = load_end if kind == 0 else engine_end if kind == 1 else special_end
            while at[kind] < len(begins) and ends[at[kind]] <= now:
                at[kind] += 1
            if at[kind] == len(begins):
                continue
            if begins[at[kind]] <= now:
                chosen, until = kind, min(until, ends[at[kind]])
                break
            until = min(until, begins[at[kind]])
        found[chosen] += until - now
        now = until
    return found
