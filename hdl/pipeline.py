"""Names and registers for values on their way."""

from amaranth import Module, Signal, Value, unsigned


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
