"""The foot of a column whose sums pass through: folds of a group are added up."""

from amaranth import Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hdl.placement import forward
from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS

FLAGS = ("valid", "first", "group_begins", "group_ends")
"""Inputs of a foot that the one to the right has a cycle later."""


def streamed_rows(design: DesignPoint) -> int:
    """The longest stream of an array whose weights stay: as many results of each column as the output scratchpad holds."""
    return max(2, design.scratchpads["output"].bits // (design.columns * OUTPUT_BITS))


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
    first fold does not read them. Where every group is one fold there is no memory.
    """

    def __init__(self, design: DesignPoint, name: str, shape: Shape) -> None:
        self.design = design
        self.module_name = name
        super().__init__(
            {
                "sum": In(shape),
                **{name: In(1) for name in FLAGS},
                **{f"{name}_out": Out(1) for name in FLAGS},
                "total": Out(shape),
                "total_valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        forward(m, self, FLAGS)
        m.d.sync += self.total_valid.eq(self.valid & self.group_ends)
        if self.design.group_size <= self.design.rows:
            m.d.sync += self.total.eq(self.sum)
            return m
        depth = streamed_rows(self.design)
        row, following = Signal(range(depth)), Signal(range(depth))
        m.d.comb += row.eq(Mux(self.first, 0, following))
        m.d.sync += following.eq(row + self.valid)
        m.submodules.totals = totals = Memory(shape=self.sum.shape(), depth=depth, init=[])
        read = totals.read_port(domain="comb")
        write = totals.write_port()
        total = Signal(self.sum.shape(), name="with_this_fold")
        m.d.comb += [
            read.addr.eq(row),
            total.eq(self.sum + Mux(self.group_begins, 0, read.data)),
            write.addr.eq(row),
            write.data.eq(total),
            write.en.eq(self.valid & ~self.group_ends),
        ]
        m.d.sync += self.total.eq(total)
        return m
