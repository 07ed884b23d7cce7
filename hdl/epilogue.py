"""The group epilogue as hardware: zero point, scale, fp32 sum across groups, token scale."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.arithmetic import float32
from hdl.arithmetic.float32 import Product
from hdl.arithmetic.scaled import GroupSum, arithmetic, scaled
from hdl.pe.ports import row_sum_shape, sum_shape
from hdl.pipeline import delayed
from hdl.placement import Wires, place
from hdl.ram import Ram
from sim import epilogue
from sim.design import DesignPoint


class Epilogue(wiring.Component):
    """What happens to a column's group sums, one row a cycle.

        corrected = sum - zero_point * row_sum                    rounded as ``sim.epilogue`` says
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

    Designs without zero points have neither ``zero_point`` nor ``row_sum``.

    Latency: ``sim.epilogue.LATENCY`` = 6 cycles from ``sum_valid`` to ``result_valid``: three of :mod:`hdl.arithmetic.scaled`,
    add, multiply, round. Throughput: one row a cycle. Row 0 comes first; the row counter starts with the token. All
    rows follow in consecutive cycles; corrected sums are such as a group can have, scales positive and finite. Tokens
    are at least as many cycles apart as there are rows, so the group's constants may change as soon as the last row
    has entered; scale and flags travel with the row from there on.

    Reading a running sum, adding to it and writing it back take one cycle, so one row may follow itself directly
    (an array of one row). Running sums need no reset: the first group does not read them. They are kept here, one for each
    row of the array, or in a memory of its own: the output scratchpad's.
    """

    module_name = "epilogue"

    def __init__(self, design: DesignPoint, totals: Ram | None = None) -> None:
        """``totals`` is where running sums are, if there are more rows of results than the array has."""
        self.design = design
        self.totals = totals
        from_left = {
            **({"row_sum": row_sum_shape(design)} if design.has_zero_points else {}),
            "token_scale": unsigned(epilogue.SCALE_BITS),
            "load": unsigned(1),
            "first_group": unsigned(1),
            "last_group": unsigned(1),
        }
        self.from_left = tuple(from_left)
        super().__init__(
            {
                "sum": In(sum_shape(design)),
                "sum_valid": In(1),
                "scale": In(epilogue.SCALE_BITS),
                **({"zero_point": In(design.zero_point_bits)} if design.has_zero_points else {}),
                **{name: In(shape) for name, shape in from_left.items()},
                **{f"{name}_out": Out(shape) for name, shape in from_left.items()},
                "result": Out(epilogue.OUTPUT_BITS),
                "result_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        for name in self.from_left:
            m.d.sync += getattr(self, f"{name}_out").eq(getattr(self, name))

        # The group at work, and the row whose sum comes next.
        scale = Signal(epilogue.SCALE_BITS)
        zero_point = Signal(self.design.zero_point_bits)
        first_group = Signal()
        last_group = Signal()
        # Verilog has no signals of zero bits, which count a single row.
        depth = self.totals.depth if self.totals else max(2, self.design.rows)
        row = Signal(range(depth))
        with m.If(self.load):
            m.d.sync += [
                scale.eq(self.scale),
                *([zero_point.eq(self.zero_point)] if self.design.has_zero_points else []),
                first_group.eq(self.first_group),
                last_group.eq(self.last_group),
                row.eq(0),
            ]
        with m.Elif(self.sum_valid):
            m.d.sync += row.eq(row + 1)

        # 1 to 3: correct and scale
        offset = (zero_point, self.row_sum) if self.design.has_zero_points else ()
        term = scaled(m, self.design, GroupSum(self.sum, self.sum_valid, scale, *offset))
        row_3 = delayed(m, "row_3", delayed(m, "row_2", delayed(m, "row_1", row)))
        first_3, last_3, token_3 = first_group, last_group, self.token_scale
        for stage in (1, 2, 3):
            first_3 = delayed(m, f"first_group_{stage}", first_3)
            last_3 = delayed(m, f"last_group_{stage}", last_3)
            token_3 = delayed(m, f"token_scale_{stage}", token_3)

        # 4: add
        totals = self._totals(m, depth)
        before = Signal(32)
        m.d.comb += before.eq(Mux(first_3, 0, totals["read_data"]))
        unit = arithmetic(self.design)
        total = unit.add(m, "total", before, term.number)
        m.d.comb += [totals["read_address"].eq(row_3), totals["write_address"].eq(row_3)]
        m.d.comb += [totals["write_data"].eq(total), totals["write"].eq(term.valid)]
        total_4 = delayed(m, "total_4", total)
        token_4 = delayed(m, "token_scale_4", token_3)
        valid_4 = delayed(m, "valid_4", term.valid & last_3)

        # 5: multiply
        exact = unit.product(m, "factor", total_4, float32.unpack_half(m, "token", token_4))
        exact_5 = Product(
            magnitude=delayed(m, "scaled", exact.magnitude),
            negative=delayed(m, "sign_5", exact.negative),
            exponent=delayed(m, "exponent_5", exact.exponent),
            special=None if exact.special is None else delayed(m, "special_5", exact.special),
        )
        valid_5 = delayed(m, "valid_5", valid_4)

        # 6: round
        m.d.sync += [self.result.eq(unit.round_product(m, "result", exact_5)), self.result_valid.eq(valid_5)]
        return m

    def _totals(self, m: Module, depth: int) -> Wires:
        """Ports of the memory of running sums."""
        if self.totals:
            members = self.totals.signature.members.items()
            inputs = {port: Signal(member.shape, name=f"totals_{port}") for port, member in members if member.flow == In}
            return inputs | place(m, self.totals, "totals", inputs)
        m.submodules.totals = totals = Memory(shape=unsigned(32), depth=depth, init=[])
        read = totals.read_port(domain="comb")
        write = totals.write_port()
        ports = {"write": write.en, "write_address": write.addr, "write_data": write.data}
        return {**ports, "read_address": read.addr, "read_data": read.data}
