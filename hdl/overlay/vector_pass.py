"""A vector unit with what feeds it and what scales its sums: a pass of two tokens through the weights of 16 columns."""

from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.overlay.buffers import BYTE_BITS, WORD_BITS, WORD_BYTES
from hdl.overlay.dequantizer import Dequantizer, code_bits
from hdl.overlay.scaling import LATENCY, Scaling
from hdl.overlay.vector_unit import VectorUnit
from hdl.pe.term import register
from hdl.placement import place
from sim.epilogue import SCALE_BITS
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import ACCUMULATOR_BITS, BLOCK, DENSITIES, LANES, Engine
from sim.overlay.sparsity import DENSITY_BITS, INDEX_BITS

MOST_BLOCKS = WORD_BITS // DENSITY_BITS
"""Blocks along ``k`` of a tile: their densities are in one word."""

BLOCK_BITS = MOST_BLOCKS.bit_length()

SETUP = 2
"""[cycle] From ``start`` to the first weights' address: the densities are read."""

FEED = 2
"""[cycle] From weights' addresses to the vector unit."""

DENSE = DENSITIES.index(BLOCK)


def tail(engine: Engine) -> int:
    """From a pass's last cycle of weights to the one in which its results are there [cycle]."""
    return FEED + engine.drain_cycles + LATENCY


