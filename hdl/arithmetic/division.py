"""Division of significands, a digit of the quotient in each cycle."""

from amaranth import Cat, Const, Module, Mux, Signal, Value

from hdl.pipeline import delayed


def divided(m: Module, dividend: Value, divisor: Value, digits: int) -> Value:
    """The quotient's first ``digits``, and below them whether anything is left, ``digits + 1`` cycles later.

    Top bits of both are set, that of the divisor whatever is given, and so is one of the quotient's first two, which count 1
    and 1/2.

    Without restoring: the divisor is subtracted from the remainder, or added where that is negative, in one carry chain; the
    sign of what comes out is the digit. Digits go where the dividend's bits come from.
    """
    width, fraction = len(divisor), divisor[:-1]
    padded = Cat(Const(0, max(0, width - 1 + digits - len(dividend))), dividend)
    first = len(padded) - (width - 1)
    remainder: Value = Cat(padded[first:], Const(0, 2))
    quotient: Value = Cat(padded[: first - digits].any(), padded[first - digits : first])
    for step in range(digits):
        subtract, divisor = ~remainder[-1], Cat(fraction, 1)
        total = Signal(width + 2, name=f"total_{step}")
        term = Cat(subtract, divisor ^ subtract.replicate(width), subtract)
        m.d.comb += total.eq(Cat(1, quotient[-1], remainder[:-1]) + term)
        remainder, fraction = delayed(m, f"remainder_{step}", total[1:]), delayed(m, f"fraction_{step}", fraction)
        quotient = delayed(m, f"quotient_{step}", Cat(quotient[0], ~total[-1], quotient[1:-1]))
    restored = Signal(width, name="restored")
    m.d.comb += restored.eq(remainder + Mux(remainder[-1], Cat(fraction, 1), 0))
    return delayed(m, "quotient", Cat(quotient[0] | restored.any(), quotient[1:]))
