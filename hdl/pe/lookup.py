"""What a code stands for, by cases."""

from collections.abc import Sequence

from amaranth import Module, Shape, Signal, Value, unsigned


def lookup(m: Module, name: str, code: Value, entries: Sequence[int], shape: Shape | None = None) -> Signal:
    """The entry of a code; the greatest entry's width unless a shape is given."""
    entry = Signal(shape or unsigned(max(1, max(entries).bit_length())), name=name)
    with m.Switch(code):
        for index, value in enumerate(entries):
            with m.Case(index):
                m.d.comb += entry.eq(value)
    return entry
