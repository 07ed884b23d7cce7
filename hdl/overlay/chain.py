"""What is between a vector unit's beats and the sums of its columns: multiplexers, a chain of multipliers, reduction nodes."""

from collections.abc import Sequence
from typing import Any

from amaranth import Array, Cat, Const, EnableInserter, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.overlay.cascade_slice import CascadeSlice
from hdl.overlay.products import ELEMENTS, Lanes, Operands
from hdl.overlay.reduction import levels_of, reduced, routed
from hdl.pe.term import register
from hdl.placement import delay_line
from sim.overlay.engine import ACCUMULATOR_BITS, BLOCK, LANES, SELECT, Engine
from sim.overlay.sparsity import DENSITY_BITS, INDEX_BITS

WEIGHT_BITS = ACTIVATION_BITS = 8
COLUMN_BITS = (BLOCK - 1).bit_length()


def activations_of(engine: Engine) -> int:
    """Activations of a lane in a beat."""
    return BLOCK if engine.sparse else engine.segment


def beat_ports(engine: Engine) -> dict[str, int]:
    """What a vector unit takes in a cycle (:class:`sim.overlay.chain.Beat`) and how wide it is [bit].

    ``weights`` and ``indices`` of all multipliers, the first lowest, the latter only of engines with multiplexers; ``density``
    the place of N in ``DENSITIES``, 0 for nothing; ``column`` the first of the beat; ``activations`` of the block, 16 of each
    lane, or without multiplexers those of the beat's part of a column, the first lane lowest; ``last`` with a group's last
    beat, which may be of nothing.

    Of engines whose lanes may be two columns, ``vector`` says that they are in this beat. Then all ``weights`` count, those of
    lane 0 lowest, and of the activations the first lane's; ``column`` is the place among :func:`sim.overlay.chain.
    paired_columns`. Else the upper half of ``weights`` means nothing.
    """
    indices = {"indices": INDEX_BITS * engine.multipliers} if engine.sparse else {}
    vector = {"vector": 1} if engine.two_columns else {}
    return {
        "weights": WEIGHT_BITS * engine.weights("mv"),
        **indices,
        **vector,
        "density": DENSITY_BITS,
        "column": COLUMN_BITS,
        "activations": LANES * activations_of(engine) * ACTIVATION_BITS,
        "last": 1,
    }


class Chain(wiring.Component):
    """Sums of a group's 16 columns (:mod:`sim.overlay.chain`).

    Ports: ``valid`` and :func:`beat_ports`; ``totals`` [16 x 2 x 32 bit], the sums of both lanes of column 0 lowest, which are
    complete in the cycle of ``group`` alone; ``advance``, without which everything stays.

    Latency: ``Engine.latency - 1`` cycles from a group's last beat to its sums. Throughput: a beat a cycle, groups back to
    back. Cycles without ``valid`` are bubbles and may stand anywhere. Why: the columns of a block share their 16 activations,
    so that sparse blocks take fewer cycles and no more activations.
    """

    module_name = "chain"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        beat = {name: In(bits) for name, bits in beat_ports(engine).items()}
        sums = {"totals": Out(BLOCK * LANES * ACCUMULATOR_BITS), "group": Out(1)}
        super().__init__({"valid": In(1), "advance": In(1), **beat, **sums})

    @property
    def parts(self) -> tuple[wiring.Component, ...]:
        """One of each component that this one instantiates."""
        return (CascadeSlice(),) if self.engine.element == "dsp" else ()

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m, engine = Module(), self.engine
        flags = self._flags(m)

        def densities(start: int) -> Any:
            return lambda later: flags[start + later]["density"]

        start = SELECT if engine.sparse else 0
        groups = ELEMENTS[engine.element](m, engine, self._selected(m), densities(start), self.advance)
        sums = reduced(m, engine, groups, densities(engine.latency - 2 - levels_of(engine)))
        at_columns = flags[engine.latency - 2]
        columns = routed(m, engine, sums, at_columns["density"], at_columns["column"])
        m.d.comb += self.group.eq(flags[engine.latency - 1]["last"])
        m.d.comb += self.totals.eq(Cat(self._totals(m, columns)))
        enabled: Module = EnableInserter(self.advance)(m)
        return enabled

    def _flags(self, m: Module) -> list[dict[str, Value]]:
        """What goes along with a beat, by the number of registers behind the ports."""
        names = ("density", "column", "last")
        stages: list[dict[str, Value]] = [
            {
                "density": Mux(self.valid, self.density, 0),
                "column": self.column,
                "last": self.valid & self.last,
            }
        ]
        for stage in range(1, self.engine.latency):
            stages.append({name: register(m, f"{name}_{stage}", stages[-1][name]) for name in names})
        return stages

    def _selected(self, m: Module) -> list[Operands]:
        """Of each multiplier the weights, and of each lane the activation that its index names."""
        engine = self.engine
        vector = self.vector if engine.two_columns else Const(0, 1)
        activations = [self.activations.word_select(i, ACTIVATION_BITS) for i in range(LANES * activations_of(engine))]
        lanes = [activations[: len(activations) // LANES], activations[len(activations) // LANES :]]
        found = []
        for index in range(engine.multipliers):
            places = range(index, engine.weights("mv"), engine.multipliers)
            weights: Lanes = [self.weights.word_select(place, WEIGHT_BITS) for place in places]
            if engine.sparse:
                place = self.indices.word_select(index, INDEX_BITS)
                chosen = [register(m, f"selected_{index}_{i}", Array(lane)[place]) for i, lane in enumerate(lanes)]
                found.append(Operands([delay_line(m, f"weight_{index}", weights[0], SELECT, True)], chosen, vector))
            else:
                # All are kept, so that a multiplier always has the same one of its column's part.
                found.append(Operands(weights, [lane[index % len(lane)] for lane in lanes], vector))
        return found

    def _totals(self, m: Module, columns: Sequence[Lanes]) -> list[Value]:
        """Sums of the columns with this cycle's beat; those that are held begin anew after a group's last one."""
        totals: list[Value] = []
        for column, lanes in enumerate(columns):
            for lane, value in enumerate(lanes):
                held = Signal(signed(ACCUMULATOR_BITS), name=f"held_{column}_{lane}")
                total = Signal(signed(ACCUMULATOR_BITS), name=f"total_{column}_{lane}")
                m.d.comb += total.eq(held + value)
                m.d.sync += held.eq(Mux(self.group, 0, total))
                totals.append(total)
        return totals
