"""What is between a vector unit's beats and the sums of its columns: multiplexers, a chain of multipliers, reduction nodes."""

from typing import Any

from amaranth import Cat, Const, EnableInserter, Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.overlay.cascade_slice import CascadeSlice
from hdl.overlay.products import ELEMENTS, Lanes, Operands
from hdl.overlay.reduction import banks_of, levels_of, reduced, routed
from hdl.overlay.selector import Selector
from hdl.pe.term import register
from hdl.placement import delay_line
from sim.formats.format import signed_bits
from sim.overlay.densities import DENSITY_BITS
from sim.overlay.engine import ACCUMULATE, BLOCK, LANES, PRODUCT_MAX, ROUTE, SELECT, Engine
from sim.overlay.sparsity import INDEX_BITS

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


def added_bits(engine: Engine) -> int:
    """Width [bit] of what a beat adds to a column."""
    return min(engine.accumulator_bits, signed_bits(0, engine.segment * PRODUCT_MAX))


class Chain(wiring.Component):
    """What a beat adds to its columns (:mod:`sim.overlay.chain`).

    Ports: ``valid`` and :func:`beat_ports`; ``added`` [banks x 2 x :func:`added_bits`], of both lanes, bank 0 lowest, 0 where a
    bank has no column; ``entry`` of the columns in their banks, ``there`` if the beat has any, ``ends`` with a group's last
    beat; ``advance``, without which everything stays.

    Latency: ``Engine.latency - ACCUMULATE`` cycles from a beat to what it adds. Throughput: a beat a cycle, groups back to
    back. Cycles without ``valid`` are bubbles and may stand anywhere. Why: the columns of a block share their 16 activations,
    so that sparse blocks take fewer cycles and no more activations; the columns of a beat are neighbours, so that there are as
    many sums to add to as a beat has columns, and not 16.
    """

    module_name = "chain"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._selector = Selector(LANES * ACTIVATION_BITS)
        beat = {name: In(bits) for name, bits in beat_ports(engine).items()}
        added = {
            "added": Out(banks_of(engine) * LANES * added_bits(engine)),
            "entry": Out(range(max(2, BLOCK // banks_of(engine)))),
            "there": Out(1),
            "ends": Out(1),
        }
        super().__init__({"valid": In(1), "advance": In(1), **beat, **added})

    @property
    def parts(self) -> tuple[wiring.Component, ...]:
        """One of each component that this one instantiates."""
        slices: tuple[wiring.Component, ...] = (CascadeSlice(),) if self.engine.element == "dsp" else ()
        return (self._selector, *slices) if self.engine.sparse else slices

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m, engine = Module(), self.engine
        flags = self._flags(m)

        def densities(start: int) -> Any:
            return lambda later: flags[start + later]["density"]

        start = SELECT if engine.sparse else 0
        groups = ELEMENTS[engine.element](m, engine, self._selected(m), densities(start), self.advance)
        at_banks = flags[engine.latency - ACCUMULATE - ROUTE]
        sums = reduced(m, engine, groups, densities(engine.latency - ACCUMULATE - ROUTE - levels_of(engine)))
        banks = routed(m, engine, sums, at_banks["density"], at_banks["column"])
        for place, value in enumerate(value for lanes in banks for value in lanes):
            m.d.comb += self.added.word_select(place, added_bits(engine)).eq(value)
        now = flags[engine.latency - ACCUMULATE]
        entry = now["column"][banks_of(engine).bit_length() - 1 :]
        m.d.comb += [self.entry.eq(entry), self.there.eq(now["density"].any()), self.ends.eq(now["last"])]
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
        for stage in range(1, self.engine.latency - ACCUMULATE + 1):
            stages.append({name: register(m, f"{name}_{stage}", stages[-1][name]) for name in names})
        return stages

    def _selected(self, m: Module) -> list[Operands]:
        """Of each multiplier the weights, and of each lane the activation that its index names."""
        engine = self.engine
        vector = self.vector if engine.two_columns else Const(0, 1)
        activations = [self.activations.word_select(i, ACTIVATION_BITS) for i in range(LANES * activations_of(engine))]
        lanes = [activations[: len(activations) // LANES], activations[len(activations) // LANES :]]
        pairs = Cat(Cat(pair) for pair in zip(*lanes, strict=True))
        found = []
        for index in range(engine.multipliers):
            places = range(index, engine.weights("mv"), engine.multipliers)
            weights: Lanes = [self.weights.word_select(place, WEIGHT_BITS) for place in places]
            if engine.sparse:
                place = self.indices.word_select(index, INDEX_BITS)
                chosen = register(m, f"selected_{index}", self._selector.placed(m, f"selector_{index}", pairs, place))
                of_lanes = [chosen.word_select(lane, ACTIVATION_BITS) for lane in range(LANES)]
                found.append(Operands([delay_line(m, f"weight_{index}", weights[0], SELECT)], of_lanes, vector))
            else:
                # All are kept, so that a multiplier always has the same one of its column's part.
                found.append(Operands(weights, [lane[index % len(lane)] for lane in lanes], vector))
        return found
