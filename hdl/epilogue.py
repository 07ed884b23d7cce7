"""The group epilogue as hardware: zero point, scale, fp32 sum across groups, token scale."""

from amaranth import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl import float32
from sim import epilogue
from sim.design import DesignPoint


class Epilogue(wiring.Component):
    """What happens to a column's group sums, one row a cycle.

        corrected = sum - zero_point * row_sum
        total[r]  = fp32((first group ? 0 : total[r]) + fp32(scale * corrected))
        result    = fp32(token_scale * total[r])                  after the last group

    Ports:

    =========================== ========================= =================================================
    sum, sum_valid              in accumulator_bits, 1    the column's bus
    row_sum, token_scale        in row_sum_bits, 16       of the row that is on the bus; from the left
    load                        in 1                      a group's token: its sums follow from the next cycle
    first_group, last_group     in 1                      of an output, with ``load``
    scale, zero_point           in 16, zero_point_bits    of the group and this column, with ``load``
    row_sum_out ... last_group_out                        the five inputs from the left, one cycle later
    result, result_valid        out 32, 1                 fp32, for one cycle a row of the last group
    =========================== ========================= =================================================

    Latency: ``sim.epilogue.LATENCY`` = 6 cycles from ``sum_valid`` to ``result_valid``: correct, multiply, round, add,
    multiply, round. Throughput: one row a cycle. Row 0 comes first; the row counter starts with the token. Tokens
    are at least as many cycles apart as there are rows, so the group's constants may change as soon as the last row
    has entered; scale and flags travel with the row from there on.

    Reading a running sum, adding to it and writing it back take one cycle, so one row may follow itself directly
    (an array of one row). Running sums need no reset: the first group does not read them.
    """

    module_name = "epilogue"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        from_left = {
            "row_sum": signed(design.row_sum_bits),
            "token_scale": unsigned(epilogue.SCALE_BITS),
            "load": unsigned(1),
            "first_group": unsigned(1),
            "last_group": unsigned(1),
        }
        super().__init__(
            {
                "sum": In(signed(design.accumulator_bits)),
                "sum_valid": In(1),
                "scale": In(epilogue.SCALE_BITS),
                "zero_point": In(design.zero_point_bits),
                **{name: In(shape) for name, shape in from_left.items()},
                **{f"{name}_out": Out(shape) for name, shape in from_left.items()},
                "result": Out(epilogue.OUTPUT_BITS),
                "result_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        for name in ("row_sum", "token_scale", "load", "first_group", "last_group"):
            m.d.sync += getattr(self, f"{name}_out").eq(getattr(self, name))

        # The group at work, and the row whose sum comes next.
        scale = Signal(epilogue.SCALE_BITS)
        zero_point = Signal(self.design.zero_point_bits)
        first_group = Signal()
        last_group = Signal()
        depth = max(2, self.design.rows)  # Verilog has no signals of zero bits, which count a single row
        row = Signal(range(depth))
        with m.If(self.load):
            m.d.sync += [
                scale.eq(self.scale),
                zero_point.eq(self.zero_point),
                first_group.eq(self.first_group),
                last_group.eq(self.last_group),
                row.eq(0),
            ]
        with m.Elif(self.sum_valid):
            m.d.sync += row.eq(row + 1)

        # 1: correct
        corrected = Signal(signed(self.design.corrected_bits), reset_less=True)
        m.d.sync += corrected.eq(self.sum - zero_point * self.row_sum)
        valid_1 = self._delayed(m, "valid_1", self.sum_valid)

        # 2: multiply. The magnitude of the most negative corrected sum fits too: the width is symmetric.
        magnitude = Signal(self.design.corrected_bits - 1)
        m.d.comb += magnitude.eq(Mux(corrected < 0, -corrected, corrected))
        half = float32.unpack_half(m, "scale", self._delayed(m, "scale_1", scale))
        product = Signal(len(magnitude) + float32.HALF_SIGNIFICAND_BITS, reset_less=True)
        m.d.sync += product.eq(magnitude * half.significand)
        sign_2 = self._delayed(m, "sign_2", corrected < 0)
        exponent_2 = self._delayed(m, "exponent_2", half.exponent)
        valid_2 = self._delayed(m, "valid_2", valid_1)

        # 3: round
        lsb = exponent_2 + (float32.BIAS - float32.HALF_LSB)
        term = self._delayed(m, "term_3", float32.round_integer(m, "term", sign_2, product, lsb))
        valid_3 = self._delayed(m, "valid_3", valid_2)
        row_3 = self._delayed(m, "row_3", self._delayed(m, "row_2", self._delayed(m, "row_1", row)))
        first_3, last_3, token_3 = first_group, last_group, self.token_scale
        for stage in (1, 2, 3):
            first_3 = self._delayed(m, f"first_group_{stage}", first_3)
            last_3 = self._delayed(m, f"last_group_{stage}", last_3)
            token_3 = self._delayed(m, f"token_scale_{stage}", token_3)

        # 4: add
        m.submodules.totals = totals = Memory(shape=unsigned(32), depth=depth, init=[])
        read = totals.read_port(domain="comb")
        write = totals.write_port()
        before = Signal(32)
        m.d.comb += before.eq(Mux(first_3, 0, read.data))
        total = float32.add(m, "total", before, term)
        m.d.comb += [read.addr.eq(row_3), write.addr.eq(row_3), write.data.eq(total), write.en.eq(valid_3)]
        total_4 = self._delayed(m, "total_4", total)
        token_4 = self._delayed(m, "token_scale_4", token_3)
        valid_4 = self._delayed(m, "valid_4", valid_3 & last_3)

        # 5: multiply
        half = float32.unpack_half(m, "token", token_4)
        scaled = Signal(float32.SIGNIFICAND_BITS + float32.HALF_SIGNIFICAND_BITS, reset_less=True)
        m.d.sync += scaled.eq(float32.significand_of(m, "factor", total_4) * half.significand)
        sign_5 = self._delayed(m, "sign_5", total_4[31])
        lsb = Signal(float32.EXPONENT_BITS)
        m.d.comb += lsb.eq(total_4[23:31] + half.exponent - (float32.FRACTION_BITS + float32.HALF_LSB))
        exponent_5 = self._delayed(m, "exponent_5", lsb)
        valid_5 = self._delayed(m, "valid_5", valid_4)

        # 6: round
        m.d.sync += [
            self.result.eq(float32.round_integer(m, "result", sign_5, scaled, exponent_5)),
            self.result_valid.eq(valid_5),
        ]
        return m

    def _delayed(self, m: Module, name: str, value: Value) -> Signal:
        """``value`` one cycle later; only what is valid needs a reset."""
        register = Signal(unsigned(len(value)), name=name, reset_less=not name.startswith("valid"))
        m.d.sync += register.eq(value)
        return register
