"""A scaled-down overlay: instructions in, a memory of its own, two buffers, one unit of vector units that executes them."""

from dataclasses import replace
from typing import Any

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.overlay.buffers import WORD_BITS, WORD_BYTES, ByteWindow
from hdl.overlay.decoder import INSTRUCTION_BITS
from hdl.overlay.dispatcher import Dispatcher
from hdl.overlay.engine_unit import EngineUnit
from hdl.overlay.products import ELEMENTS
from hdl.overlay.transfers import Transfer
from hdl.placement import Wires, place
from hdl.ram import Ram
from sim.errors import InputError
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.design import OverlayDesign
from sim.overlay.elements import CHAINS
from sim.overlay.engine import LANES
from sim.overlay.isa import BUFFERS
from sim.overlay.sparsity import INDEX_BITS

UNITS = ("load", "store", "engine")
"""Units that are there."""

MOST_VECTOR_UNITS = 8
"""Whose results, a word for each lane, are written while the next ones are formed, which takes 16 cycles at least."""

LEAST_MULTIPLIERS = 8
"""So that what a vector unit takes in a cycle is whole bytes."""


class Overlay(wiring.Component):
    """``LD``, ``MM``, ``MV``, ``ST`` and ``SYS`` of programs, with a memory on the chip that behaves as one port of one off it.

    Ports:

    ================================= ========== ==================================================================
    instruction, valid, ready         in, in, out  a stream of 256-bit words
    host_write, host_address, host_word  in      a word of the memory is written, while nothing is at work
    host_read                         out 256    the memory's word at ``host_address``, a cycle later
    <unit>_done                       out 1      an instruction of a unit is in its last cycle
    ended                             out 1      the program has ended
    ================================= ========== ==================================================================

    Buffers are written in words, by ``LD`` or, before it, by the engine's results; each vector unit reads copies of its own, as
    a memory of an FPGA has two ports. Special functions have a model only.
    """

    module_name = "overlay"

    def __init__(self, design: OverlayDesign, memory_words: int, weight_words: int, activation_words: int) -> None:
        """Raises ``InputError`` for designs of which hardware does not exist."""
        check_hardware(design)
        self.design = design
        check_memory(design, memory_words)
        latency = design.channels_off_chip.latency
        buffers = max(weight_words, activation_words)
        self._engine = EngineUnit(design, weight_words, activation_words)
        self._dispatcher = Dispatcher(UNITS, design.queue)
        self._load = Transfer("LD", latency, memory_words, buffers)
        self._store = Transfer("ST", latency, memory_words, activation_words)
        self._memory = Ram("memory", WORD_BITS, memory_words)
        self._window = ByteWindow("weight", weight_words)
        self._activations = Ram("activation_copy", WORD_BITS, activation_words)
        address = range(memory_words)
        super().__init__(
            {
                "instruction": In(INSTRUCTION_BITS),
                "valid": In(1),
                "ready": Out(1),
                "host_write": In(1),
                "host_address": In(address),
                "host_word": In(WORD_BITS),
                "host_read": Out(WORD_BITS),
                **{f"{unit}_done": Out(1) for unit in UNITS},
                "ended": Out(1),
            }
        )

    @property
    def parts(self) -> tuple[Any, ...]:
        """One of each component that this one instantiates."""
        memories = self._memory, self._activations, *self._window.parts, self._window
        return *memories, *self._engine.parts, self._engine, self._dispatcher, self._load, self._store

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        ends = {f"{unit}_{name}": Signal(name=f"{unit}_{name}_there") for unit in UNITS for name in ("free", "done")}
        orders = place(m, self._dispatcher, "dispatcher", {"instruction": self.instruction, "valid": self.valid, **ends})
        of = {unit: {"start": orders[f"{unit}_start"], "word": orders[f"{unit}_word"]} for unit in UNITS}
        m.d.comb += [self.ready.eq(orders["ready"]), self.ended.eq(orders["ended"])]
        m.d.comb += [getattr(self, f"{unit}_done").eq(ends[f"{unit}_done"]) for unit in UNITS]

        memory, stored = self._signals("memory_word"), self._signals("stored")
        results: Wires = {"write": Signal(name="results_come")}
        to_activations = Signal(name="to_activations")
        blocked = results["write"] & to_activations
        load = place(m, self._load, "load", {**of["load"], "read_data": memory, "blocked": blocked})
        m.d.comb += to_activations.eq(load["buffer"] == BUFFERS.index("activation"))
        store = place(m, self._store, "store", {**of["store"], "read_data": stored, "blocked": Const(0)})

        reads = Mux(load["read"], load["read_address"], self.host_address)
        held = {
            "write": store["write"] | self.host_write,
            "write_address": Mux(store["write"], store["write_address"], self.host_address),
            "write_data": Mux(store["write"], store["write_data"], self.host_word),
        }
        ram = place(m, self._memory, "memory", {**held, "read": ~(load["write"] & blocked), "read_address": reads})
        m.d.comb += [memory.eq(ram["read_data"]), self.host_read.eq(ram["read_data"])]

        written = {"write_address": load["write_address"], "write_data": load["write_data"]}
        weights = written | {"write": load["write"] & ~to_activations}
        engine = self._engine_and_buffers(m, of["engine"], weights, results, load, to_activations, store, stored)
        for unit, wires in zip(UNITS, (load, store, engine), strict=True):
            m.d.comb += [ends[f"{unit}_{name}"].eq(wires[name]) for name in ("free", "done")]
        return m

    def _engine_and_buffers(
        self,
        m: Module,
        orders: Wires,
        weights: Wires,
        results: Wires,
        load: Wires,
        to_activations: Signal,
        store: Wires,
        stored: Signal,
    ) -> Wires:
        """The engine, and of each buffer the copies that its vector units read."""
        v_ports = {name: Signal(member.shape, name=f"{name}_of_engine") for name, member in self._read_ports()}
        engine = place(m, self._engine, "engine", {**orders, **v_ports})
        m.d.comb += results["write"].eq(engine["write"])
        activations = {
            "write": engine["write"] | (load["write"] & to_activations),
            "write_address": Mux(engine["write"], engine["write_address"], load["write_address"]),
            "write_data": Mux(engine["write"], engine["write_data"], load["write_data"]),
        }
        copy = place(m, self._activations, "activations_stored", {**activations, **_read(store["read_address"])})
        m.d.comb += stored.eq(copy["read_data"])
        for v in range(self.design.vector_units):
            for name in ("weights", "group"):
                window = place(m, self._window, f"{name}_{v}", {**weights, "address": engine[f"v{v}_{name}_address"]})
                m.d.comb += v_ports[f"v{v}_{name}"].eq(window["window"])
            for lane in range(LANES):
                address = engine[f"v{v}_codes_address_{lane}"]
                word = place(m, self._activations, f"activations_{v}_{lane}", {**activations, **_read(address[1:])})[
                    "read_data"
                ]
                upper = Signal(name=f"upper_{v}_{lane}")
                m.d.sync += upper.eq(address[0])
                m.d.comb += v_ports[f"v{v}_codes_{lane}"].eq(Mux(upper, word[WORD_BITS // 2 :], word[: WORD_BITS // 2]))
        return engine

    def _read_ports(self) -> list[tuple[str, Any]]:
        """Inputs of the engine from the buffers."""
        return [
            (name, member) for name, member in self._engine.signature.members.items() if name[0] == "v" and member.flow == In
        ]

    @staticmethod
    def _signals(name: str) -> Signal:
        return Signal(WORD_BITS, name=name)


def _read(address: Any) -> Wires:
    return {"read": Const(1), "read_address": address}


def most_words(design: OverlayDesign) -> int:
    """Of the memory: a row of each bank, beyond which transfers would wait for rows.

    Runs of a word or so that go from page to page of one channel would wait for a row's first opening, which is left out.
    """
    channels = design.channels_off_chip
    return channels.buses * channels.banks.page * channels.banks.sets // WORD_BYTES


def check_memory(design: OverlayDesign, words: int) -> None:
    """Raise ``InputError`` for a memory of more words than :func:`most_words`."""
    if words > (most := most_words(design)):
        raise InputError(f"hardware of an overlay has a memory of at most {most:,} words, a row of each bank, not {words:,}")


def check_element(design: OverlayDesign) -> None:
    """Raise ``InputError`` for multipliers that have a model only."""
    if design.element not in ELEMENTS:
        raise InputError(f"hardware of an overlay has the element {' or '.join(ELEMENTS)}, not {design.element}")


def chains_of(design: OverlayDesign) -> list[int]:
    """Chains with which a design's cycle of weights, with their indices, is whole bytes of at most a word."""
    longest = max(EXPANDED[name].bits for name in design.engine.weight_formats) + (INDEX_BITS if design.sparse else 0)
    engines = [replace(design.engine, chain=chain) for chain in CHAINS]
    return [
        engine.chain
        for engine in engines
        if engine.multipliers >= LEAST_MULTIPLIERS and engine.weights("mv") * longest <= WORD_BITS
    ]


def check_hardware(design: OverlayDesign) -> None:
    """Raise ``InputError`` for a design that has a model only."""
    check_element(design)
    if design.units != 1:
        raise InputError(f"hardware of an overlay has 1 unit, not {design.units}")
    if design.chain not in (chains := chains_of(design)):
        raise InputError(
            f"hardware of an overlay with{'' if design.sparse else 'out'} multiplexers has a chain of "
            f"{' or '.join(map(str, chains))}, not of {design.chain}: it reads a cycle's weights as whole bytes of one word"
        )
    if design.channels_off_chip.rate != WORD_BYTES or design.ports != 1:
        raise InputError(
            f"hardware of an overlay has one port of {WORD_BYTES} byte/cycle to its memory, not {design.ports} of "
            f"{design.channels_off_chip.rate}"
        )
    if design.vector_units > MOST_VECTOR_UNITS:
        raise InputError(f"hardware of an overlay has at most {MOST_VECTOR_UNITS} vector units, not {design.vector_units}")
    for name in design.engine.weight_formats:
        if EXPANDED[name].lsb:
            raise InputError(f"hardware of an overlay has weights in units of 1, which are not those of {name}")
    if design.group_size & (design.group_size - 1):
        raise InputError(f"hardware of an overlay has groups of a power of two, not of {design.group_size}")
    if design.queue & (design.queue - 1):
        raise InputError(f"hardware of an overlay has queues of a power of two, not of {design.queue}")
