"""The shift-and-add PE as hardware: one carry chain for each pair of weight bits instead of a multiplier."""

from amaranth import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sim.design import DesignPoint


class ShiftAddPE(wiring.Component):
    """One multiply-accumulate of an output-stationary array.

        product = sum over weight bits b of (bit b of w ? a << b : 0),  the top bit subtracted where w is signed
        sum     = sum of the products of a group

    Ports (w, a: widths of the weight's and the activation's code):

    ============== ============================= ===========================================================
    weight         in w                          code of the weight
    activation     in a                          code of the activation
    valid, last    in 1                          this cycle holds an operand; it is its group's last
    \\*_out         out                           the four inputs, one cycle later, for the neighbours
    sum            out signed accumulator_bits   the group's sum while ``sum_valid``
    sum_valid      out 1                         high for one cycle a group
    ============== ============================= ===========================================================

    Latency: 2 cycles from the last operand to ``sum`` (product register, sum register). Throughput: one MAC a
    cycle, groups back to back: the first product of a group overwrites the accumulator, which is therefore the
    output register too. Cycles without ``valid`` are bubbles and may stand anywhere.

    Rows of the product are added in pairs ``(w0 ? a : 0) + ((w1 ? a : 0) << 1)``: both maskings fit into the look-up
    table in front of the carry chain, so a pair costs one chain. The sums are kept as named nets because Yosys
    otherwise merges the chains into one multi-operand adder that is larger (``alumacc``, ``maccmap``).
    """

    module_name = "shift_add_pe"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        super().__init__(
            {
                "weight": In(unsigned(design.weight.bits)),
                "activation": In(unsigned(design.activation.bits)),
                "valid": In(1),
                "last": In(1),
                "weight_out": Out(unsigned(design.weight.bits)),
                "activation_out": Out(unsigned(design.activation.bits)),
                "valid_out": Out(1),
                "last_out": Out(1),
                "sum": Out(signed(design.accumulator_bits)),
                "sum_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        m.d.sync += [
            self.weight_out.eq(self.weight),
            self.activation_out.eq(self.activation),
            self.valid_out.eq(self.valid),
            self.last_out.eq(self.last),
        ]
        # The product's flags are in step with it: they are the registers that the neighbour reads.
        product = Signal(signed(self.design.element.sum_bits(1)))
        m.d.sync += product.eq(self._product(m))
        fresh = Signal(init=1)
        with m.If(self.valid_out):
            m.d.sync += [
                # The product is the carry chain's direct input, so masking the other one costs no table of its own.
                self.sum.eq(product + Mux(fresh, 0, self.sum)),
                fresh.eq(self.last_out),
            ]
        m.d.sync += self.sum_valid.eq(self.valid_out & self.last_out)
        return m

    def _product(self, m: Module) -> Value:
        """Rows added in pairs, then pairs in pairs: every adder has the width that the model names for it."""
        weight = self.design.weight
        widths = iter(self.design.element.adder_widths(1)[:-1])
        terms: list[tuple[Value, bool]] = []  # a number, and whether it is to be subtracted
        for bit in range(weight.bits):
            row = Signal(signed(self.design.activation.bits), name=f"row_{bit}")
            m.d.comb += row.eq(Mux(self.weight[bit], self.activation.as_signed(), 0))
            terms.append((row, weight.signed and bit == weight.bits - 1))
        shift = 1
        while len(terms) > 1:
            pairs: list[tuple[Value, bool]] = []
            for (low, _), (high, negative) in zip(terms[::2], terms[1::2], strict=False):
                pair = Signal(signed(next(widths)), name=f"pair_{shift}_{len(pairs)}", attrs={"keep": 1})
                m.d.comb += pair.eq(low - (high << shift) if negative else low + (high << shift))
                pairs.append((pair, False))
            terms = pairs + terms[len(pairs) * 2 :]
            shift *= 2
        product, negative = terms[0]
        return -product if negative else product
