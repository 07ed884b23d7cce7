"""The dequantization unit of a vector unit as hardware: codes of weights become 8-bit integers, a beat's at once."""

from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.decoder import logic
from sim.formats import Format
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.engine import BLOCK, Engine

WEIGHT_BITS = 8


def formats_of(engine: Engine) -> list[Format]:
    """What an engine's weights may be, by number."""
    return [EXPANDED[name] for name in engine.weight_formats]


def code_bits(engine: Engine) -> int:
    """Width [bit] of a code's place in a beat: that of the widest format."""
    return max(format_.bits for format_ in formats_of(engine))


def zero_bits(engine: Engine) -> int:
    """Width [bit] of a column's zero point, 0 of engines without formats that have one."""
    return max((f.bits for f in formats_of(engine) if f.is_integer and not f.signed), default=0)


class Dequantizer(wiring.Component):
    """The integers of :func:`sim.overlay.dequantizer.expand`, in a stream.

    Ports:

    ============== ================== ==============================================================================
    valid, ready   in, out            of a beat
    codes          in                 of a beat of ``mv``, each in ``code_bits``, the first lowest; where the lanes of ``mm``
                                      are tokens, a beat of that has the lower half
    format         in                 number of their format in ``Engine.weight_formats``
    zeros          in                 zero points of the dense columns that a beat has side by side; 0 for none
    weights        out 8 each         integers, a cycle later
    weights_valid  out, in            and ``weights_ready``
    ============== ================== ==============================================================================

    Without unsigned formats there is no ``zeros``. Latency: 1 cycle (``sim.overlay.dequantizer.LATENCY``). Throughput: a beat a
    cycle, so that multipliers never wait for it. Why: an expander is a few LUTs for each multiplier, the logic of each format
    beside the others.
    """

    module_name = "dequantizer"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        ports = {
            "valid": In(1),
            "ready": Out(1),
            "codes": In(code_bits(engine) * engine.weights("mv")),
            "format": In(range(max(2, len(engine.weight_formats)))),
            "weights": Out(WEIGHT_BITS * engine.weights("mv")),
            "weights_valid": Out(1),
            "weights_ready": In(1),
        }
        if zero_bits(engine):
            ports["zeros"] = In(zero_bits(engine) * -(-engine.weights("mv") // BLOCK))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        chosen = Signal(len(self.engine.weight_formats), name="chosen")
        m.d.comb += [chosen.eq(1 << self.format), self.ready.eq(~self.weights_valid | self.weights_ready)]
        with m.If(self.ready):
            m.d.sync += self.weights_valid.eq(self.valid)
            for index in range(self.engine.weights("mv")):
                code = self.codes.word_select(index, code_bits(self.engine))
                m.d.sync += self.weights.word_select(index, WEIGHT_BITS).eq(self._expanded(m, index, code, chosen))
        return m

    def _expanded(self, m: Module, index: int, code: Value, chosen: Value) -> Value:
        """The integer of a code in whichever format is chosen."""
        found = []
        for number, format_ in enumerate(formats_of(self.engine)):
            expanded = Signal(signed(WEIGHT_BITS), name=f"expanded_{index}_{number}")
            value = logic(m, format_, code[: format_.bits])["number"]
            if format_.is_integer and not format_.signed:
                value = value - self.zeros.word_select(index // BLOCK, zero_bits(self.engine))[: format_.bits]
            m.d.comb += expanded.eq(Mux(chosen[number], value, 0))
            found.append(expanded)
        return reduce(or_, found)
