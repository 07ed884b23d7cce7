"""The way of a vector unit through a pass: cell by cell along ``k``, group by group, block by block, beat by beat."""

from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.utils import exact_log2

from hdl.overlay.buffers import BYTE_BITS, WORD_BITS
from hdl.overlay.dequantizer import zero_bits
from hdl.pe.term import register
from sim.overlay.densities import DENSITY_BITS
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.engine import BLOCK, DENSITIES, LANES, Engine
from sim.overlay.isa import FIELDS
from sim.overlay.sparsity import INDEX_BITS

MOST_BLOCKS = WORD_BITS // DENSITY_BITS
"""Blocks along ``k`` of a sparse cell: their densities are in one word."""

BLOCK_BITS = next(field.bits for field in FIELDS["MM"] if field.name == "k") - exact_log2(BLOCK)
"""[bit] Of a number of blocks along ``k``."""

SETUP = 2
"""[cycle] From ``start``, or from the end of a cell, to the first weights' address: the densities are read."""

DENSE = DENSITIES.index(BLOCK)

ZERO_BITS = 8
"""[bit] Of a column's zero point in a cell."""


def walk(m: Module, of: Any) -> tuple[dict[str, Value], dict[str, Value]]:
    """A beat's density, column and end of its group, a cycle after its addresses; what the groups' scales need.

    ``of`` is a :class:`hdl.overlay.vector_pass.VectorPass`, whose addresses and ``over`` it drives. A group takes a window of
    as many cycles as its weights do, 16 at least; of a cell that is not sparse all densities are that of dense blocks.
    """
    side = 1 << of.side
    cell = Signal.like(of.cell, name="cell_at")
    header = Signal(len(of.weights_address))
    m.d.comb += header.eq(Mux(of.start, of.cell, cell) << BYTE_BITS)
    begins, read, running, again = Signal(), Signal(), Signal(), Signal()
    densities = Signal(MOST_BLOCKS * DENSITY_BITS) if of.engine.sparse else _all_dense(side)
    at = Signal.like(header, name="at")
    left, left_here, base, number = (Signal(BLOCK_BITS, name=name) for name in ("left", "left_here", "base", "number"))
    fresh, first, window = Signal(), Signal(), Signal(range(BLOCK))
    remaining, mask, beats = Signal(side), Signal(side), Signal(range(BLOCK * BLOCK))
    here = [densities[i * DENSITY_BITS : (i + 1) * DENSITY_BITS] for i in range(side)]
    there = Cat(here[i].any() & (left_here > i) for i in range(side))
    current = Signal(range(max(2, side)))
    for i in reversed(range(side)):
        with m.If(mask[i]):
            m.d.comb += current.eq(i)
    density, steps, size, column = _block(m, of, Array(here)[current], beats)
    active, finishes, ends, cell_ends = Signal(), Signal(), Signal(), Signal()
    after = Signal(side)
    m.d.comb += [
        mask.eq(Mux(fresh, there, remaining)),
        active.eq(running & mask.any()),
        finishes.eq(beats == steps),
        after.eq(Mux(active & finishes, mask & ~(1 << current), mask)),
        ends.eq(running & ~after.any() & (window == BLOCK - 1)),
        cell_ends.eq(ends & (left_here <= side)),
        of.over.eq(ends & (left <= side)),
        begins.eq(of.start | again),
        of.weights_address.eq(Mux(begins, header, at)),
    ]
    zeros = _beside(m, of, header, number, begins, fresh & running)
    m.d.sync += [read.eq(begins), again.eq(cell_ends & ~of.over)]
    with m.If(of.start):
        m.d.sync += [cell.eq(of.cell), left.eq(of.blocks), base.eq(0), first.eq(1)]
    with m.If(read):
        taken = (of.cell_blocks * DENSITY_BITS + 7) >> 3
        m.d.sync += at.eq(header + Mux(of.sparse, taken, 0))
        if of.engine.sparse:
            m.d.sync += densities.eq(Mux(of.sparse, of.weights, _all_dense(MOST_BLOCKS)))
        m.d.sync += [left_here.eq(Mux(left < of.cell_blocks, left, of.cell_blocks)), number.eq(0)]
        m.d.sync += [running.eq(1), fresh.eq(1), window.eq(0), beats.eq(0)]
    with m.If(running):
        m.d.sync += [fresh.eq(0), remaining.eq(after), window.eq(Mux(window == BLOCK - 1, window, window + 1))]
        with m.If(active):
            m.d.sync += [at.eq(at + size), beats.eq(Mux(finishes, 0, beats + 1))]
        with m.If(ends):
            m.d.sync += [fresh.eq(1), window.eq(0), first.eq(0), running.eq(~cell_ends)]
            if of.engine.sparse:
                # Cells that are not sparse have any number of blocks.
                m.d.sync += densities.eq(Cat(densities[side * DENSITY_BITS :], _all_dense(side)))
            m.d.sync += [left.eq(left - side), left_here.eq(left_here - side), base.eq(base + side), number.eq(number + 1)]
        with m.If(cell_ends):
            m.d.sync += cell.eq(cell + of.next_cell)
    for lane in range(LANES):
        m.d.comb += getattr(of, f"codes_address_{lane}").eq(getattr(of, f"rows_{lane}") + base + current)
    beat = {"density": Mux(active, density, 0), "column": column, "last": ends, "vector": of.vector}
    if of.engine.multipliers < BLOCK:
        # Beats take the parts of a dense column in turn.
        beat["part"] = beats[: exact_log2(BLOCK // of.engine.multipliers)]
    group = {"ends": ends, "first": first, "last": of.over}
    return {name: register(m, name, value) for name, value in beat.items()} | zeros, group


def _all_dense(blocks: int) -> Const:
    """Densities of blocks that keep all."""
    return Const(sum(DENSE << i * DENSITY_BITS for i in range(blocks)), blocks * DENSITY_BITS)


def _beside(m: Module, of: Any, header: Value, number: Value, begins: Value, fresh: Value) -> dict[str, Value]:
    """What is read beside the weights, each in a cycle of its own: a group's scales when it ends; biases behind the last one;
    of formats that have them, zero points of a cell's first group when it begins, of the others at the beginning of the group
    before. The latter are here, with the beats of their group."""
    scales, biases = (Signal(len(of.group_address), name=name) for name in ("scales_at", "biases_from"))
    ended = register(m, "pass_ended", of.over)
    m.d.comb += scales.eq(header + of.code_bytes + (number << BYTE_BITS))
    with m.If(of.over):
        m.d.sync += biases.eq(header + of.biases_at)
    m.d.comb += of.group_address.eq(Mux(ended, biases, scales))
    if not zero_bits(of.engine):
        return {}
    ahead = begins | fresh
    with m.If(ahead & ~ended):
        m.d.comb += of.group_address.eq(header + of.zeros_at + (Mux(begins, 0, number + 1) * BLOCK * ZERO_BITS >> 3))
    coming = Signal(BLOCK * ZERO_BITS, name="zeros_coming", reset_less=True)
    here = Signal.like(coming, name="zeros_here")
    with m.If(register(m, "zeros_come", ahead)):
        m.d.sync += coming.eq(of.group)
    with m.If(fresh):
        m.d.sync += here.eq(coming)
    return {"zeros": here}


def _block(m: Module, of: Any, density: Value, beats: Value) -> tuple[Value, Value, Value, Value]:
    """Of a block by its density: the same, its last beat, bytes of a beat, the beat's first column, or where the lanes are two
    columns the place of its first pair."""
    engine: Engine = of.engine
    steps, column = Signal(len(beats), name="steps"), Signal(range(BLOCK), name="column_of")
    size = Signal(range(engine.weights("mv") * 2 + 1), name="size")
    place_ = Signal(DENSITY_BITS, name="density_of")
    m.d.comb += place_.eq(density)
    for place_of, n in enumerate(DENSITIES):
        if n:
            shift = exact_log2(engine.multipliers) - exact_log2(n)
            bytes_of = _bytes(of, INDEX_BITS if n < BLOCK and engine.sparse else 0)
            with m.If(place_ == place_of):
                m.d.comb += [
                    steps.eq(_by_mode(of, BLOCK * n // engine.weights("mv") - 1, BLOCK * n // engine.multipliers - 1)),
                    column.eq(beats << shift if shift >= 0 else beats >> -shift),
                    size.eq(_by_mode(of, bytes_of << 1, bytes_of)),
                ]
    return place_, steps, size, column


def _by_mode(of: Any, of_vector: Any, of_matrix: Any) -> Any:
    """One of two values, where lanes may be two columns."""
    return Mux(of.vector, of_vector, of_matrix) if of.engine.two_columns else of_matrix


def _bytes(of: Any, index_bits: int) -> Value:
    """Of a beat's weights in the chosen format."""
    widths = [EXPANDED[name].bits + index_bits for name in of.engine.weight_formats]
    return Array(Const(of.engine.multipliers * width // 8, 8) for width in widths)[of.format]
