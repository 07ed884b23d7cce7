"""The stimulus player: it drives a module cycle by cycle and writes down what comes out, many cycles a visit.

A simulator spends most of its time in Python when Python looks at every cycle. The player is hardware around the
module under test: Python leaves the inputs of ``depth`` cycles on one wide port and comes back ``depth`` cycles later
to find the outputs of all of them on another.
"""

from amaranth import Cat, ClockSignal, Instance, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WIDEST_PORT = 8192
"""[bit] Verilator passes no wider value to VPI as a string (VL_VALUE_STRING_MAX_WIDTH in verilatedos.h)."""

RESET = "rst"
"""The reset of the module under test is an input like any other."""


class Player(wiring.Component):
    """Plays chunks of ``depth`` cycles.

    Ports: ``stimulus`` in, ``response`` out, word p of each belonging to cycle p of a chunk, lowest bits first; the
    fields of a word are the module's inputs and outputs in the order of ``inputs`` and ``outputs``.

    The first chunk starts with the cycle that the first rising edge ends. During cycle 0 of a chunk ``response`` holds
    the whole previous chunk. Latency: none, the module sees word p in cycle p, and its outputs of cycle p are word p.
    """

    module_name = "player"

    def __init__(self, component: wiring.Component) -> None:
        members = component.signature.members
        widths = {name: (member.flow, Shape.cast(member.shape).width) for name, member in members.items()}
        self.inputs = {RESET: 1, **{name: width for name, (flow, width) in widths.items() if flow == In}}
        self.outputs = {name: width for name, (flow, width) in widths.items() if flow == Out}
        self.tested_module = component.module_name
        self.depth = max(1, WIDEST_PORT // max(sum(self.inputs.values()), sum(self.outputs.values())))
        super().__init__(
            {
                "stimulus": In(self.depth * sum(self.inputs.values())),
                "response": Out(self.depth * sum(self.outputs.values())),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        position = Signal(range(self.depth))
        m.d.sync += position.eq(position + 1)
        with m.If(position == self.depth - 1):
            m.d.sync += position.eq(0)

        inputs = [Signal(width, name=name) for name, width in self.inputs.items()]
        outputs = [Signal(width, name=name) for name, width in self.outputs.items()]
        word = Cat(*inputs)
        seen = Cat(*outputs)
        m.d.comb += word.eq(self.stimulus.word_select(position, len(word)))
        m.d.sync += self.response.eq(Cat(self.response[len(seen) :], seen))
        m.submodules.tested = Instance(
            self.tested_module,
            i_clk=ClockSignal(),
            **{f"i_{signal.name}": signal for signal in inputs},
            **{f"o_{signal.name}": signal for signal in outputs},
        )
        return m
