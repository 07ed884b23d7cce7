"""The engine unit: ``MM`` and ``MV`` instructions, pass by pass through its vector units."""

from typing import Any

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.overlay.buffers import BYTE_BITS, WORD_BITS, WORD_BYTES
from hdl.overlay.decoder import INSTRUCTION_BITS, fields_of
from hdl.overlay.scaling import HELD_BITS
from hdl.overlay.vector_pass import VectorPass, tail
from hdl.overlay.walk import BLOCK_BITS
from hdl.placement import Wires, delay_line, place
from sim.epilogue import SCALE_BITS
from sim.overlay.cells import has_zeros
from sim.overlay.densities import DENSITY_BITS
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, LANES
from sim.overlay.isa import LAYOUTS, OPCODES
from sim.overlay.isa.instructions import GOES_ON, LEAVES
from sim.overlay.sparsity import INDEX_BITS

HALF_BITS = BYTE_BITS - 1
"""[bit] Of a byte's place in 16, which are half a word: the codes of a block."""

STEPS = ("idle", "scales", "latch", "begin", "run")

START, BEFORE = 2, 2
"""[cycle] From ``start`` to the first pass, and of a pass until its vector units start: the tokens' scales are read."""


def product_latency(design: OverlayDesign) -> int:
    """From an instruction's last cycle of weights to that of its last results [cycle]."""
    return tail(design.engine) + LANES * design.vector_units


