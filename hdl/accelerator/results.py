"""The buffer of results: columns write one half, row after row, while the other one is sent."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accelerator.scratchpad import HALVES, stream_bits
from hdl.placement import delay_line, place
from hdl.ram import Ram
from sim.accelerator.depths import depths, tile_rows, word_bits
from sim.design import DesignPoint


class ResultBuffer(wiring.Component):
    """A memory for each column, all with two halves; a half is sent as a packet when a block's results are complete.

    Ports:

    ================================ ============ ================================================================
    result_c, result_valid           in           the array's, and whether column 0 has one
    tile                             in 1         the result of the first row in column 0 is there
    last_row_tile, last_tile         in 1         with ``tile``: of its column of tiles, of the block
    free                             out 1        there is a half that has not been claimed
    claim, last_rows_less_one        in           a block begins; rows of its last row tiles that have results
    tdata, tvalid, tready, tlast     AXI4-Stream  results of all columns for one row a beat, column 0 lowest
    ================================ ============ ================================================================

    Results of a row are written as the array has them, each column's a cycle after the one to its left. Rows beyond the
    product are not kept; columns beyond it are those of operands that pad it. A packet is sent column of tiles by column
    of tiles, rows in order. It begins the cycle after its last result was written, or after the packet before it.
    """

    module_name = "result_buffer"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        self._depth = depths(design).result
        bits = word_bits(design)["result"]
        self._ram = Ram("result_ram", bits // design.columns, HALVES * self._depth)
        columns = range(design.columns)
        super().__init__(
            {
                **{f"result_{c}": In(bits // design.columns) for c in columns},
                "result_valid": In(1),
                "tile": In(1),
                "last_row_tile": In(1),
                "last_tile": In(1),
                "free": Out(1),
                "claim": In(1),
                "last_rows_less_one": In(range(max(2, tile_rows(design)))),
                "tdata": Out(stream_bits(bits)),
                "tvalid": Out(1),
                "tready": In(1),
                "tlast": Out(1),
            }
        )

    @property
    def parts(self) -> tuple[wiring.Component, ...]:
        """The component that this one instantiates."""
        return (self._ram,)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        claim_half, read_half = Signal(name="claim_half"), Signal(name="read_half")
        claimed, complete = (Signal(range(HALVES + 1), name=f"{name}_halves") for name in ("claimed", "complete"))
        last_rows = PerHalf(m, "last_rows", self.claim, claim_half, self.last_rows_less_one)
        m.d.sync += claim_half.eq(claim_half ^ self.claim)
        m.d.comb += self.free.eq(claimed != HALVES)

        writes = self._writes(m, last_rows)
        ends = PerHalf(m, "end", writes["block_ends"], writes["half"], writes["place_in_half"])
        written = delay_line(m, "written", writes["block_ends"], self.design.columns - 1)

        # Sending: what is read stays at the memories' outputs until it is taken.
        place_in_half = Signal(range(max(2, self._depth)), name="read_place")
        reads, last = Signal(name="reads"), Signal(name="reads_last")
        m.d.comb += [
            reads.eq((complete != 0) & (~self.tvalid | self.tready)),
            last.eq(reads & (place_in_half == ends.of(read_half))),
        ]
        m.d.sync += [
            claimed.eq(claimed + self.claim - last),
            complete.eq(complete + written - last),
            read_half.eq(read_half ^ last),
            self.tvalid.eq(reads | (self.tvalid & ~self.tready)),
        ]
        with m.If(reads):
            m.d.sync += [place_in_half.eq(Mux(last, 0, place_in_half + 1)), self.tlast.eq(last)]
        read_address = self._ram.address("read_address")
        m.d.comb += read_address.eq(Mux(read_half, self._depth, 0) + place_in_half)
        words = []
        enable, address = writes["enable"], writes["address"]
        for c in range(self.design.columns):
            inputs = {"write": enable, "write_address": address, "write_data": getattr(self, f"result_{c}")}
            inputs |= {"read": reads, "read_address": read_address}
            words.append(place(m, self._ram, f"column_{c}", inputs)["read_data"])
            if c < self.design.columns - 1:
                enable = delay_line(m, f"enable_{c}", enable, 1)
                address = delay_line(m, f"address_{c}", address, 1, reset_less=True)
        m.d.comb += self.tdata.eq(Cat(words))
        return m

    def _writes(self, m: Module, last_rows: "PerHalf") -> dict[str, Any]:
        """Where column 0's result is written, if it is, and whether it is the last one of its block."""
        # A tile's limit and whether it is the last one are held, as padding may follow its block's last result.
        count = range(max(2, tile_rows(self.design)))
        limit, held_limit = Signal(count, name="limit"), Signal(count, name="held_limit")
        last_tile, held_tile = Signal(name="in_last_tile"), Signal(name="held_last_tile")
        row, following = Signal(count, name="row"), Signal(count, name="following_row")
        write_half, place_in_half = Signal(name="write_half"), Signal(range(max(2, self._depth)), name="write_place")
        enable, block_ends, address = Signal(name="writes"), Signal(name="block_ends"), self._ram.address("write_address")
        of_tile = Mux(self.last_row_tile, last_rows.of(write_half), tile_rows(self.design) - 1)
        m.d.comb += [
            limit.eq(Mux(self.tile, of_tile, held_limit)),
            last_tile.eq(Mux(self.tile, self.last_tile, held_tile)),
            row.eq(Mux(self.tile, 0, following)),
            enable.eq(self.result_valid & (row <= limit)),
            block_ends.eq(enable & last_tile & (row == limit)),
            address.eq(Mux(write_half, self._depth, 0) + place_in_half),
        ]
        m.d.sync += [
            held_limit.eq(limit),
            held_tile.eq(last_tile),
            following.eq(row + self.result_valid),
            write_half.eq(write_half ^ block_ends),
        ]
        with m.If(enable):
            m.d.sync += place_in_half.eq(Mux(block_ends, 0, place_in_half + 1))
        written = {"half": write_half, "place_in_half": place_in_half}
        return {"enable": enable, "address": address, "block_ends": block_ends, **written}


class PerHalf:
    """A value that is kept for each half of the buffer."""

    def __init__(self, m: Module, name: str, writes: Value, half: Value, value: Signal) -> None:
        self._kept = [Signal.like(value, name=f"{name}_{number}") for number in range(HALVES)]
        for number, kept in enumerate(self._kept):
            with m.If(writes & (half == number)):
                m.d.sync += kept.eq(value)

    def of(self, half: Value) -> Value:
        """That of a half."""
        return Mux(half, self._kept[1], self._kept[0])
