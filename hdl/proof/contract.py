"""What a component may be fed: hardware that makes inputs that keep its contract out of any inputs.

Those that keep it already pass unchanged, so a proof about a component behind it is one for all that it may be fed. All
start from power-up, which leaves registers as a reset does, and a reset may come at any time.
"""

from collections.abc import Callable, Mapping, Sequence

from amaranth import Cat, Const, Module, Mux, ResetSignal, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.bench.vectors import RESET, input_widths
from hdl.verify.codes import codes_of
from sim.design import DesignPoint
from sim.formats import Format

Inputs = Mapping[str, Value]
Rule = Callable[[Module, Inputs], Inputs]
"""Adds logic that makes inputs into ones that keep a contract; returns those that may differ from what is given."""

KEPT = "kept_"


class Contract(wiring.Component):
    """A component's inputs in, and in the same cycle out as ``kept_<input>``, those that keep the rule unchanged."""

    module_name = "contract"

    def __init__(self, component: wiring.Component, rule: Rule) -> None:
        self.rule = rule
        self.widths = {name: width for name, width in input_widths(component).items() if name != RESET}
        ins = {name: In(width) for name, width in self.widths.items()}
        super().__init__({**ins, **{KEPT + name: Out(width) for name, width in self.widths.items()}})

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        given = {name: getattr(self, name) for name in self.widths}
        kept = {**given, **self.rule(m, given)}
        m.d.comb += [getattr(self, KEPT + name).eq(value) for name, value in kept.items()]
        return m


def of_operands(design: DesignPoint) -> Rule:
    """Of a PE and of a row sum: operands so far apart as the PE takes them, as many as a group may have, all numbers."""

    def rule(m: Module, given: Inputs) -> Inputs:
        valid = _apart(m, given["valid"], design.element.interval)
        place, last = Signal(range(design.group_size + 1)), Signal()
        # What comes with a reset is lost, and so may be a group that does not end.
        m.d.comb += last.eq(given["last"] | (valid & (place == design.group_size - 1) & ~ResetSignal()))
        with m.If(valid):
            m.d.sync += place.eq(Mux(last, 0, place + 1))
        operands = {"weight": design.weight, "activation": design.activation}
        numbers = {name: _number(given[name], operands[name], valid) for name in operands if name in given}
        return {"valid": valid, "last": last, **numbers}

    return rule


def of_epilogue(design: DesignPoint, rows: int) -> Rule:
    """Tokens as far apart as there are rows, whose sums follow them; an output begins with its first group.

    Scales are positive and finite, and a corrected sum is not larger than one of a whole group can be.
    """

    def rule(m: Module, given: Inputs) -> Inputs:
        left, load = Signal(range(rows + 1)), Signal()
        m.d.comb += load.eq(given["load"] & (left <= 1))
        m.d.sync += left.eq(Mux(load, rows, Mux(left == 0, 0, left - 1)))
        begins, valid, zero_point = Signal(init=1), Signal(), Signal(design.zero_point_bits)
        first = given["first_group"] | (load & begins)
        m.d.comb += valid.eq(left != 0)
        with m.If(load):
            m.d.sync += [begins.eq(given["last_group"]), zero_point.eq(given["zero_point"])]
        total, row_sum = given["sum"].as_signed(), given["row_sum"].as_signed()
        corrected = Signal(signed(len(total) + len(row_sum) + len(zero_point)))
        m.d.comb += corrected.eq(total - zero_point * row_sum)
        largest = design.group_size * design.weight.magnitude * design.activation.magnitude
        fits = ~valid | ((corrected <= largest) & (corrected >= -largest))
        return {
            "load": load,
            "sum_valid": valid,
            "first_group": first,
            "scale": Mux(load, _positive(given["scale"]), given["scale"]),
            "token_scale": Mux(valid, _positive(given["token_scale"]), given["token_scale"]),
            "sum": Mux(fits, given["sum"], 0),
            "row_sum": Mux(fits, given["row_sum"], 0),
        }

    return rule


def of_array(design: DesignPoint) -> Rule:
    """Operands as for a PE whose groups end as far apart as the array is long; an output begins with its first group."""

    def rule(m: Module, given: Inputs) -> Inputs:
        wait, begins, ends = Signal(range(max(design.rows, design.columns) + 1)), Signal(init=1), Signal()
        kept = dict(of_operands(design)(m, {"valid": given["valid"] & ((wait == 0) | ~given["last"]), "last": given["last"]}))
        first = given["first_group"] | (ends & begins)
        m.d.comb += ends.eq(kept["valid"] & kept["last"])
        m.d.sync += wait.eq(Mux(ends, max(design.rows, design.columns) - 1, Mux(wait == 0, 0, wait - 1)))
        with m.If(ends):
            m.d.sync += begins.eq(given["last_group"])
        return {**kept, "first_group": first}

    return rule


def _apart(m: Module, valid: Value, cycles: int) -> Signal:
    """``valid`` where no other one was in as many cycles less one before."""
    wait, kept = Signal(range(max(2, cycles))), Signal()
    m.d.comb += kept.eq(valid & (wait == 0))
    m.d.sync += wait.eq(Mux(kept, cycles - 1, Mux(wait == 0, 0, wait - 1)))
    return kept


def _number(codes: Value, format_: Format, valid: Value) -> Value:
    """Codes side by side, zero instead of those that are no numbers where it matters."""
    others = sorted(set(range(1 << format_.bits)) - set(codes_of(format_).tolist()))
    if not others:
        return codes
    lanes = [codes.word_select(lane, format_.bits) for lane in range(len(codes) // format_.bits)]
    return Cat(Mux(valid & lane.matches(*_patterns(others, format_.bits)), 0, lane) for lane in lanes)


def _patterns(codes: Sequence[int], bits: int) -> Sequence[str]:
    """What matches these codes: one pattern if they are all that have some bits in common, as NaN and infinities do."""
    alike = [{code >> place & 1 for code in codes} for place in reversed(range(bits))]
    pattern = "".join("-" if len(values) > 1 else str(*values) for values in alike)
    return [pattern] if len(codes) == 1 << pattern.count("-") else [f"{code:0{bits}b}" for code in codes]


def _positive(code: Value) -> Value:
    """A positive finite fp16 number's code from any."""
    return Cat(code[:14], code[14] & ~code[10:14].all(), Const(0, 1))
