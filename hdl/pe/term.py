"""What a product is on its way to the accumulator."""

from dataclasses import dataclass, replace

from amaranth import Module, Signal, Value


@dataclass(frozen=True)
class Term:
    """A number ``(-1)**negative * significand * 2**exponent`` in units of the product's last place.

    ``significand`` is signed where there is no ``negative``; without an ``exponent`` it is 0.
    """

    significand: Value
    negative: Value | None = None
    exponent: Value | None = None

    def registered(self, m: Module, name: str, parts: tuple[str, ...] = ("significand", "negative", "exponent")) -> "Term":
        """The same with these parts one cycle later."""
        there = {part: value for part, value in vars(self).items() if part in parts and value is not None}
        return replace(self, **{part: register(m, f"{name}_{part}", value) for part, value in there.items()})


def register(m: Module, name: str, value: Value) -> Signal:
    """``value`` one cycle later."""
    later = Signal(value.shape(), name=name)
    m.d.sync += later.eq(value)
    return later
