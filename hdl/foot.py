"""The foot of a column whose sums pass through: folds of a group are added up."""

from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.placement import forward, place
from hdl.ram import Ram
from sim.accelerator.depths import result_depth
from sim.design import DesignPoint

FLAGS = ("valid", "first", "group_begins", "group_ends")
"""Inputs of a foot that the one to the right has a cycle later."""


def streamed_rows(design: DesignPoint) -> int:
    """The longest stream of an array whose weights stay: its totals are the output scratchpad's."""
    return max(2, result_depth(design))


class Foot(wiring.Component):
    """A column's sums of a fold, those of the same group's folds before it added.

        total[i] = (group begins ? 0 : total[i]) + sum      of row i of the stream

    Ports:

    ======================== ============= ====================================================================
    sum                      in            of the column's last row
    valid, first             in 1          it belongs to a streamed operand; that is the first one of the fold
    group_begins, group_ends in 1          the fold is its group's first one, its last one
    \\*_out                   out 1         the four flags, one cycle later
    total, total_valid       out, 1        the group's sum, while ``total_valid``
    ======================== ============= ====================================================================

    Latency: ``sim.array.weight_stationary.FOOT_CYCLES`` = 1. Throughput: one row a cycle. Totals are read, added to and
    written in one cycle, so that the one row of a short stream may follow itself directly. They need no reset: a group's
    first fold does not read them. They are the output scratchpad's, in a memory of their own; where every group is one fold
    there are none.
    """

    def __init__(self, design: DesignPoint, name: str, shape: Shape) -> None:
        self.design = design
        self.module_name = name
        several = design.group_size > design.rows
        self._totals = Ram(f"{name}_totals", shape.width, streamed_rows(design), asynchronous=True) if several else None
        super().__init__(
            {
                "sum": In(shape),
                **{name: In(1) for name in FLAGS},
                **{f"{name}_out": Out(1) for name in FLAGS},
                "total": Out(shape),
                "total_valid": Out(1),
            }
        )

    @property
    def parts(self) -> tuple[Ram, ...]:
        """The component that this one instantiates, if it does."""
        return (self._totals,) if self._totals else ()

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        forward(m, self, FLAGS)
        m.d.sync += self.total_valid.eq(self.valid & self.group_ends)
        if not self._totals:
            m.d.sync += self.total.eq(self.sum)
            return m
        row, following = self._totals.address("row"), self._totals.address("following")
        m.d.comb += row.eq(Mux(self.first, 0, following))
        m.d.sync += following.eq(row + self.valid)
        total = Signal(self.sum.shape(), name="with_this_fold")
        inputs = {"write": self.valid & ~self.group_ends, "write_address": row, "write_data": total, "read_address": row}
        before = place(m, self._totals, "totals", inputs)["read_data"].as_signed()
        m.d.comb += total.eq(self.sum + Mux(self.group_begins, 0, before))
        m.d.sync += self.total.eq(total)
        return m
