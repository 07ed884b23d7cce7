"""The output-stationary array: skewed operands, PEs, row sums, and one epilogue for each column."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.epilogue import Epilogue
from hdl.pe import pe_of, pe_slices
from hdl.pe.ports import lanes_of
from hdl.placement import Wires, delay_line, place
from hdl.row_sum import RowSum
from sim import epilogue
from sim.design import DesignPoint


class Array(wiring.Component):
    """R x C processing elements; activations move right, weights down, one PE a cycle.

        result[r, c] = fp32(token_scale[r] * sum over groups of scale[c] * (sum of w*a - zero_point[c] * sum of a))

    with the roundings of ``sim.epilogue``.

    Ports, with t the cycle of the operand that is a group's last (r < R, c < C):

    =============================== ============================= =======================================
    activation_r, weight_c          in codes                      operand k of all rows and columns
    valid, last                     in 1                          an operand is there; it is its group's last
    first_group, last_group         in 1                          sampled with ``last``
    scale, zero_point               in 16, zero_point_bits        of column c in cycle t + c + L - 1
    token_scale                     in 16                         of row r in cycle t + r + L
    result_c, result_valid_c        out 32, 1                     of row r in cycle t + r + c + L + 6
    =============================== ============================= =======================================

    L is the latency of the PE. Row r and column c are delayed r and c cycles inside. Latency: PE plus epilogue, see
    ``sim.array.result_cycles``. Throughput: R * C MACs each interval of the PE. The last operands of consecutive groups
    are at least max(R, C) cycles apart; cycles without ``valid`` are bubbles and may stand anywhere. An output begins
    with its first group, after a reset too. Designs without zero points have neither their port nor row sums.

    A column's group sums reach its epilogue on a bus, in consecutive cycles because of the skew: one row drives, the
    others are gated to zero. PEs, row sums and epilogues are instances of separately exported modules, so the
    Verilog of an array stays small.

    Of a PE with lanes each activation has a row sum and each lane a bus and an epilogue of its own. What belongs to several
    of them is side by side on a port, the first lowest; results are in the order of a PE's sums.
    """

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        self.module_name = f"array_{design.rows}x{design.columns}"
        self._lanes = activations, weights = design.element.lanes
        self._pe = pe_of(design)
        self._row_sum = RowSum(design) if design.has_zero_points else None
        self._epilogue = Epilogue(design)
        super().__init__(
            {
                **{f"activation_{r}": In(unsigned(design.activation.bits * activations)) for r in range(design.rows)},
                **{f"weight_{c}": In(unsigned(design.weight.bits * weights)) for c in range(design.columns)},
                **{flag: In(1) for flag in ("valid", "last", "first_group", "last_group")},
                "scale": In(epilogue.SCALE_BITS * weights),
                **({"zero_point": In(design.zero_point_bits * weights)} if design.has_zero_points else {}),
                "token_scale": In(epilogue.SCALE_BITS * activations),
                **{f"result_{c}": Out(epilogue.OUTPUT_BITS * activations * weights) for c in range(design.columns)},
                **{f"result_valid_{c}": Out(1) for c in range(design.columns)},
            }
        )

    @property
    def parts(self) -> tuple[wiring.Component, ...]:
        """One of each component that the array instantiates."""
        return *pe_slices(self.design), self._pe, *([self._row_sum] if self._row_sum else []), self._epilogue

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        rows, columns = self.design.rows, self.design.columns
        down = [delay_line(m, f"weight_{c}_skew", getattr(self, f"weight_{c}"), c) for c in range(columns)]
        column_drivers: list[list[Wires]] = [[] for _ in range(columns)]
        row_drivers: list[list[Wires]] = [[] for _ in range(self._lanes[0])]
        flags: Wires = {"valid": self.valid, "last": self.last}
        for r in range(rows):
            activation = delay_line(m, f"activation_{r}_skew", getattr(self, f"activation_{r}"), r)
            right: Wires = {"activation": activation, **flags}
            for x, drivers in enumerate(row_drivers if self._row_sum else []):
                of_lane = {**right, "activation": lanes_of(activation, self._lanes[0])[x]}
                drivers.append(place(m, self._row_sum, f"row_sum_{r}" + self._suffix(x), of_lane))
            for c in range(columns):
                pe = place(m, self._pe, f"pe_{r}_{c}", {**right, "weight": down[c]})
                column_drivers[c].append(pe)
                right = {name: pe[f"{name}_out"] for name in right}
                down[c] = pe["weight_out"]
            flags = {name: delay_line(m, f"{name}_{r}_skew", flag, 1) for name, flag in flags.items()}

        row_sums = [self._bus(m, "row_sum" + self._suffix(x), of)[0] for x, of in enumerate(row_drivers) if self._row_sum]
        ends = Signal()
        m.d.comb += ends.eq(self.valid & self.last)
        lead = self.design.pe_latency - 1
        group = {
            "load": delay_line(m, "load", ends, lead),
            "first_group": delay_line(m, "first_group_at_load", self.first_group, lead),
            "last_group": delay_line(m, "last_group_at_load", self.last_group, lead),
        }
        activations, weights = self._lanes
        from_left: list[Wires] = []
        for x in range(activations):
            of_row = {"row_sum": row_sums[x]} if self._row_sum else {}
            of_row |= {"token_scale": lanes_of(self.token_scale, activations)[x], **group}
            from_left += [of_row] * weights
        for c in range(columns):
            total, total_valid = self._bus(m, f"column_{c}", column_drivers[c])
            results = []
            for lane, of_row in enumerate(from_left):
                x, y = divmod(lane, weights)
                inputs = {"sum": lanes_of(total, len(from_left))[lane], "sum_valid": total_valid}
                inputs["scale"] = lanes_of(self.scale, weights)[y]
                if self.design.has_zero_points:
                    inputs["zero_point"] = lanes_of(self.zero_point, weights)[y]
                column = place(m, self._epilogue, f"epilogue_{c}" + self._suffix(x, y), {**of_row, **inputs})
                results.append(column)
                from_left[lane] = {name: column[f"{name}_out"] for name in of_row}
            m.d.comb += [
                getattr(self, f"result_{c}").eq(Cat(column["result"] for column in results)),
                getattr(self, f"result_valid_{c}").eq(results[0]["result_valid"]),
            ]
        return m

    def _suffix(self, *lane: int) -> str:
        """What tells the names of several lanes apart."""
        return "".join(f"_{index}" for index in lane) if self._lanes != (1, 1) else ""

    def _bus(self, m: Module, name: str, drivers: list[Wires]) -> tuple[Signal, Signal]:
        """The sum of the one driver whose ``sum_valid`` is high, and whether there is one."""
        bus = Signal(drivers[0]["sum"].shape(), name=f"{name}_sum")
        valid = Signal(name=f"{name}_sum_valid")
        m.d.comb += [
            bus.eq(reduce(or_, (Mux(driver["sum_valid"], driver["sum"], 0) for driver in drivers))),
            valid.eq(reduce(or_, (driver["sum_valid"] for driver in drivers))),
        ]
        return bus, valid
