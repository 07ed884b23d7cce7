"""The dispatcher: instructions go to the queues of their units, which begin them when tokens that they wait for are there."""

from collections.abc import Sequence
from typing import Any

from amaranth import Array, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.overlay.decoder import INSTRUCTION_BITS, fields_of, is_for, is_number
from sim.overlay.isa import SYSTEM, UNITS
from sim.overlay.isa.instructions import MOST_TOKENS

TOKEN_BITS = MOST_TOKENS.bit_length()
"""[bit] Of a count of tokens from one unit to another."""

FLIGHT = 64
"""Instructions of a unit between their start and their end: more than a memory's latency has cycles."""


class Dispatcher(wiring.Component):
    """Queues in order, tokens between units, the end of the program.

    Ports:

    ======================== ========== ======================================================================
    instruction              in 256     a stream of words, with ``valid`` and ``ready``
    <unit>_start             out 1      the unit begins in the next cycle with ``<unit>_word``, which stays
    <unit>_word              out 256    of the instruction that it is at
    <unit>_free              in 1       the last cycle in which its instruction keeps it from the next one
    <unit>_done              in 1       the last cycle of an instruction, in their order
    ended                    out 1      for a cycle: an ``end`` was reached, and everything before it had ended
    ======================== ========== ======================================================================

    An instruction is in its queue a cycle after it was taken; its unit starts it when it is the queue's first, the unit is
    free, and of every unit that it waits for a token is there, which it takes. When an instruction ends, the units that it
    signals find a token in the next cycle. ``end`` and ``barrier`` hold the stream until nothing is left before them, and need
    no tokens. An instruction for a unit that is not there is taken and lost. These are the times of :mod:`sim.overlay.timing`.
    """

    module_name = "dispatcher"

    def __init__(self, units: Sequence[str], queue: int) -> None:
        """``units`` of :data:`sim.overlay.isa.UNITS` that there are, with queues of ``queue`` instructions, a power of two."""
        self.units, self.queue = tuple(units), queue
        ports = {"instruction": In(INSTRUCTION_BITS), "valid": In(1), "ready": Out(1), "ended": Out(1)}
        for unit in units:
            ports |= {f"{unit}_start": Out(1), f"{unit}_word": Out(INSTRUCTION_BITS)}
            ports |= {f"{unit}_free": In(1), f"{unit}_done": In(1)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        takes = Signal()
        m.d.comb += takes.eq(self.valid & self.ready)
        tokens = {(a, b): Signal(TOKEN_BITS, name=f"tokens_{a}_{b}") for a in self.units for b in self.units}
        states = {unit: self._unit(m, unit, takes, tokens) for unit in self.units}
        is_system = is_for(self.instruction, "system")
        room, quiet = Signal(), Signal()
        m.d.comb += [
            room.eq(~_any([is_for(self.instruction, unit) & states[unit][1] for unit in self.units])),
            quiet.eq(~_any([states[unit][0] for unit in self.units])),
            self.ready.eq(Mux(is_system, quiet, room)),
            self.ended.eq(takes & is_system & is_number(fields_of(self.instruction, "SYS").operation, SYSTEM.index("end"))),
        ]
        for (giver, taker), count in tokens.items():
            gives = getattr(self, f"{giver}_done") & states[giver][3][UNITS.index(taker)]
            takes_one = getattr(self, f"{taker}_start") & states[taker][2].wait[UNITS.index(giver)]
            m.d.sync += count.eq(count + gives - takes_one)
        return m

    def _unit(
        self, m: Module, unit: str, takes: Value, tokens: dict[tuple[str, str], Signal]
    ) -> tuple[Value, Value, Any, Value]:
        """Whether a unit has anything to do, whether its queue is full, the first there, whom the oldest at work signals."""
        places = Array(Signal(INSTRUCTION_BITS, name=f"{unit}_queue_{i}", reset_less=True) for i in range(self.queue))
        last, first = (Signal(range(self.queue), name=f"{unit}_{name}") for name in ("last", "first"))
        held, busy = Signal(range(self.queue + 1), name=f"{unit}_held"), Signal(name=f"{unit}_busy")
        start, word, free, done = (getattr(self, f"{unit}_{name}") for name in ("start", "word", "free", "done"))
        flight = Array(Signal(len(UNITS), name=f"{unit}_flight_{i}", reset_less=True) for i in range(FLIGHT))
        oldest, newest = (Signal(range(FLIGHT), name=f"{unit}_{name}") for name in ("oldest", "newest"))
        full = Signal(name=f"{unit}_full")
        comes, head = Signal(name=f"{unit}_comes"), Signal(INSTRUCTION_BITS, name=f"{unit}_head")
        fields = fields_of(head, "SYS")
        lacks = [fields.wait[UNITS.index(other)] & ~tokens[other, unit].any() for other in self.units]
        m.d.comb += [
            comes.eq(takes & is_for(self.instruction, unit)),
            head.eq(places[first]),
            start.eq(held.any() & (~busy | free) & ~_any(lacks)),
            full.eq((held == self.queue) & ~start),
        ]
        m.d.sync += held.eq(held + comes - start)
        with m.If(comes):
            m.d.sync += last.eq(last + 1)
        _put(m, f"{unit}_comes_to", places, last, comes, self.instruction)
        with m.If(start):
            m.d.sync += [first.eq(first + 1), word.eq(head), busy.eq(1)]
            m.d.sync += newest.eq(newest + 1)
        with m.Elif(free):
            m.d.sync += busy.eq(0)
        _put(m, f"{unit}_starts_at", flight, newest, start, fields.signal)
        with m.If(done):
            m.d.sync += oldest.eq(oldest + 1)
        return held.any() | busy | (oldest != newest), full, fields, flight[oldest]


def _put(m: Module, name: str, places: Array, number: Value, there: Value, value: Value) -> None:
    """``value`` into the place of that number, if it is ``there``."""
    chosen = Signal(len(places), name=name)
    m.d.comb += chosen.eq(there << number)
    for i, place in enumerate(places):
        with m.If(chosen[i]):
            m.d.sync += place.eq(value)


def _any(values: Sequence[Value]) -> Value:
    found: Value = values[0]
    for value in values[1:]:
        found = found | value
    return found
