"""Numbers become the nearest ones of a format: of fixed point, of a float, of codes."""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed

from hdl.pipeline import delayed


@dataclass(frozen=True)
class Grid:
    """Magnitudes that numbers are rounded to, counted from 0: as the codes of a minifloat without its sign, or as integers.

    Number ``i`` is ``i * 2**lsb`` as long as it has at most ``significand_bits``; from there on a step is twice as large
    after every doubling. ``last`` is the number of the largest one, of positive and of negative numbers: of integers, and
    of fixed point, that is where steps would become larger.
    """

    significand_bits: int
    lsb: int
    last: tuple[int, int]
    twos_complement: bool

    @property
    def least_exponent(self) -> int:
        """Exponent of the top bit of the widest significand in the smallest steps."""
        return self.lsb + self.significand_bits - 1


def nearest(m: Module, grid: Grid, negative: Value, significand: Value, exponent: Value) -> Value:
    """What is nearest to a number, the even one of two; with a register behind it, ``sim.output.ROUNDING_CYCLES`` later.

    ``exponent`` is the signed one of the significand's top bit, which is set unless the number is rounded to zero. Of
    significands of one bit, all odd, the larger one is taken (IEEE 754-2019, 4.3.1).
    """
    bits, width = grid.significand_bits, len(significand)
    above = Signal(signed(len(exponent) + 1), name="above")
    below = Signal(range(bits + 2), name="below")
    # As many doublings are beyond the last number.
    most = (max(grid.last) >> bits - 1) + 1
    doublings = Signal(range(most + 1), name="doublings")
    shifted = Signal(bits + 1 + width, name="shifted")
    m.d.comb += [
        above.eq(exponent - grid.least_exponent),
        below.eq(Mux(above >= 0, 0, Mux(above < -bits, bits + 1, -above))),
        doublings.eq(Mux(above < 0, 0, Mux(above > most, most, above))),
        shifted.eq(Cat(Const(0, bits + 1), significand) >> below),
    ]
    kept, half, rest = shifted[width + 1 :], shifted[width], shifted[:width].any()
    kept_1, up_1 = delayed(m, "kept_1", kept), delayed(m, "up_1", half & (kept[0] | rest))
    doublings_1, negative_1 = delayed(m, "doublings_1", doublings), delayed(m, "negative_1", negative)

    # A significand's top bit counts a doubling, and so does a carry out of it.
    number = Signal(len(doublings) + bits, name="number")
    last, limited = Signal(range(max(grid.last) + 1), name="last"), Signal(range(max(grid.last) + 1), name="limited")
    m.d.comb += [
        number.eq(Cat(Const(0, bits - 1), doublings_1) + kept_1 + up_1),
        last.eq(Mux(negative_1, grid.last[1], grid.last[0])),
        limited.eq(Mux(number > last, last, number)),
    ]
    return Mux(negative_1, -limited, limited) if grid.twos_complement else Cat(limited, negative_1)
