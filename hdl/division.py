"""Division of significands, a digit of the quotient in each cycle."""

from amaranth import Cat, Const, Module, Mux, Signal, Value

from hdl.pipeline import delayed


def divided(m: Module, dividend: Value, divisor: Value, digits: int) -> Value:
    """The quotient's first ``digits``, and below them whether anything remains, ``digits + 1`` cycles later.

    Top bits of both are set, as one is of the quotient's first two: the first digit counts 1, the next 1/2.

    Without restoring: the divisor is subtracted from the remainder, or added where that is negative, in one carry chain; the
    sign of what comes out is the digit. The remainder takes in a bit of the dividend as the quotient does the digit.
    """
    width = len(divisor)
    padded = Cat(Const(0, max(0, width - 1 + digits - len(dividend))), dividend)
    first = len(padded) - (width - 1)
    remainder: Value = Cat(padded[first:], Const(0, 2))
    quotient: Value = padded[first - digits : first]
    inexact: Value = padded[: first - digits].any()
    for step in range(digits):
        subtract = ~remainder[-1]
        total = Signal(width + 2, name=f"total_{step}")
        term = Cat(subtract, divisor ^ subtract.replicate(width), subtract)
        m.d.comb += total.eq(Cat(1, quotient[-1], remainder[:-1]) + term)
        remainder, divisor = delayed(m, f"remainder_{step}", total[1:]), delayed(m, f"divisor_{step}", divisor)
        quotient = delayed(m, f"quotient_{step}", Cat(~total[-1], quotient[:-1]))
        inexact = delayed(m, f"inexact_{step}", inexact)
    restored = Signal(width, name="restored")
    m.d.comb += restored.eq(remainder + Mux(remainder[-1], divisor, 0))
    return delayed(m, "quotient", Cat(inexact | restored.any(), quotient))
