"""The weight-stationary array: weights that stay, activations from the left, sums that pass down to each column's foot."""

from typing import Any

from amaranth import Const, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.epilogue import Epilogue
from hdl.foot import FLAGS, Foot, streamed_rows
from hdl.pe.ports import row_sum_shape, sum_shape
from hdl.pe.stationary import StationaryPE
from hdl.placement import Wires, delay_line, place
from hdl.ram import Ram
from hdl.row_sum import RowSumStage
from sim import epilogue
from sim.design import DesignPoint


class WeightStationaryArray(wiring.Component):
    """R x C processing elements: rows along the reduction, columns along the results' columns.

        result[i, c] = fp32(token_scale[i] * sum over groups of scale[c] * (sum of w*a - zero_point[c] * sum of a))

    with the roundings of ``sim.epilogue``, for row i of the stream. A group is one or more folds of up to R operands; rows
    that a fold leaves idle are fed activations of zero.

    Ports, with l the cycle in which a fold's loading begins, s that of its first streamed operand (r < R, c < C):

    =============================== ============================= ===========================================
    weight_c, load                  in codes, 1                   row r in cycle l + r; ``load`` in cycle l only
    activation_r                    in codes                      row i of the stream for all rows in cycle s + i
    valid, first                    in 1                          an operand is there; it is the fold's first one
    group_begins, group_ends        in 1                          the fold is its group's first, last; while ``valid``
    first_group, last_group         in 1                          of an output; with ``first`` of the group's last fold
    scale_c, zero_point_c           in 16, zero_point_bits        of the group, in cycle s + R - 1 + c + L
    token_scale                     in 16                         of row i, in cycle s + i + R + L
    result_c, result_valid_c        out 32, 1                     of row i, in cycle s + i + R - 1 + c + L + 1 + 6
    =============================== ============================= ===========================================

    L is the latency of the PE; ``scale_c`` and ``token_scale`` are those of folds that end a group. Row r and column c
    are delayed r and c cycles inside. Latency: PE, foot and epilogue, see ``sim.array.result_cycles``. Throughput: R * C
    MACs a cycle. A fold is loaded before its stream begins, and not before that of the fold before it has; R cycles are
    between two loadings, and a stream does not begin before the one before it has ended. Streams have no bubbles inside
    and are no longer than :func:`hdl.foot.streamed_rows`. Designs without zero points have neither their ports nor row sums.

    A row of weights is on the port for one cycle and must be in its row in the same one, as the stream comes close
    behind: so a column's weights are a bus along its PEs, and what moves from PE to PE is the token that says who takes it.
    """

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        self.module_name = f"array_{design.rows}x{design.columns}"
        self._pe = StationaryPE(design)
        self._foot = Foot(design, "foot", sum_shape(design))
        self._totals = Ram("epilogue_totals", epilogue.OUTPUT_BITS, streamed_rows(design), asynchronous=True)
        self._epilogue = Epilogue(design, self._totals)
        self._row_sums: tuple[RowSumStage, Foot] | tuple[()] = ()
        if design.has_zero_points:
            self._row_sums = RowSumStage(design), Foot(design, "row_sum_foot", row_sum_shape(design))
        columns = range(design.columns)
        super().__init__(
            {
                **{f"weight_{c}": In(unsigned(design.weight.bits)) for c in columns},
                "load": In(1),
                **{f"activation_{r}": In(unsigned(design.activation.bits)) for r in range(design.rows)},
                **{flag: In(1) for flag in (*FLAGS, "first_group", "last_group")},
                **{f"scale_{c}": In(epilogue.SCALE_BITS) for c in columns},
                **({f"zero_point_{c}": In(design.zero_point_bits) for c in columns} if design.has_zero_points else {}),
                "token_scale": In(epilogue.SCALE_BITS),
                **{f"result_{c}": Out(epilogue.OUTPUT_BITS) for c in columns},
                **{f"result_valid_{c}": Out(1) for c in columns},
            }
        )

    @property
    def parts(self) -> tuple[Any, ...]:
        """One of each component that the array instantiates."""
        row_sums = (self._row_sums[0], *self._row_sums[1].parts, self._row_sums[1]) if self._row_sums else ()
        return self._pe, *row_sums, *self._foot.parts, self._foot, self._totals, self._epilogue

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        rows, columns = self.design.rows, self.design.columns
        weights = [delay_line(m, f"weight_{c}_skew", getattr(self, f"weight_{c}"), c) for c in range(columns)]
        above = [Const(0, sum_shape(self.design)) for _ in range(columns)]
        row_sum = Const(0, row_sum_shape(self.design))
        begins = Signal()
        m.d.comb += begins.eq(self.valid & self.first)
        tokens = {"load": self.load, "first": begins}
        for r in range(rows):
            activation = delay_line(m, f"activation_{r}_skew", getattr(self, f"activation_{r}"), r)
            if self._row_sums:
                inputs = {"activation": activation, "sum_above": row_sum}
                row_sum = place(m, self._row_sums[0], f"row_sum_{r}", inputs)["sum"]
            right = {"activation": activation, **tokens}
            for c in range(columns):
                pe = place(m, self._pe, f"pe_{r}_{c}", {**right, "weight": weights[c], "sum_above": above[c]})
                right, above[c] = {name: pe[f"{name}_out"] for name in right}, pe["sum"]
            tokens = {name: delay_line(m, f"{name}_{r}_skew", token, 1) for name, token in tokens.items()}
        self._feet(m, begins, above, row_sum)
        return m

    def _feet(self, m: Module, begins: Signal, sums: list[Any], row_sum: Any) -> None:
        """A foot and an epilogue for each column, and a foot for the row sums beside the first one's."""
        to_foot = self.design.rows - 1 + self.design.element.latency

        def at_foot(name: str, value: Signal) -> Any:
            return delay_line(m, f"{name}_at_foot", value, to_foot)

        flags: Wires = {name: at_foot(name, begins if name == "first" else getattr(self, name)) for name in FLAGS}
        load = Signal(name="epilogue_load")
        m.d.comb += load.eq(flags["first"] & flags["group_ends"])
        right: Wires = {"token_scale": self.token_scale, "load": load}
        right |= {name: at_foot(name, getattr(self, name)) for name in ("first_group", "last_group")}
        if self._row_sums:
            right["row_sum"] = place(m, self._row_sums[1], "foot_of_row_sums", {"sum": row_sum, **flags})["total"]
        for c in range(self.design.columns):
            foot = place(m, self._foot, f"foot_{c}", {"sum": sums[c], **flags})
            flags = {name: foot[f"{name}_out"] for name in flags}
            inputs = {"sum": foot["total"], "sum_valid": foot["total_valid"], "scale": getattr(self, f"scale_{c}")}
            if self._row_sums:
                inputs["zero_point"] = getattr(self, f"zero_point_{c}")
            column = place(m, self._epilogue, f"epilogue_{c}", {**right, **inputs})
            right = {name: column[f"{name}_out"] for name in right}
            m.d.comb += [
                getattr(self, f"result_{c}").eq(column["result"]),
                getattr(self, f"result_valid_{c}").eq(column["result_valid"]),
            ]