class VectorPass(wiring.Component):
    """Results of two tokens for 16 columns, from weights as memory holds them.

    In the weight buffer, from ``cell`` [word] on (:mod:`sim.overlay.cells`): if ``sparse`` the densities, 3 bits a block;
    weights, of a tile that is not sparse without indices; behind these ``code_bytes`` fp16 scales of each group's columns.

    Ports:

    ============================ ============ ====================================================================
    start                        in 1         for a cycle; what follows stays until ``over``
    cell, code_bytes             in           of the weights: where, and how many bytes
    blocks, sparse, format       in           along ``k``, whether there are densities, number of the format
    rows_<lane>                  in           of the tokens' codes, in units of 16 bytes
    scales_<lane>                in 16        of the tokens
    weights_address, weights     out, in 256  a byte of the weight buffer, and 32 bytes from there a cycle later
    group_address, group         out, in 256  the same again, for scales
    codes_address_<lane>, codes  out, in 128  16 activations, a cycle later
    over                         out 1        the last cycle in which weights are read; the next pass may start
    results_<lane>, done         out          [16 x fp16]; ``done`` is high for a cycle when they are there
    ============================ ============ ====================================================================

    A group takes a window of as many cycles as its weights do, 16 at least, empty blocks none; so the vector unit never waits.
    Cycles from ``start`` to ``over``: :data:`SETUP` and the windows; from there to ``done`` :func:`tail`.
    """

    module_name = "vector_pass"

    def __init__(self, design: OverlayDesign, weight_words: int, activation_words: int) -> None:
        engine = design.engine
        self.design, self.engine = design, engine
        self._unit, self._dequantizer = VectorUnit(engine), Dequantizer(engine)
        self._scaling = Scaling(design.point)
        self.side = exact_log2(design.group_size // BLOCK)
        half_words = range(2 * activation_words)
        ports: dict[str, Any] = {
            "start": In(1),
            "cell": In(range(weight_words)),
            "code_bytes": In(range(weight_words * WORD_BYTES)),
            "blocks": In(BLOCK_BITS),
            "sparse": In(1),
            "format": In(range(max(2, len(engine.weight_formats)))),
            "weights_address": Out(range(weight_words * WORD_BYTES)),
            "weights": In(WORD_BITS),
            "group_address": Out(range(weight_words * WORD_BYTES)),
            "group": In(WORD_BITS),
            "over": Out(1),
            "done": Out(1),
        }
        for lane in range(LANES):
            ports |= {
                f"rows_{lane}": In(half_words),
                f"codes_address_{lane}": Out(half_words),
                f"codes_{lane}": In(WORD_BITS // 2),
            }
            ports |= {f"scales_{lane}": In(SCALE_BITS), f"results_{lane}": Out(BLOCK * SCALE_BITS)}
        super().__init__(ports)

    @property
    def parts(self) -> tuple[Any, ...]:
        """One of each component that this one instantiates."""
        return *self._unit.parts, self._unit, self._dequantizer, *self._scaling.parts, self._scaling

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        beat, group = self._walk(m)
        sums = self._multiply(m, beat)
        self._scale(m, group, sums)
        return m

    def _walk(self, m: Module) -> tuple[dict[str, Value], dict[str, Value]]:
        """A beat's density, column and end of its group, a cycle after its addresses; what the groups' scales need."""
        side = 1 << self.side
        header = Signal(len(self.weights_address))
        m.d.comb += header.eq(self.cell << BYTE_BITS)
        read, running = Signal(), Signal()
        densities = Signal(MOST_BLOCKS * DENSITY_BITS)
        at = Signal.like(header, name="at")
        left, base, number = (Signal(BLOCK_BITS, name=name) for name in ("left", "base", "number"))
        fresh, window = Signal(), Signal(range(BLOCK))
        remaining, mask, beats = Signal(side), Signal(side), Signal(range(BLOCK * BLOCK))
        here = [densities[i * DENSITY_BITS : (i + 1) * DENSITY_BITS] for i in range(side)]
        there = Cat(here[i].any() & (left > i) for i in range(side))
        current = Signal(range(max(2, side)))
        for i in reversed(range(side)):
            with m.If(mask[i]):
                m.d.comb += current.eq(i)
        density, steps, size, column = self._block(m, Array(here)[current], beats)
        active, finishes, ends = Signal(), Signal(), Signal()
        after = Signal(side)
        m.d.comb += [
            mask.eq(Mux(fresh, there, remaining)),
            active.eq(running & mask.any()),
            finishes.eq(beats == steps),
            after.eq(Mux(active & finishes, mask & ~(1 << current), mask)),
            ends.eq(running & ~after.any() & (window == BLOCK - 1)),
            self.over.eq(ends & (left <= side)),
            self.weights_address.eq(Mux(self.start, header, at)),
            self.group_address.eq(header + self.code_bytes + (number << BYTE_BITS)),
        ]
        m.d.sync += read.eq(self.start)
        with m.If(read):
            whole = Const(sum(DENSE << i * DENSITY_BITS for i in range(MOST_BLOCKS)), len(densities))
            taken = (self.blocks * DENSITY_BITS + 7) >> 3
            m.d.sync += [densities.eq(Mux(self.sparse, self.weights, whole)), at.eq(header + Mux(self.sparse, taken, 0))]
            m.d.sync += [left.eq(self.blocks), base.eq(0), number.eq(0), running.eq(1), fresh.eq(1), window.eq(0), beats.eq(0)]
        with m.If(running):
            m.d.sync += [fresh.eq(0), remaining.eq(after), window.eq(Mux(window == BLOCK - 1, window, window + 1))]
            with m.If(active):
                m.d.sync += [at.eq(at + size), beats.eq(Mux(finishes, 0, beats + 1))]
            with m.If(ends):
                m.d.sync += [fresh.eq(1), window.eq(0), densities.eq(densities >> side * DENSITY_BITS), running.eq(~self.over)]
                m.d.sync += [left.eq(left - side), base.eq(base + side), number.eq(number + 1)]
        for lane in range(LANES):
            m.d.comb += getattr(self, f"codes_address_{lane}").eq(getattr(self, f"rows_{lane}") + base + current)
        beat = {"density": Mux(active, density, 0), "column": column, "last": ends}
        if self.engine.multipliers < BLOCK:
            # Beats take the parts of a dense column in turn.
            beat["part"] = beats[: exact_log2(BLOCK // self.engine.multipliers)]
        group = {"ends": ends, "first": ~number.any(), "last": self.over}
        return {name: register(m, name, value) for name, value in beat.items()}, group

    def _block(self, m: Module, density: Value, beats: Value) -> tuple[Value, Value, Value, Value]:
        """Of a block by its density: the same, its last beat, bytes of a beat, the beat's first column."""
        engine = self.engine
        steps, column = Signal(len(beats), name="steps"), Signal(range(BLOCK), name="column_of")
        size = Signal(range(engine.multipliers * 2 + 1), name="size")
        place_ = Signal(DENSITY_BITS, name="density_of")
        m.d.comb += place_.eq(density)
        for place_of, n in enumerate(DENSITIES):
            if n:
                shift = exact_log2(engine.multipliers) - exact_log2(n)
                with m.If(place_ == place_of):
                    m.d.comb += [
                        steps.eq(BLOCK * n // engine.multipliers - 1),
                        column.eq(beats << shift if shift >= 0 else beats >> -shift),
                        size.eq(self._bytes(INDEX_BITS if n < BLOCK else 0)),
                    ]
        return place_, steps, size, column

    def _bytes(self, index_bits: int) -> Value:
        """Of a beat's weights in the chosen format."""
        widths = [EXPANDED[name].bits + index_bits for name in self.engine.weight_formats]
        return Array(Const(self.engine.multipliers * width // 8, 8) for width in widths)[self.format]

    def _multiply(self, m: Module, beat: dict[str, Value]) -> dict[str, Value]:
        """The vector unit's sums."""
        engine, format_ = self.engine, register(m, "format_1", self.format)
        dense = Signal(name="dense")
        m.d.comb += dense.eq(beat["density"] == DENSE)
        codes, indices = [], []
        for index in range(engine.multipliers):
            formats = []
            for name in engine.weight_formats:
                bits = EXPANDED[name].bits
                apart, together = self.weights[index * (bits + INDEX_BITS) :], self.weights[index * bits :]
                formats.append(
                    Cat(
                        Mux(dense, together[:bits], apart[:bits]), Const(0, code_bits(engine) - bits), apart[bits:][:INDEX_BITS]
                    )
                )
            weight = Signal(code_bits(engine) + INDEX_BITS, name=f"weight_{index}")
            m.d.comb += weight.eq(Array(formats)[format_])
            codes.append(weight[: code_bits(engine)])
            place_in_column = Cat(Const(index % engine.segment, exact_log2(engine.segment)), beat.get("part", Const(0, 0)))
            indices.append(Mux(dense, place_in_column, weight[code_bits(engine) :]))
        there = Signal(name="there")
        m.d.comb += there.eq((beat["density"] != 0) | beat["last"])
        expanded = place(
            m,
            self._dequantizer,
            "dequantizer",
            {"valid": there, "codes": Cat(codes), "format": format_, "weights_ready": Const(1)},
        )
        fields = {name: register(m, f"unit_{name}", beat[name]) for name in ("density", "column", "last")}
        fields["indices"] = register(m, "unit_indices", Cat(indices))
        fields["activations"] = register(m, "unit_activations", Cat(getattr(self, f"codes_{lane}") for lane in range(LANES)))
        given = {**fields, "valid": expanded["weights_valid"], "weights": expanded["weights"], "sum_ready": Const(1)}
        return place(m, self._unit, "unit", given)

    def _scale(self, m: Module, group: dict[str, Value], sums: dict[str, Value]) -> None:
        """Sums meet their scales: those of a group are read when it ends, and held until its first column comes."""
        ended = register(m, "ended", group["ends"])
        flags = register(m, "flags_of_group", Cat(group["first"], group["last"]))
        tokens = Cat(getattr(self, f"scales_{lane}") for lane in range(LANES))
        # Between its end and its first column no other group ends, as a group takes 16 cycles.
        waiting = Signal(WORD_BITS + 2 + len(tokens), name="waiting", reset_less=True)
        with m.If(ended):
            m.d.sync += waiting.eq(Cat(self.group, flags, tokens))
        begins = Signal(name="begins")
        held = Signal(len(waiting), name="held_scales", reset_less=True)
        now = Signal(len(waiting), name="now")
        m.d.comb += [begins.eq(sums["sum_valid"] & ~sums["sum_column"].any()), now.eq(Mux(begins, waiting, held))]
        m.d.sync += held.eq(Cat(now[SCALE_BITS:WORD_BITS], Const(0, SCALE_BITS), now[WORD_BITS:]))
        for lane in range(LANES):
            given = {
                "sum": sums["sum"].word_select(lane, ACCUMULATOR_BITS),
                "column": sums["sum_column"],
                "valid": sums["sum_valid"],
                "scale": now[:SCALE_BITS],
                "first": now[WORD_BITS],
                "last": now[WORD_BITS + 1],
                "token_scale": now[WORD_BITS + 2 :].word_select(lane, SCALE_BITS),
            }
            scaling = place(m, self._scaling, f"scaling_{lane}", given)
            m.d.comb += getattr(self, f"results_{lane}").eq(scaling["results"])
            if lane == 0:
                m.d.comb += self.done.eq(scaling["done"])
