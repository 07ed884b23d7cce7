"""A vector unit with what feeds it and what scales its sums: a pass of two tokens through the weights of 16 columns."""

from typing import Any

import numpy as np
from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2
from numpy.typing import NDArray

from hdl.overlay.buffers import WORD_BITS, WORD_BYTES
from hdl.overlay.chain import ACTIVATION_BITS
from hdl.overlay.dequantizer import Dequantizer, code_bits, zero_bits
from hdl.overlay.scaling import HELD_BITS, LATENCY, Scaling
from hdl.overlay.vector_unit import VectorUnit
from hdl.overlay.walk import BLOCK_BITS, DENSE, ZERO_BITS, walk
from hdl.pe.term import register
from hdl.placement import delay_line, place
from sim.epilogue import SCALE_BITS
from sim.overlay.cells import weight_windows
from sim.overlay.chain import paired_columns
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, LANES, Engine
from sim.overlay.sparsity import INDEX_BITS

FEED = 2
"""[cycle] From weights' addresses to the vector unit."""


def tail(engine: Engine) -> int:
    """From a pass's last cycle of weights to the one in which its results are there [cycle]."""
    return FEED + engine.drain_cycles + LATENCY


class VectorPass(wiring.Component):
    """Results of two tokens for 16 columns, from weights as memory holds them.

    In the weight buffer, from ``cell`` [word] on (:mod:`sim.overlay.cells`): if ``sparse`` the densities, 3 bits a block;
    weights, of a tile that is not sparse without indices; behind these ``code_bytes`` fp16 scales of each group's columns,
    ``zeros_at`` bytes from the beginning their zero points, 8 bit each, if the format has them, and ``biases_at`` fp16 biases
    of the columns.
    ``next_cell`` words further the same of the ``cell_blocks`` that follow along ``k``, and so on to the last of ``blocks``.

    Ports:

    ============================ ============ ====================================================================
    start                        in 1         for a cycle; what follows stays until ``over``
    cell, code_bytes             in           of the weights: where, and how many bytes
    zeros_at, biases_at          in           where these are in a cell
    next_cell, cell_blocks       in           how far the next cell is, and blocks along ``k`` of one
    blocks, sparse, format       in           along ``k``, whether there are densities, number of the format
    held, goes_on, leaves        in           of the sums that stay here: where; added to; left here, without results
    biased                       in           whether biases are added
    vector                       in           whether there is one token, in an engine without multiplexers two columns at once
    rows_<lane>                  in           of the tokens' codes, in units of 16 bytes
    scales_<lane>                in 16        of the tokens
    weights_address, weights     out, in      a byte of the weight buffer, and from there a cycle later 32 bytes for each of
                                              :func:`sim.overlay.cells.weight_windows`
    group_address, group         out, in 256  the same again, 32 bytes, for scales, zero points and biases
    codes_address_<lane>, codes  out, in 128  16 activations, a cycle later
    over                         out 1        the last cycle in which weights are read; the next pass may start
    results_<lane>, done         out          [16 x fp16]; ``done`` is high for a cycle when they are there
    ============================ ============ ====================================================================

    A group takes a window of as many cycles as its weights do, 16 at least, empty blocks none; so the vector unit never waits.
    Cycles from ``start`` to ``over``: :data:`SETUP` for each cell and the windows; from there to ``done`` :func:`tail`.
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
            **{name: In(range(weight_words * WORD_BYTES)) for name in ("code_bytes", "zeros_at", "biases_at")},
            "next_cell": In(range(weight_words)),
            "cell_blocks": In(BLOCK_BITS),
            "blocks": In(BLOCK_BITS),
            "sparse": In(1),
            "format": In(range(max(2, len(engine.weight_formats)))),
            "held": In(HELD_BITS),
            "goes_on": In(1),
            "leaves": In(1),
            "biased": In(1),
            "vector": In(1),
            "weights_address": Out(range(weight_words * WORD_BYTES)),
            "weights": In(weight_windows(engine) * WORD_BITS),
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
        beat, group = walk(m, self)
        sums = self._multiply(m, beat)
        self._scale(m, group, sums)
        return m

    def _multiply(self, m: Module, beat: dict[str, Value]) -> dict[str, Value]:
        """The vector unit's sums."""
        engine, format_ = self.engine, register(m, "format_1", self.format)
        index_bits = INDEX_BITS if engine.sparse else 0
        dense = Signal(name="dense")
        m.d.comb += dense.eq(beat["density"] == DENSE if engine.sparse else 1)
        codes, indices = [], []
        for index in range(engine.weights("mv")):
            formats = []
            for name in engine.weight_formats:
                bits = EXPANDED[name].bits
                apart, together = self.weights[index * (bits + index_bits) :], self.weights[index * bits :]
                code = Mux(dense, together[:bits], apart[:bits])
                formats.append(Cat(code, Const(0, code_bits(engine) - bits), apart[bits:][:index_bits]))
            weight = Signal(code_bits(engine) + index_bits, name=f"weight_{index}")
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
            {"valid": there, "codes": Cat(codes), "format": format_, "weights_ready": Const(1), **_zeros(m, engine, beat)},
        )
        fields = {name: register(m, f"unit_{name}", beat[name]) for name in ("density", "column", "last")}
        if engine.two_columns:
            fields["vector"] = register(m, "unit_vector", beat["vector"])
        if engine.sparse:
            fields["indices"] = register(m, "unit_indices", Cat(indices))
        activations = [getattr(self, f"codes_{lane}") for lane in range(LANES)]
        if not engine.sparse and "part" in beat:
            # Without multiplexers a vector unit takes the part of a column that a beat has.
            activations = [_chosen(of, beat["part"], engine.segment * ACTIVATION_BITS) for of in activations]
        fields["activations"] = register(m, "unit_activations", Cat(activations))
        given = {**fields, "valid": expanded["weights_valid"], "weights": expanded["weights"], "sum_ready": Const(1)}
        return place(m, self._unit, "unit", given)

    def _scale(self, m: Module, group: dict[str, Value], sums: dict[str, Value]) -> None:
        """Sums meet their scales: those of a group are read when it ends, and held until its first column comes."""
        ended = register(m, "ended", group["ends"])
        added, leaves = group["first"] & ~self.goes_on, group["last"] & ~self.leaves
        flags = register(m, "flags_of_group", Cat(added, leaves, self.biased, self.vector, self.held))
        of_second = Mux(self.vector, self.scales_0, self.scales_1) if self.engine.two_columns else self.scales_1
        tokens = Cat(self.scales_0, of_second)
        # Between its end and its first column no other group ends, as a group takes 16 cycles.
        waiting = Signal(WORD_BITS + len(flags) + len(tokens), name="waiting", reset_less=True)
        with m.If(ended):
            m.d.sync += waiting.eq(Cat(_of_lanes(self.engine, flags[3], self.group), flags, tokens))
        begins = Signal(name="begins")
        held = Signal(len(waiting), name="held_scales", reset_less=True)
        now = Signal(len(waiting), name="now")
        m.d.comb += [begins.eq(sums["sum_valid"] & ~sums["sum_column"].any()), now.eq(Mux(begins, waiting, held))]
        m.d.sync += held.eq(Cat(now[SCALE_BITS:WORD_BITS], Const(0, SCALE_BITS), now[WORD_BITS:]))
        vector = now[WORD_BITS + 3]
        biases = self._biases(m, group, begins, sums["sum_column"], now[WORD_BITS + 2], vector)
        found: list[Value] = []
        for lane in range(LANES):
            other = lane * WORD_BITS // LANES if self.engine.two_columns else 0
            given = {
                "bias": biases[lane],
                "sum": sums["sum"].word_select(lane, self.engine.accumulator_bits),
                "column": sums["sum_column"],
                "valid": sums["sum_valid"],
                "scale": Mux(vector, now[other:][:SCALE_BITS], now[:SCALE_BITS]),
                "first": now[WORD_BITS],
                "last": now[WORD_BITS + 1],
                "held": now[WORD_BITS + 4 :][:HELD_BITS],
                "token_scale": now[WORD_BITS + len(flags) :].word_select(lane, SCALE_BITS),
            }
            scaling = place(m, self._scaling, f"scaling_{lane}", given)
            found.append(scaling["results"])
            m.d.comb += getattr(self, f"results_{lane}").eq(scaling["results"])
            if lane == 0:
                m.d.comb += self.done.eq(scaling["done"])
        if self.engine.two_columns:
            pairs = paired_columns(self.engine)
            columns = [found[lane].word_select(at, SCALE_BITS) for lane, at in zip(*_places(pairs), strict=True)]
            with m.If(delay_line(m, "pairs_come", vector, LATENCY)):
                m.d.comb += self.results_0.eq(Cat(columns))

    def _biases(
        self, m: Module, group: dict[str, Value], begins: Value, column: Value, biased: Value, vector: Value
    ) -> list[Value]:
        """Of each lane's column, a cycle behind its sum; biases are read when the last group's scales have been."""
        read = delay_line(m, "biases_come", group["last"], 2)
        waiting, here = (Signal(WORD_BITS, name=name, reset_less=True) for name in ("biases_wait", "biases"))
        with m.If(read):
            m.d.sync += waiting.eq(_of_lanes(self.engine, delay_line(m, "vector_of_biases", self.vector, 2), self.group))
        # Between a last group's first column and its last one no other group's biases are here.
        with m.If(begins):
            m.d.sync += here.eq(waiting)
        of, there = register(m, "column_of_bias", column), register(m, "biased_1", biased)
        pairs = register(m, "pairs_of_biases", vector)
        biases = []
        for lane in range(LANES):
            bias = Signal(SCALE_BITS, name=f"bias_of_column_{lane}")
            other = Cat(of[:-1], Const(lane, 1))
            place_ = Mux(pairs, other, of) if self.engine.two_columns else of
            m.d.comb += bias.eq(Mux(there, _chosen(here, place_, SCALE_BITS), 0))
            biases.append(bias)
        return biases


