"""Names and registers for values on their way."""

from amaranth import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib.memory import Memory


def delayed(m: Module, name: str, value: Value) -> Signal:
    """``value`` one cycle later; only what is valid needs a reset."""
    register = Signal(unsigned(len(value)), name=name, reset_less=not name.startswith("valid"))
    m.d.sync += register.eq(value)
    return register


def named(m: Module, name: str, value: Value) -> Signal:
    """``value`` in the same cycle, as one piece of hardware however often it is used."""
    signal = Signal(unsigned(len(value)), name=name)
    m.d.comb += signal.eq(value)
    return signal


def ring(m: Module, name: str, places: int) -> Signal:
    """A place of a buffer that is written and, before that, read in every cycle: one after the other, round and round."""
    place = Signal(range(places), name=f"{name}_place")
    m.d.sync += place.eq(Mux(place == places - 1, 0, place + 1))
    return place


def buffered(m: Module, name: str, place: Signal, places: int, value: Value) -> Value:
    """``value`` as many cycles later as a ring has places (at least 2)."""
    m.submodules[name] = memory = Memory(shape=unsigned(len(value)), depth=places, init=[])
    read, write = memory.read_port(domain="comb"), memory.write_port()
    m.d.comb += [read.addr.eq(place), write.addr.eq(place), write.data.eq(value), write.en.eq(1)]
    return read.data


def flagged(m: Module, name: str, cycles: int, flag: Value) -> Value:
    """``flag`` so many cycles later, in registers that a reset clears."""
    line = Signal(cycles, name=name)
    m.d.sync += line.eq(Cat(flag, line[:-1]))
    return line[-1]
