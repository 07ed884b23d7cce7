"""The tile controller: from a command to the addresses and flags of every operand of its block."""

from dataclasses import dataclass

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring

from hdl.accelerator.command import begun, controller_ports
from hdl.accelerator.sweep import Sweep
from hdl.placement import delay_line
from sim.design import DesignPoint
from sim.epilogue import LATENCY


class Controller(wiring.Component):
    """Loops over columns of tiles, rows of tiles, groups and operands, the last one innermost.

    Ports:

    =================================== ======= ====================================================================
    command, command_valid              in      of the next block (:class:`sim.accelerator.blocks.Command`)
    complete, free                      in 1    its operands are in the buffers; a half of the result buffer is free
    start, claim_results                out 1   it begins: the command is taken, and so are halves of the buffers
    last_rows_less_one                  out     the command's
    weight_address, activation_address  out     of an operand that is at the array in the next cycle
    valid, last, first_group, last_group out 1  its flags, in that cycle
    scale_address, token_scale_address  out     in time for the array's ports
    give_back_x                         out 1   the last word of a block in buffer x is being read
    tile, last_row_tile, last_tile      out 1   with the first result of a tile in column 0, if there are any
    =================================== ======= ====================================================================

    A block starts while the last operand of the one before is read, at the earliest. A group begins when it will end
    ``max(rows, columns)`` cycles after the one before it, or later; a tile of an array that is not double-buffered when the
    last PE has had the operands of the one before.
    """

    module_name = "controller"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        super().__init__(controller_ports(design, ("valid", "last", "first_group", "last_group")))

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        ends_block = Signal(name="block_ends")
        given, block, running = begun(m, self, ends_block)
        m.d.comb += self.last_rows_less_one.eq(given["last_rows"])
        at = self._loops(m, running, block)
        m.d.comb += ends_block.eq(at.ends_block)
        self._operands(m, at)
        m.d.sync += [
            self.valid.eq(at.issues),
            self.last.eq(at.ends_group),
            self.first_group.eq(block["begins"] & at.first_group),
            self.last_group.eq(block["ends"] & at.last_group),
        ]
        self._scales(m, at)
        results = delay_line(m, "tile", at.ends_tile & block["ends"], 1 + self.design.pe_latency + LATENCY)
        m.d.comb += self.tile.eq(results)
        for name, flag in (("last_row_tile", at.last_row_tile), ("last_tile", at.last_tile)):
            m.d.comb += getattr(self, name).eq(delay_line(m, name, flag, 1 + self.design.pe_latency + LATENCY, reset_less=True))
        return m

    def _loops(self, m: Module, running: Signal, block: dict[str, Signal]) -> "Place":
        """Counters of the four loops, and the pace at which operands are read."""
        design, interval = self.design, self.design.element.interval
        term = Signal(range(max(2, design.group_size)))
        counts = ("groups", "row_tiles", "column_tiles")
        group, row, column = (Signal.like(block[name], name=name[:-1], reset_less=False) for name in counts)
        at = Place(*(Signal(name=name) for name in Place.__dataclass_fields__))
        last_term = Signal.like(term)
        allowed = self._allowed(m, at, last_term)
        paused: Value = Const(0)
        if interval > 1:
            pause = Signal(range(interval))
            m.d.sync += pause.eq(Mux(at.issues, interval - 1, pause - pause.any()))
            paused = pause.any()
        m.d.comb += [
            at.first_group.eq(~group.any()),
            at.last_group.eq(group == block["groups"]),
            last_term.eq(Mux(at.last_group, block["last_terms"], design.group_size - 1)),
            at.last_row_tile.eq(row == block["row_tiles"]),
            at.last_tile.eq(at.last_row_tile & (column == block["column_tiles"])),
            at.issues.eq(running & allowed & ~paused),
            at.ends_group.eq(at.issues & (term == last_term)),
            at.ends_tile.eq(at.ends_group & at.last_group),
            at.ends_rows.eq(at.ends_tile & at.last_row_tile),
            at.ends_block.eq(at.ends_tile & at.last_tile),
        ]
        counters = [(at.issues, term, at.ends_group), (at.ends_group, group, at.ends_tile)]
        counters += [(at.ends_tile, row, at.ends_rows), (at.ends_rows, column, at.ends_block)]
        for counts, counter, wraps in counters:
            with m.If(counts):
                m.d.sync += counter.eq(Mux(wraps, 0, counter + 1))
        return at

    def _allowed(self, m: Module, at: "Place", last_term: Signal) -> Value:
        """Whether the next operand may be read: groups, or tiles, are not too close to each other.

        What is allowed when a group begins is so until it ends, as the end before it only gets farther away.
        """
        design, interval = self.design, self.design.element.interval
        apart, tiles_apart = max(design.rows, design.columns), interval + design.rows + design.columns - 2
        farthest = apart if design.double_buffered else tiles_apart
        since_end = Signal(range(farthest + 1), init=farthest)
        with m.If(at.ends_group):
            m.d.sync += since_end.eq(1)
        with m.Elif(since_end != farthest):
            m.d.sync += since_end.eq(since_end + 1)
        group_fits = since_end + last_term * interval >= apart
        return group_fits if design.double_buffered else group_fits & (~at.first_group | (since_end == farthest))

    def _operands(self, m: Module, at: "Place") -> None:
        """Weights of a column of tiles are read for each of its tiles, activations for each column of tiles."""
        again = Signal.like(self.weight_address, name="first_of_column")
        next_weight = Signal.like(self.weight_address)
        m.d.comb += next_weight.eq(Mux(at.ends_block, 0, self.weight_address + 1))
        with m.If(at.issues):
            m.d.sync += [
                self.weight_address.eq(Mux(at.ends_tile & ~at.last_row_tile, again, next_weight)),
                self.activation_address.eq(Mux(at.ends_rows, 0, self.activation_address + 1)),
            ]
        with m.If(at.ends_rows):
            m.d.sync += again.eq(next_weight)
        m.d.comb += [self.give_back_weight.eq(at.ends_block), self.give_back_activation.eq(at.ends_block)]

    def _scales(self, m: Module, at: "Place") -> None:
        """A group's scales column by column, those of its tokens row by row."""
        design = self.design

        def delayed(name: str, value: Value, cycles: int = design.pe_latency - 1) -> Value:
            return delay_line(m, name, value, cycles, reset_less=True)

        start = delay_line(m, "group_end", at.ends_group, design.pe_latency - 1)
        last_group = delayed("group_end_last", at.last_group)
        last_row, last_tile = delayed("row_end", at.last_row_tile), delayed("tile_end", at.last_tile)
        scale = Sweep(
            start=start,
            returns=last_group & ~last_row,
            marks=last_group & last_row,
            ends=last_group & last_tile,
            restarts=last_group & last_tile,
        )
        token = Sweep(
            start=delay_line(m, "group_end_of_tokens", start, 1),
            returns=delayed("tokens_return", ~last_group, 1),
            marks=delayed("tokens_mark", last_group, 1),
            ends=delayed("tokens_end", last_group & last_tile, 1),
            restarts=delayed("tokens_restart", last_group & last_row, 1),
        )
        m.d.comb += [
            self.give_back_scale.eq(scale.run(m, "scale", self.scale_address, design.columns)),
            self.give_back_token_scale.eq(token.run(m, "token_scale", self.token_scale_address, design.rows)),
        ]


@dataclass(frozen=True)
class Place:
    """Where in its block an operand is: that it is read in this cycle, and which loops it begins or ends."""

    issues: Signal
    first_group: Signal
    last_group: Signal
    last_row_tile: Signal
    last_tile: Signal
    ends_group: Signal
    ends_tile: Signal
    ends_rows: Signal
    ends_block: Signal
