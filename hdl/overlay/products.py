"""What the multipliers of a chain add up: sums of their groups, by DSP slices in cascade or by shifts and additions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from amaranth import ClockSignal, Const, Instance, Module, Mux, ResetSignal, Signal, Value, signed

from hdl.pe.element import product
from hdl.pe.term import register
from hdl.placement import delay_line
from sim.formats import FORMATS
from sim.overlay.engine import DENSITIES, GROUP, PRODUCT, Engine
from sim.pe.dsp_packed import A_BITS, B_BITS, INT8, P_BITS
from sim.pe.shift_add import ShiftAdd

Lanes = list[Value]
"""A number for each token, or for each of two columns."""


@dataclass(frozen=True)
class Operands:
    """A multiplier's weights, of one lane or of each, and the activations of each.

    lane 0 = weights[0] * activations[0],   lane 1 = weights[0] * activations[1], or if ``vector`` weights[1] * activations[0]
    """

    weights: Lanes
    activations: Lanes
    vector: Value

    def choose(self, of_vector: Value, of_matrix: Value) -> Value:
        """One of two operands, where lanes may be two columns."""
        return Mux(self.vector, of_vector, of_matrix) if len(self.weights) > 1 else of_matrix

    @property
    def packed(self) -> Lanes:
        """What both lanes share, and what each has of its own."""
        weight, (low, high) = self.weights[0], self.activations
        return [self.choose(low, weight), self.choose(weight, low), self.choose(self.weights[-1], high)]

    @property
    def apart(self) -> list[tuple[Value, Value]]:
        """A weight and an activation of each lane."""
        weight, (low, high) = self.weights[0], self.activations
        return [(weight, low), (self.choose(self.weights[-1], weight), self.choose(low, high))]


Densities = Callable[[int], Value]
"""The place of a beat's N in ``DENSITIES``, so many cycles after its operands are at the multipliers."""


def cascades(m: Module, engine: Engine, operands: Sequence[Operands], densities: Densities, advance: Value) -> list[Lanes]:
    """Of each group of two multipliers the sum up to there, since its column or its run began.

    ``SLICE + run - 1 + SPLIT`` cycles after the operands. Multiplier ``i`` of a run has its operands ``i`` cycles later than
    the first, as slices hand on their sums one a cycle; groups wait for the last one of their run.
    """
    sums: list[Lanes] = []
    before: Value = Const(0, P_BITS)
    for index, operand in enumerate(operands):
        place = index % engine.run
        begins = [densities(place + 2) == DENSITIES.index(n) for n in DENSITIES if n and place % n == 0]
        chain = ~reduce(or_, begins, Const(0, 1)) if place else Const(0, 1)
        # Registers with a reset, which do not become shift registers of LUTs.
        late = [delay_line(m, f"operand_{index}_{i}", value, place) for i, value in enumerate(operand.packed)]
        p, before = _slice(m, index, late, chain, before, advance)
        if index % GROUP == GROUP - 1:
            waits = engine.run - 1 - place
            lanes = enumerate(_apart(m, index, p))
            sums.append([delay_line(m, f"lane_{index}_{i}_later", lane, waits).as_signed() for i, lane in lanes])
    return sums


def products(
    m: Module,
    engine: Engine,  # noqa: ARG001 - as cascades
    operands: Sequence[Operands],
    densities: Densities,  # noqa: ARG001 - as cascades
    advance: Value,  # noqa: ARG001 - as cascades
) -> list[Lanes]:
    """Of each group of two multipliers the sum of products, ``PRODUCT + 1`` cycles after the operands."""
    element = ShiftAdd(FORMATS["int8"], FORMATS["int8"], pipeline=PRODUCT)
    formed = [[product(m, element, weight, activation).significand for weight, activation in of.apart] for of in operands]
    pairs = zip(formed[::GROUP], formed[1::GROUP], strict=True)
    return [
        [register(m, f"sum_{index}_{lane}", a + b) for lane, (a, b) in enumerate(zip(*pair, strict=True))]
        for index, pair in enumerate(pairs)
    ]


ELEMENTS = {"dsp": cascades, "shift_add": products}
"""Name of an element to what adds up the groups of a chain."""


def _slice(m: Module, index: int, late: Sequence[Value], chain: Value, before: Value, advance: Value) -> tuple[Signal, Signal]:
    """The sum of a slice, and the same for the next one of the cascade; its pre-adder packs what the lanes do not share."""
    shared, low, high = (value.as_signed() for value in late)
    p, onward = (Signal(signed(P_BITS), name=f"{name}_{index}") for name in ("p", "onward"))
    a, d, b = (Signal(signed(bits), name=f"{name}_{index}") for name, bits in (("a", A_BITS), ("d", A_BITS), ("b", B_BITS)))
    m.d.comb += [a.eq(low), d.eq(high << INT8.lane_bits), b.eq(shared)]
    ports = {
        "i_a": a,
        "i_d": d,
        "i_b": b,
        "i_chain": chain,
        "i_advance": advance,
        "i_cascade": before,
        "o_p": p,
        "o_onward": onward,
    }
    m.submodules[f"slice_{index}"] = Instance("cascade_slice", i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)
    return p, onward


def _apart(m: Module, index: int, p: Value) -> Lanes:
    """The lanes of a sum, a cycle later: a negative low one gives back what it borrowed. A run fits the bits of a lane."""
    bits = INT8.lane_bits
    low, high = (Signal(signed(bits), name=f"lane_{index}_{i}") for i in range(INT8.activations))
    m.d.sync += [low.eq(p[:bits]), high.eq(p[bits : 2 * bits] + p[bits - 1])]
    return [low, high]
