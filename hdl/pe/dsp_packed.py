"""The PE of a DSP slice: two or four products of short integers in one wide multiplication."""

from amaranth import Cat, ClockSignal, Const, Instance, Module, Mux, ResetSignal, Signal, Value, signed
from amaranth.lib import wiring

from hdl.pe.ports import FORWARDED, pe_ports
from hdl.placement import forward
from sim.design import DesignPoint
from sim.pe.dsp_packed import A_BITS, B_BITS, INT4, P_BITS, DspPacked

STAGES = 4
"""Cycles from the operands to the slice's sum."""


class DspPackedPE(wiring.Component):
    """A slice adds up a run of products; then its lanes are taken apart and added to sums beside it.

    Ports: :func:`hdl.pe.ports.pe_ports`. The slice is a module of its own, so that it may be the primitive or its twin.
    Latency: 6 cycles: the slice's four, lanes, sums. Throughput: 2 or 4 MACs a cycle.
    """

    module_name = "dsp_packed_pe"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        super().__init__(pe_ports(design))

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        forward(m, self, FORWARDED)
        element = self.design.element
        assert isinstance(element, DspPacked)
        place = Signal(range(max(2, element.run_length)))
        run_ends = Signal()
        m.d.comb += run_ends.eq(self.last | (place == element.run_length - 1))
        with m.If(self.valid):
            m.d.sync += place.eq(Mux(run_ends, 0, place + 1))
        flags = {"valid": self.valid, "last": self.last, "ends": self.valid & run_ends, "keep": place.any()}
        stages = [flags]
        for stage in range(1, STAGES + 1):
            registers = {name: Signal(name=f"{name}_{stage}") for name in flags}
            m.d.sync += [register.eq(stages[-1][name]) for name, register in registers.items()]
            stages.append(registers)

        weights, activations = self._numbers()
        p = self._slice(m, element, weights, activations, stages[2])
        lanes = self._lanes(m, element, p, self._weight_sums(m, weights, stages[STAGES - 1]))
        taken, last = Signal(name="taken"), Signal(name="last_taken")
        m.d.sync += [taken.eq(stages[STAGES]["ends"]), last.eq(stages[STAGES]["last"])]
        fresh = Signal(init=1)
        bits = self.design.accumulator_bits
        for index, lane in enumerate(lanes):
            total = self.sum[index * bits : (index + 1) * bits]
            with m.If(taken):
                m.d.sync += total.eq(Mux(fresh, 0, total).as_signed() + lane)
        with m.If(taken):
            m.d.sync += fresh.eq(last)
        m.d.sync += self.sum_valid.eq(taken & last)
        return m

    def _numbers(self) -> tuple[list[Value], list[Value]]:
        """Weights as numbers, activations as codes."""
        d = self.design
        weights = [self.weight.word_select(j, d.weight.bits) for j in range(len(self.weight) // d.weight.bits)]
        activations = [
            self.activation.word_select(i, d.activation.bits) for i in range(len(self.activation) // d.activation.bits)
        ]
        return [w.as_signed() if d.weight.signed else w for w in weights], activations

    def _slice(
        self, m: Module, element: DspPacked, weights: list[Value], activations: list[Value], flags: dict[str, Signal]
    ) -> Signal:
        """The operands packed for the slice; its sum."""
        distance = element.packing.lane_bits
        a, d, b = (Signal(signed(bits), name=name) for name, bits in (("a", A_BITS), ("d", A_BITS), ("b", B_BITS)))
        if element.packing is INT4:
            # With its sign bit inverted, a code is the number plus the offset, as plain binary.
            plain = [code ^ element.offset for code in activations]
            gap = Const(0, distance - len(plain[0]))
            m.d.comb += [a.eq(weights[0]), d.eq(weights[1] << 2 * distance), b.eq(Cat(plain[0], gap, plain[1]))]
        else:
            numbers = [code.as_signed() for code in activations]
            m.d.comb += [a.eq(numbers[0]), d.eq(numbers[1] << distance), b.eq(weights[0])]
        p = Signal(signed(P_BITS))
        operands = {"i_a": a, "i_d": d, "i_b": b, "i_add": flags["valid"], "i_keep": flags["keep"]}
        m.submodules.slice = Instance("dsp_slice", i_clk=ClockSignal(), i_rst=ResetSignal(), **operands, o_p=p)
        return p

    def _weight_sums(self, m: Module, weights: list[Value], flags: dict[str, Signal]) -> list[Signal]:
        """Sums of a run's weights, in step with the slice's sum."""
        sums = []
        for j, weight in enumerate(weights):
            delayed: Value = weight
            for stage in range(1, STAGES):
                register = Signal(weight.shape(), name=f"weight_{j}_{stage}")
                m.d.sync += register.eq(delayed)
                delayed = register
            total = Signal(signed(P_BITS // 2), name=f"weights_{j}")
            with m.If(flags["valid"]):
                m.d.sync += total.eq(Mux(flags["keep"], total, 0) + delayed)
            sums.append(total)
        return sums

    def _lanes(self, m: Module, element: DspPacked, p: Signal, weight_sums: list[Signal]) -> list[Signal]:
        """Sums of a run ``[activation, weight]``, a cycle after the slice's: each lane gives back what it borrowed."""
        rows, columns = element.packing.activations, element.packing.weights
        rest: Value = p
        found: dict[tuple[int, int], Signal] = {}
        for lane in range(element.packing.lanes):
            bits = element.packing.bits_of(lane)
            number, register = Signal(signed(bits), name=f"number_{lane}"), Signal(signed(bits + 1), name=f"lane_{lane}")
            column, row = divmod(lane, rows)
            m.d.comb += number.eq(rest[:bits])
            m.d.sync += register.eq(number - weight_sums[column] * element.offset)
            found[row, column] = register
            if lane < element.packing.lanes - 1:
                above = Signal(signed(len(rest) - bits), name=f"above_{lane}")
                m.d.comb += above.eq(rest[bits:].as_signed() + number[-1])
                rest = above
        return [found[row, column] for row in range(rows) for column in range(columns)]
