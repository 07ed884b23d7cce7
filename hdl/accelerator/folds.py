"""The controller of an array whose weights stay: from a command to the addresses and flags of its block's folds."""

from dataclasses import dataclass

from amaranth import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring

from hdl.accelerator.command import begun, controller_ports
from hdl.accelerator.sweep import Sweep
from hdl.placement import delay_line
from sim.accelerator.blocks import largest_counts
from sim.array.weight_stationary import FOOT_CYCLES
from sim.design import DesignPoint
from sim.epilogue import LATENCY

FLAGS = ("load", "valid", "first", "group_begins", "group_ends", "first_group", "last_group")
"""Of operands that are at the array, as it says."""


class FoldController(wiring.Component):
    """Loops over strips of columns, groups, folds and rows of activations, the last ones innermost.

    Ports: those of :class:`hdl.accelerator.controller.Controller`, and for the array those of :data:`FLAGS`.

    A block starts while the last row of activations of the one before is read, at the earliest. Its first fold is loaded in
    as many cycles as the array has rows; then activations of a fold are read, and in these cycles the weights of the next
    one: of both none before the array may have it. If not double-buffered, weights are read when the last PE has had the
    activations of the fold before. Between two ends of groups the scales of all columns are read one by one, so an array
    that is double-buffered has as many rows as columns, at least.
    """

    module_name = "controller"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        super().__init__(controller_ports(design, FLAGS))

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        ends_block = Signal(name="block_ends")
        given, block, _ = begun(m, self, ends_block)
        pace = self._pace(m, block)
        m.d.comb += ends_block.eq(pace.ends_block)
        loaded = self._folds(m, pace, given, block)
        streamed = Fold(*(Signal(name=f"streamed_{name}", reset_less=True) for name in Fold.__dataclass_fields__))
        with m.If(pace.ends & pace.loading):
            m.d.sync += [getattr(streamed, name).eq(getattr(loaded, name)) for name in Fold.__dataclass_fields__]
        m.d.comb += pace.last_fold.eq(loaded.ends_block)
        self._operands(m, pace, streamed)
        begins = ~pace.time.any()
        m.d.sync += [
            self.load.eq(pace.loading & begins),
            self.valid.eq(pace.streams),
            self.first.eq(begins),
            self.group_begins.eq(streamed.begins_group),
            self.group_ends.eq(streamed.ends_group),
            self.first_group.eq(block["begins"] & streamed.first_group),
            self.last_group.eq(block["ends"] & streamed.last_group),
        ]
        self._scales(m, pace, streamed)
        return m

    def _pace(self, m: Module, block: dict[str, Signal]) -> "Pace":
        """Intervals of loading a fold, of streaming one, or of both."""
        design = self.design
        last_load = Const(design.rows - 1, range(max(2, design.rows)))
        last_row = block["row_tiles"]
        longest = max(design.rows - 1, largest_counts(design)["row_tiles"] - 1)
        skew = 0 if design.double_buffered else design.rows - 1 + design.columns - 1
        time = Signal(range(max(2, longest + skew + 1)), name="time")
        flags = ("loading", "streaming", "all_loaded")
        loading, streaming, all_loaded = (Signal(name=name) for name in flags)
        pace = Pace(time, loading, *(Signal(name=name) for name in ("streams", "last_row", "ends", "ends_block", "last_fold")))
        last_time = Signal.like(time, name="last_time")
        if design.double_buffered:
            both = Mux(loading & (last_row <= last_load), last_load, last_row)
            m.d.comb += last_time.eq(Mux(streaming, both, last_load))
            load_next = loading & ~pace.last_fold
        else:
            m.d.comb += last_time.eq(Mux(streaming, last_row + skew, last_load))
            load_next = streaming & ~all_loaded
        m.d.comb += [
            pace.streams.eq(streaming & (time <= last_row)),
            pace.last_row.eq(time == last_row),
            pace.ends.eq((loading | streaming) & (time == last_time)),
            pace.ends_block.eq(pace.ends & streaming & all_loaded),
        ]
        with m.If(self.start):
            m.d.sync += [time.eq(0), loading.eq(1), streaming.eq(0), all_loaded.eq(0)]
        with m.Elif(pace.ends):
            m.d.sync += [time.eq(0), loading.eq(load_next), streaming.eq(loading)]
            m.d.sync += all_loaded.eq(all_loaded | (loading & pace.last_fold))
        with m.Elif(loading | streaming):
            m.d.sync += time.eq(time + 1)
        return pace

    def _folds(self, m: Module, pace: "Pace", given: dict[str, Value], block: dict[str, Signal]) -> "Fold":
        """The fold that is loaded, and the addresses of its weights."""
        design = self.design
        group, column = (Signal.like(block[name], name=name[:-1], reset_less=False) for name in ("groups", "column_tiles"))
        left = Signal(range(max(2, design.group_size)), name="left_less_one", reset_less=True)
        fold = Fold(*(Signal(name=name) for name in Fold.__dataclass_fields__))
        begins_group = Signal(name="fold_begins_group", init=1)
        reads, ends_strip = Signal(name="reads_weight"), Signal(name="strip_ends")
        m.d.comb += [
            fold.begins_group.eq(begins_group),
            fold.ends_group.eq(left < design.rows),
            fold.first_group.eq(~group.any()),
            fold.last_group.eq(group == block["groups"]),
            fold.last_strip.eq(column == block["column_tiles"]),
            ends_strip.eq(fold.ends_group & fold.last_group),
            fold.ends_block.eq(ends_strip & fold.last_strip),
            reads.eq(pace.loading & (pace.time <= left) & (pace.time < design.rows)),
            self.give_back_weight.eq(pace.loading & fold.ends_block & (pace.time == left)),
        ]
        with m.If(reads):
            m.d.sync += self.weight_address.eq(Mux(self.give_back_weight, 0, self.weight_address + 1))
        with m.If(pace.ends & pace.loading):
            m.d.sync += [left.eq(left - design.rows), begins_group.eq(fold.ends_group)]
            with m.If(fold.ends_group):
                m.d.sync += group.eq(Mux(fold.last_group, 0, group + 1))
                to_last = Mux(fold.last_group, ~block["groups"].any(), group + 1 == block["groups"])
                m.d.sync += left.eq(Mux(to_last, block["last_terms"], design.group_size - 1))
            with m.If(ends_strip):
                m.d.sync += column.eq(Mux(fold.last_strip, 0, column + 1))
        with m.If(self.start):
            m.d.sync += left.eq(Mux(given["groups"].any(), design.group_size - 1, given["last_terms"]))
        return fold

    def _operands(self, m: Module, pace: "Pace", fold: "Fold") -> None:
        """Activations are read again for each strip of columns."""
        ends_strip = Signal(name="stream_ends_strip")
        m.d.comb += [
            ends_strip.eq(pace.streams & pace.last_row & fold.ends_group & fold.last_group),
            self.give_back_activation.eq(ends_strip & fold.last_strip),
        ]
        with m.If(pace.streams):
            m.d.sync += self.activation_address.eq(Mux(ends_strip, 0, self.activation_address + 1))

    def _scales(self, m: Module, pace: "Pace", fold: "Fold") -> None:
        """Scales of the columns from the first row of a fold that ends a group on, those of tokens with its rows; results."""
        to_foot, ends_block = self.design.rows - 1 + self.design.element.latency, fold.ends_block

        def delayed(name: str, value: Value, cycles: int) -> Value:
            return delay_line(m, name, value, cycles, reset_less=True)

        start = delay_line(m, "group_at_foot", pace.streams & fold.ends_group & ~pace.time.any(), to_foot)
        rows = delay_line(m, "row_at_foot", pace.streams & fold.ends_group, to_foot)
        last_row, last_fold = delayed("last_row_at_foot", pace.last_row, to_foot), delayed("fold_at_foot", ends_block, to_foot)

        nothing = Const(0)
        scale = Sweep(start, returns=nothing, marks=nothing, ends=last_fold, restarts=last_fold)
        m.d.comb += self.give_back_scale.eq(scale.run(m, "scale", self.scale_address, self.design.columns))

        token, last_token = delay_line(m, "token", rows, 1), delayed("last_token", last_row, 1)
        m.d.comb += self.give_back_token_scale.eq(token & last_token & delayed("tokens_end", last_fold, 1))
        with m.If(token):
            m.d.sync += self.token_scale_address.eq(Mux(last_token, 0, self.token_scale_address + 1))

        to_result = 1 + FOOT_CYCLES + LATENCY
        m.d.comb += [
            self.tile.eq(delay_line(m, "tile", rows, to_result)),
            self.last_row_tile.eq(delayed("last_row_tile", last_row, to_result)),
            self.last_tile.eq(delayed("last_tile", last_row & last_fold, to_result)),
        ]


@dataclass(frozen=True)
class Pace:
    """Where in its interval a block is, whether a fold is loaded or rows are streamed in it; ``last_fold`` is loaded."""

    time: Signal
    loading: Signal
    streams: Signal
    last_row: Signal
    ends: Signal
    ends_block: Signal
    last_fold: Signal


@dataclass(frozen=True)
class Fold:
    """Which loops a fold begins or ends."""

    begins_group: Signal
    ends_group: Signal
    first_group: Signal
    last_group: Signal
    last_strip: Signal
    ends_block: Signal
