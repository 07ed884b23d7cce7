"""The processing element as hardware: a product a cycle, added up group by group."""

from collections.abc import Callable

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring

from hdl.pe import aligned_sum, fields, fixed_sum, float_sum, fused, multiplier, shift_add, shift_only
from hdl.pe.ports import FORWARDED, lanes_of, pe_ports, sum_shape
from hdl.pe.term import Term, register
from hdl.placement import forward
from sim.design import DesignPoint
from sim.pe import Element

PRODUCTS: dict[str, Callable[[Module, Element, Value, Value], Term]] = {
    "shift_add": shift_add.product,
    "shift_add_float": fields.product,
    "minifloat": fields.product,
    "mixed": fields.product,
    "shift_only": shift_only.product,
    "multiplier": multiplier.product,
    "fused": fused.product,
}
"""PE kind to what forms its product; the name is that of its model."""


Flags = tuple[Value, Value]
"""``valid`` and ``last`` of what they are in step with."""


def product(m: Module, element: Element, weight: Value, activation: Value) -> Term:
    """The product of two codes, in its register if it has one."""
    term = PRODUCTS[element.kind](m, element, weight, activation)
    return term.registered(m, "product") if "product" in element.registers else term


class ProcessingElement(wiring.Component):
    """One multiply-accumulate of an array.

        sum = sum of the products of a group, by the design's accumulator; of each lane

    Ports: :func:`hdl.pe.ports.pe_ports`.

    Latency: ``DesignPoint.pe_latency``, that of the model's element and what products wait for their group
    (:mod:`hdl.pe.aligned_sum`). Registers between the operands and the sum are ``Element.registers``.
    Throughput: one MAC a cycle, groups back to back: the first product of a group overwrites the accumulator, which is
    therefore the output register too. Cycles without ``valid`` are bubbles and may stand anywhere.
    """

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        self.module_name = f"{design.pe}_pe"
        super().__init__(pe_ports(design))

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        forward(m, self, FORWARDED)
        element = self.design.element
        activations, weights = (
            lanes_of(port, lanes) for port, lanes in zip((self.activation, self.weight), element.lanes, strict=True)
        )
        terms = [product(m, element, weight, activation) for activation in activations for weight in weights]
        # After the first register the flags are those that the neighbour reads.
        flags: Flags = (self.valid_out, self.last_out) if element.registers else (self.valid, self.last)
        if "partial" in element.registers:
            flags = _later(m, "product", flags)
        if element.accumulation.family == "aligned":
            return self._aligned(m, terms[0], flags)  # no PE with lanes takes it
        terms = [self._placed(m, term) for term in terms]
        if "term" in element.registers:
            terms, flags = [term.registered(m, "term") for term in terms], _later(m, "term", flags)
        valid, last = flags
        fresh = Signal(init=1)
        totals = lanes_of(self.sum, len(terms))
        befores = [Signal(sum_shape(self.design), name="before") for _ in terms]
        m.d.comb += [before.eq(Mux(fresh, 0, total)) for before, total in zip(befores, totals, strict=True)]
        # Outside of the condition, which would otherwise gate every signal of the addition.
        added = [self._added(m, before, term) for before, term in zip(befores, terms, strict=True)]
        with m.If(valid):
            m.d.sync += [*(total.eq(sum_) for total, sum_ in zip(totals, added, strict=True)), fresh.eq(last)]
        m.d.sync += self.sum_valid.eq(valid & last)
        return m

    def _placed(self, m: Module, term: Term) -> Term:
        """The term as the accumulator adds it."""
        element = self.design.element
        if element.accumulation.is_float:
            return float_sum.normalised(m, element, term)
        return term if term.exponent is None else fixed_sum.placed(m, element, term)

    def _aligned(self, m: Module, term: Term, flags: Flags) -> Module:
        """Sums of aligned products; where all products have the same exponent, nothing waits."""
        element = self.design.element
        found = aligned_sum.Ready(term, Const(0, 0), *flags)
        if self.design.pe_latency > element.latency:
            found = aligned_sum.wait(m, self.design, found)
        addend: Value = aligned_sum.aligned(m, element, found)
        largest, valid, last = found.largest, found.valid, found.last
        if "term" in element.registers:
            addend, largest = register(m, "term", addend), register(m, "largest", largest)
            valid, last = _later(m, "term", (valid, last))
        fresh = Signal(init=1)
        total = Signal(signed(self.design.accumulator_bits), name="total")
        m.d.comb += total.eq(Mux(fresh, 0, self.sum[: len(total)].as_signed()) + addend)
        with m.If(valid):
            m.d.sync += [self.sum.eq(Cat(total, largest)), fresh.eq(last)]
        m.d.sync += self.sum_valid.eq(valid & last)
        return m

    def _added(self, m: Module, before: Signal, term: Term) -> Value:
        element = self.design.element
        if element.accumulation.is_float:
            return float_sum.add(m, element, before, term)
        total = fixed_sum.add(m, before, term)
        if element.accumulation.family == "saturate":
            return fixed_sum.saturated(m, total, element.accumulation.number)
        return total


def _later(m: Module, name: str, flags: Flags) -> Flags:
    """The flags one cycle later."""
    valid, last = flags
    return register(m, f"{name}_valid", valid), register(m, f"{name}_last", last)