class EngineUnit(wiring.Component):
    """Products of a tile by the vector units of one unit, results as fp16 in the activation buffer.

    Column blocks of as many vector units as there are go through all passes of tokens, one pass after the other: the tokens'
    scales are read, the vector units begin together, and the next pass begins when the last one has read its weights. The
    results of each, and of each lane, are written meanwhile, a word each; of a part that leaves its sums none. The sums of pass
    ``p`` of an instruction are held in place ``p`` of 8, so one that goes on with sums has the passes of the one before.
    Sparse cells have at most 85 blocks along ``k``, tiles one head; addresses are of whole words, rows of codes of 16 bytes,
    ``pitch`` of whole words.

    Ports: ``start``, ``word``, ``free``, ``done`` as of every unit; those of :class:`hdl.overlay.vector_pass.VectorPass` to the
    buffers for each vector unit, ``v<index>_`` before them; ``write``, ``write_address``, ``write_data`` to the activation
    buffer.

    Cycles from ``start`` to ``free``: :data:`START`, and of each pass :data:`BEFORE`, those of a vector unit's set-up for each
    cell, and the windows of the slowest; from there to ``done`` :func:`product_latency`.
    """

    module_name = "engine_unit"

    def __init__(self, design: OverlayDesign, weight_words: int, activation_words: int) -> None:
        self.design = design
        self._pass = VectorPass(design, weight_words, activation_words)
        self.vector_units = design.vector_units
        ports: dict[str, Any] = {"start": In(1), "free": Out(1), "done": Out(1), "word": In(INSTRUCTION_BITS)}
        ports |= {"write": Out(1), "write_address": Out(range(activation_words)), "write_data": Out(WORD_BITS)}
        for name, member in self._pass.signature.members.items():
            if name in self.of_buffers:
                ports |= {f"v{v}_{name}": member for v in range(self.vector_units)}
        super().__init__(ports)

    @property
    def of_buffers(self) -> tuple[str, ...]:
        """Ports of a vector unit to the buffers."""
        lanes = [name for lane in range(LANES) for name in (f"codes_address_{lane}", f"codes_{lane}")]
        return "weights_address", "weights", "group_address", "group", *lanes

    @property
    def parts(self) -> tuple[Any, ...]:
        """One of each component that this one instantiates."""
        return *self._pass.parts, self._pass

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        f = fields_of(self.word, "MM")
        state = Signal(range(len(STEPS)))
        token, column = Signal(len(f.m), name="token"), Signal(len(f.n), name="column_block")
        number = Signal(HELD_BITS, name="pass_number")
        two = Signal(name="two_lanes")
        blocks, columns = Signal(BLOCK_BITS), Signal(len(f.n), name="column_blocks")
        m.d.comb += [
            two.eq(f.opcode == OPCODES["MM"]),
            blocks.eq((f.k + BLOCK - 1) >> exact_log2(BLOCK)),
            columns.eq((f.n + BLOCK - 1) >> exact_log2(BLOCK)),
        ]
        taken = [(column + v < columns) for v in range(self.vector_units)]
        scales = self._scales(m, f, token, state)
        waiting = Signal(self.vector_units)
        passes = self._passes(m, f, token, column, blocks, columns, number, scales, state, taken)
        advance = Mux(two, LANES, 1)
        last_token, last_column = token + advance >= f.m, column + self.vector_units >= columns
        begins, over = Signal(name="begins"), Signal(name="all_over")
        m.d.sync += begins.eq(self.start)
        left = Cat(waiting[v] & ~of["over"] for v, of in enumerate(passes))
        m.d.comb += over.eq((state == STEPS.index("run")) & ~left.any())
        m.d.comb += self.free.eq(over & last_token & last_column)
        self._write(m, f, token, column, over, passes, taken, two)
        with m.Switch(state):
            with m.Case(STEPS.index("idle")), m.If(begins):
                m.d.sync += [state.eq(STEPS.index("scales")), token.eq(0), column.eq(0), number.eq(0)]
            with m.Case(STEPS.index("scales")):
                m.d.sync += state.eq(STEPS.index("latch"))
            with m.Case(STEPS.index("latch")):
                m.d.sync += state.eq(STEPS.index("begin"))
            with m.Case(STEPS.index("begin")):
                m.d.sync += [state.eq(STEPS.index("run")), waiting.eq(Cat(taken))]
            with m.Default():
                m.d.sync += waiting.eq(left)
                with m.If(over):
                    m.d.sync += [state.eq(STEPS.index("scales")), token.eq(token + advance), number.eq(number + 1)]
                    with m.If(last_token):
                        m.d.sync += [token.eq(0), column.eq(column + self.vector_units)]
                        with m.If(last_column):
                            m.d.sync += state.eq(STEPS.index("idle"))
        return m

    def _scales(self, m: Module, f: Any, token: Value, state: Value) -> list[Value]:
        """Scales of a pass's tokens, which come through the port of the first vector unit's codes."""
        place_ = Signal(len(f.scales), name="scales_place")
        found = Signal(LANES * SCALE_BITS, name="token_scales")
        m.d.comb += place_.eq(f.scales + (token << 1))
        with m.If(state == STEPS.index("latch")):
            m.d.sync += found.eq(self.v0_codes_0 >> (place_[:HALF_BITS] << 3))
        return [found.word_select(lane, SCALE_BITS) for lane in range(LANES)]

    def _passes(
        self,
        m: Module,
        f: Any,
        token: Value,
        column: Value,
        blocks: Value,
        columns: Value,
        number: Value,
        scales: list[Value],
        state: Value,
        taken: list[Value],
    ) -> list[Wires]:
        """The vector units, each at its column block."""
        within, cells = self._cell(m, f)
        next_cell = Signal(len(self._pass.next_cell), name="next_cell")
        m.d.comb += next_cell.eq(columns * cells)
        found = []
        for v in range(self.vector_units):
            given = {
                "start": (state == STEPS.index("begin")) & taken[v],
                "cell": (f.weights[BYTE_BITS:] + (column + v) * cells)[: len(self._pass.cell)],
                **{name: value[: len(self._pass.code_bytes)] for name, value in within.items()},
                "next_cell": next_cell,
                "cell_blocks": f.cell,
                "blocks": blocks,
                "held": number,
                "biased": f.bias,
                "goes_on": (f.part & GOES_ON).any(),
                "leaves": (f.part & LEAVES).any(),
                "vector": f.opcode == OPCODES["MV"],
                "sparse": f.layout == LAYOUTS.index("sparse"),
                "format": f.format[: len(self._pass.format)],
                "weights": getattr(self, f"v{v}_weights"),
                "group": getattr(self, f"v{v}_group"),
            }
            for lane in range(LANES):
                given[f"rows_{lane}"] = (f.source[HALF_BITS:] + (token + lane) * blocks)[: len(self._pass.rows_0)]
                given[f"scales_{lane}"] = scales[lane]
                # The second lane of MV has nothing to do: its results are not written.
                given[f"codes_{lane}"] = getattr(self, f"v{v}_codes_{lane}")
            of = place(m, self._pass, f"pass_{v}", given)
            for name in self.of_buffers:
                if name in of:
                    m.d.comb += getattr(self, f"v{v}_{name}").eq(of[name])
            found.append(of)
        with m.If(state == STEPS.index("scales")):
            m.d.comb += self.v0_codes_address_0.eq((f.scales + (token << 1)) >> HALF_BITS)
        return found

    def _cell(self, m: Module, f: Any) -> tuple[dict[str, Signal], Signal]:
        """What is where in a cell [byte], and how many words it has (:class:`sim.overlay.cells.CellLayout`)."""
        engine, blocks, format_ = self.design.engine, f.cell, f.format[: len(self._pass.format)]
        side = exact_log2(self.design.group_size // BLOCK)
        groups = Signal(len(blocks), name="groups_of_cell")
        names = ("code_bytes", "zeros_at", "biases_at")
        code_bytes, zeros, biases = (Signal(BLOCK_BITS + 16, name=name) for name in names)
        words = Signal(BLOCK_BITS + 11, name="cell_words")
        sizes = []
        for name in engine.weight_formats:
            bits = EXPANDED[name].bits
            sparse = blocks * (self.design.kept * BLOCK * (bits + INDEX_BITS) // 8) + ((blocks * DENSITY_BITS + 7) >> 3)
            dense = blocks * (BLOCK * BLOCK * bits // 8)
            sizes.append(Mux(f.layout == LAYOUTS.index("sparse"), sparse, dense) if engine.sparse else dense)
        zero_bytes = [Const(BLOCK * has_zeros(EXPANDED[name]), BYTE_BITS) for name in engine.weight_formats]
        m.d.comb += [
            groups.eq((blocks + (1 << side) - 1) >> side),
            code_bytes.eq(Array(sizes)[format_]),
            zeros.eq(code_bytes + (groups << BYTE_BITS)),
            biases.eq(zeros + groups * Array(zero_bytes)[format_]),
            words.eq((biases + Mux(f.bias, WORD_BYTES, 0) + WORD_BYTES - 1) >> BYTE_BITS),
        ]
        return {"code_bytes": code_bytes, "zeros_at": zeros, "biases_at": biases}, words

    def _write(
        self, m: Module, f: Any, token: Value, column: Value, over: Value, passes: list[Wires], taken: list[Value], two: Value
    ) -> None:
        """A lane's results of a vector unit in each cycle, when those of a pass are there; where they belong comes along."""
        slots = LANES * self.vector_units
        results = []
        for v, of in enumerate(passes):
            for lane in range(LANES):
                kept = Signal(WORD_BITS, name=f"results_{v}_{lane}", reset_less=True)
                with m.If(of["done"]):
                    m.d.sync += kept.eq(of[f"results_{lane}"])
                results.append(kept)
        writes = ~(f.part & LEAVES).any()
        lanes = [writes, writes & two & (token + 1 < f.m)]
        there = Cat(is_taken & lane for is_taken in taken for lane in lanes)
        pitch = f.pitch[BYTE_BITS:]
        address = (f.target[BYTE_BITS:] + token * pitch + column)[: len(self.write_address)]
        about = Cat(over, self.free, there, address, pitch[: len(self.write_address)])
        late = delay_line(m, "about", about, product_latency(self.design) - slots + 1)
        slot, now, held = Signal(range(slots)), Signal(len(about), name="now"), Signal(len(about) - 1, name="held")
        writing = Signal(name="writing")
        m.d.comb += [now.eq(Mux(late[0], late, Cat(Const(0, 1), held))), writing.eq(late[0] | slot.any())]
        last, valid, rest = now[1], now[2 : 2 + slots], now[2 + slots :]
        first, step = rest[: len(self.write_address)], rest[len(self.write_address) :]
        m.d.sync += held.eq(now[1:])
        with m.If(writing):
            m.d.sync += slot.eq(Mux(slot == slots - 1, 0, slot + 1))
        m.d.comb += [
            self.write.eq(writing & Array(valid)[slot]),
            self.write_data.eq(Array(results)[slot]),
            self.write_address.eq(first + Mux(slot[0], step, 0) + (slot >> 1)),
            self.done.eq(writing & last & (slot == slots - 1)),
        ]
