"""A vector unit's sums of 16 columns: those of a group that is added up, and beside them those of the group that leaves.

Column ``c`` is entry ``c // banks`` of bank ``c % banks``; a beat adds to one entry of each bank. In the cycle behind its last
beat a group has its sums, and is handed over if the group before has left: then ``begins`` and ``advance`` are both high.

Entries to which nothing is added are 0. A sparse engine has many banks of few entries: registers. A dense one has few banks of
many entries: memories of LUTs, in two pages, and registers that say which entries are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth import Array, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib.memory import Memory

from hdl.overlay.products import Lanes
from hdl.overlay.reduction import banks_of
from hdl.overlay.selector import Selector
from sim.overlay.engine import BLOCK, LANES, Engine


@dataclass(frozen=True)
class Beat:
    """What is added to an entry of each bank, if ``there``; ``last`` of its group; the group before ended if it ``begins``."""

    banks: Sequence[Lanes]
    entry: Value
    there: Value
    last: Value
    begins: Value
    advance: Value


def in_registers(m: Module, engine: Engine, beat: Beat, column: Value, selector: Selector) -> Value:
    """Sums of both lanes of a column of the group that leaves."""
    bits, banks = engine.accumulator_bits, banks_of(engine)
    entries = BLOCK // banks
    names = [[f"{bank}_{entry}" for entry in range(entries)] for bank in range(banks)]
    sums = [[Signal(LANES * bits, name=f"sum_{name}", reset_less=True) for name in of] for of in names]
    # A reset clears them as the end of a group does: with the next beat.
    keeps, here = Signal(name="keeps"), Signal(entries, name="here")
    m.d.comb += here.eq(1 << beat.entry)
    with m.If(beat.advance):
        m.d.sync += keeps.eq(~beat.last)
    for bank, (of, lanes) in enumerate(zip(sums, beat.banks, strict=True)):
        total = _total(m, f"total_{bank}", bits, Array(of)[beat.entry], keeps, lanes)
        with m.If(beat.advance):
            for entry, register in enumerate(of):
                with m.If(here[entry]):
                    m.d.sync += register.eq(total)
                with m.Elif(~keeps):
                    m.d.sync += register.eq(0)
    leave = [Signal(LANES * bits, name=f"leaves_{column}", reset_less=True) for column in range(BLOCK)]
    with m.If(beat.begins & beat.advance):
        m.d.sync += [register.eq(sums[column % banks][column // banks]) for column, register in enumerate(leave)]
    return selector.placed(m, "selector", Cat(leave), column)


def in_memories(m: Module, engine: Engine, beat: Beat, column: Value) -> Value:
    """As :func:`in_registers`."""
    bits, banks = engine.accumulator_bits, banks_of(engine)
    entries = BLOCK // banks
    touched, of_leaving = Signal(entries, name="touched"), Signal(entries, name="touched_of_leaving")
    there, page, leaves = Signal(name="there"), Signal(name="page"), Signal(name="leaves")
    m.d.comb += there.eq(beat.there & beat.advance)
    with m.If(beat.advance):
        m.d.sync += [
            touched.eq(Mux(beat.begins, 0, touched) | Mux(beat.there, 1 << beat.entry, 0)),
            page.eq(page ^ beat.last),
        ]
        with m.If(beat.begins):
            m.d.sync += [of_leaving.eq(touched), leaves.eq(~page)]
    keeps = Signal(name="keeps")
    m.d.comb += keeps.eq(Array(touched)[beat.entry] & ~beat.begins)
    low = banks.bit_length() - 1
    found = []
    for bank, lanes in enumerate(beat.banks):
        m.submodules[f"sums_{bank}"] = memory = Memory(shape=unsigned(LANES * bits), depth=2 * entries, init=[])
        read, leave, write = memory.read_port(domain="comb"), memory.read_port(domain="comb"), memory.write_port()
        place = Cat(beat.entry, page)
        m.d.comb += [read.addr.eq(place), leave.addr.eq(Cat(column[low:], leaves)), write.addr.eq(place), write.en.eq(there)]
        m.d.comb += write.data.eq(_total(m, f"total_{bank}", bits, read.data, keeps, lanes))
        found.append(leave.data)
    return Mux(Array(of_leaving)[column[low:]], Array(found)[column[:low]], 0)


def _total(m: Module, name: str, bits: int, before: Value, keeps: Value, added: Lanes) -> Signal:
    """Both lanes of what is added to what was there, or to nothing."""
    total = Signal(LANES * bits, name=name)
    for lane, value in enumerate(added):
        of = Signal(signed(bits), name=f"{name}_{lane}")
        m.d.comb += of.eq(value + Mux(keeps, before.word_select(lane, bits), 0).as_signed())
        m.d.comb += total.word_select(lane, bits).eq(of)
    return total
