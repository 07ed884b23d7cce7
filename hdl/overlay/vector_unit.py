"""A vector unit: a chain and the columns that leave it, as streams."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.overlay.chain import COLUMN_BITS, Chain, added_bits, beat_ports
from hdl.overlay.selector import Selector
from hdl.overlay.sums import Beat, in_memories, in_registers
from hdl.placement import place
from sim.overlay.engine import BLOCK, LANES, Engine


class VectorUnit(wiring.Component):
    """Sums of groups, column after column (:mod:`sim.overlay.chain`).

    Ports:

    ================================ ============ =================================================================
    valid, ready                     in, out      of a beat; nothing moves on in a cycle that is not ``ready``
    :func:`hdl.overlay.chain`'s      in           the beat
    sum                              out          of both lanes, each in ``Engine.accumulator_bits``, the first lowest
    sum_column                       out 4        0 to 15, in this order; where the lanes are two columns, 0 to 7 are places of
                                                  pairs and the others mean nothing
    sum_valid, sum_ready             out, in
    ================================ ============ =================================================================

    Latency: ``Engine.latency`` cycles from a group's last beat to its column 0, if nothing waits. Throughput: a beat a cycle, a
    group in 16 cycles: its sums leave while the next one's are formed, and a group that is complete before they have left
    makes everything wait.
    """

    module_name = "vector_unit"

    def __init__(self, engine: Engine) -> None:
        self.engine, self._chain = engine, Chain(engine)
        self._selector = Selector(LANES * engine.accumulator_bits)
        beat = {name: In(bits) for name, bits in beat_ports(engine).items()}
        sums = {
            "sum": Out(LANES * engine.accumulator_bits),
            "sum_column": Out(COLUMN_BITS),
            "sum_valid": Out(1),
            "sum_ready": In(1),
        }
        super().__init__({"valid": In(1), "ready": Out(1), **beat, **sums})

    @property
    def parts(self) -> tuple[Any, ...]:
        """One of each component that this one instantiates."""
        return *self._chain.parts, self._chain, *((self._selector,) if self.engine.sparse else ())

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        given = {name: getattr(self, name) for name in ("valid", *beat_ports(self.engine))}
        chain = place(m, self._chain, "chain", {**given, "advance": self.ready})
        width = added_bits(self.engine)
        added = [chain["added"].word_select(place, width).as_signed() for place in range(len(chain["added"]) // width)]
        banks = [added[place : place + LANES] for place in range(0, len(added), LANES)]
        begins = Signal(name="begins")
        # Columns that leave; the next group's may come when there are none, or with the last one.
        left = Signal(range(BLOCK + 1))
        leaves = Signal()
        beat = Beat(banks, chain["entry"], chain["there"], chain["ends"], begins, self.ready)
        leaving = (
            in_registers(m, self.engine, beat, self.sum_column, self._selector)
            if self.engine.sparse
            else in_memories(m, self.engine, beat, self.sum_column)
        )
        m.d.comb += [
            self.sum_valid.eq(left.any()),
            leaves.eq(self.sum_valid & self.sum_ready),
            self.ready.eq(~begins | ~self.sum_valid | ((left == 1) & leaves)),
            self.sum_column.eq(-left),
            self.sum.eq(leaving),
        ]
        with m.If(self.ready):
            m.d.sync += begins.eq(chain["ends"])
        with m.If(begins & self.ready):
            m.d.sync += left.eq(BLOCK)
        with m.Elif(leaves):
            m.d.sync += left.eq(left - 1)
        return m