def _zeros(m: Module, engine: Engine, beat: dict[str, Value]) -> dict[str, Value]:
    """Zero points of a beat's columns."""
    bits = zero_bits(engine)
    if not bits:
        return {}
    side, most = -(-engine.multipliers // BLOCK), -(-engine.weights("mv") // BLOCK)
    here = Signal(most * ZERO_BITS, name="zeros_of_beat")
    number = beat["column"] >> exact_log2(side)
    m.d.comb += here.eq(_chosen(beat["zeros"], number, side * ZERO_BITS))
    if engine.two_columns:
        with m.If(beat["vector"]):
            m.d.comb += here.eq(_chosen(beat["zeros"], number[:-1], len(here)))
    return {"zeros": Cat(here.word_select(i, ZERO_BITS)[:bits] for i in range(most))}


def _of_lanes(engine: Engine, vector: Value, columns: Value) -> Value:
    """What belongs to 16 columns, if the lanes are two columns those of lane 0 first, in the order in which sums leave."""
    if not engine.two_columns:
        return columns
    ordered = paired_columns(engine).T.reshape(-1).tolist()
    return Mux(vector, Cat(columns.word_select(column, SCALE_BITS) for column in ordered), columns)


def _places(pairs: NDArray[np.intp]) -> tuple[list[int], list[int]]:
    """Of each column its lane, and its place there."""
    at, lane = np.unravel_index(np.argsort(pairs, axis=None), pairs.shape)
    return lane.tolist(), at.tolist()


def _chosen(value: Value, place: Value, bits: int) -> Value:
    """The word of so many bits at a place."""
    return Array(value.word_select(i, bits) for i in range(len(value) // bits))[place]
