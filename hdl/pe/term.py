"""What a product is on its way to the accumulator."""

from dataclasses import dataclass

from amaranth import Module, Signal, Value


@dataclass(frozen=True)
class Term:
    """A number ``(-1)**negative * significand * 2**exponent`` in units of the product's last place.

    ``significand`` is signed where there is no ``negative``; without an ``exponent`` it is 0.
    """

    significand: Value
    negative: Value | None = None
    exponent: Value | None = None

    def registered(self, m: Module, name: str) -> "Term":
        """The same one cycle later."""
        return Term(*(None if part is None else _register(m, f"{name}_{kind}", part) for kind, part in vars(self).items()))


def _register(m: Module, name: str, value: Value) -> Signal:
    register = Signal(value.shape(), name=name)
    m.d.sync += register.eq(value)
    return register
