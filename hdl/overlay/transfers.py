"""The load and the store unit: runs of words between the memory off the chip and a buffer."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.overlay.buffers import BYTE_BITS, WORD_BITS
from hdl.overlay.decoder import INSTRUCTION_BITS, fields_of, layout_of

SETUP = 2
"""[cycle] From ``start`` to the first word that the unit comes to."""

BUFFER_BITS = layout_of("LD")["buffer"].width


class Transfer(wiring.Component):
    """``LD`` or ``ST``: ``runs`` of ``size`` bytes, ``pitch`` apart in the memory and one after the other in the buffer.

    Ports:

    =================== ======== ==================================================================================
    start               in 1     for a cycle
    word                in 256   the instruction, in the cycle behind
    free, done          out      for a cycle: the next one may start; all is written
    read, read_address  out      of the source, a word; ``read_data`` comes a cycle later and stays without ``read``
    write               out 1    of the destination, unless it is ``blocked``; ``write_address``, ``write_data``
    buffer              out 2    number of the destination's buffer, or the source's
    blocked             in 1     somebody else writes
    =================== ======== ==================================================================================

    A word is read from its place in the source ``latency`` cycles after the unit has come to it, and written then. Cycles from
    ``start`` to ``free``: :data:`SETUP` and those of its words; from there to ``done``, of the last word's writing,
    ``latency``, unless somebody else writes. Throughput: a word a cycle, also from run to run: the next run's row is opened
    meanwhile. Addresses, sizes and pitches are whole words.
    """

    def __init__(self, opcode: str, latency: int, memory_words: int, buffer_words: int) -> None:
        self.opcode, self.latency = opcode, latency
        self.module_name = {"LD": "load_unit", "ST": "store_unit"}[opcode]
        source, destination = (memory_words, buffer_words) if opcode == "LD" else (buffer_words, memory_words)
        super().__init__(
            {
                "start": In(1),
                "free": Out(1),
                "done": Out(1),
                "buffer": Out(BUFFER_BITS),
                "word": In(INSTRUCTION_BITS),
                "read": Out(1),
                "read_address": Out(range(source)),
                "read_data": In(WORD_BITS),
                "write": Out(1),
                "write_address": Out(range(destination)),
                "write_data": Out(WORD_BITS),
                "blocked": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        given = fields_of(self.word, self.opcode)
        f = {name: Signal(len(given[name]), name=name) for name in ("size", "runs", "pitch", "buffer")}
        begins, running, comes, moves = Signal(), Signal(), Signal(), Signal()
        place, run = Signal(len(given.size) - BYTE_BITS), Signal(len(given.runs))
        bits = len(given.memory) - BYTE_BITS
        in_memory, row, in_buffer = (Signal(bits, name=name) for name in ("in_memory", "row", "in_buffer"))
        ends_run = Signal()
        m.d.comb += [
            comes.eq(running & moves),
            ends_run.eq(place + 1 == f["size"][BYTE_BITS:]),
            self.free.eq(comes & ends_run & (run + 1 == f["runs"])),
        ]
        m.d.sync += begins.eq(self.start)
        with m.If(begins):
            start = given.memory[BYTE_BITS:]
            m.d.sync += [in_memory.eq(start), row.eq(start), in_buffer.eq(given.address[BYTE_BITS:])]
            m.d.sync += [place.eq(0), run.eq(0), running.eq(1)]
            m.d.sync += [register.eq(given[name]) for name, register in f.items()]
        with m.If(comes):
            m.d.sync += [place.eq(place + 1), in_memory.eq(in_memory + 1), in_buffer.eq(in_buffer + 1)]
            with m.If(ends_run):
                m.d.sync += [place.eq(0), run.eq(run + 1), running.eq(~self.free)]
                m.d.sync += [in_memory.eq(row + f["pitch"][BYTE_BITS:]), row.eq(row + f["pitch"][BYTE_BITS:])]
        source, destination = (in_memory, in_buffer) if self.opcode == "LD" else (in_buffer, in_memory)
        parts = {
            "read": comes,
            "last": self.free,
            "buffer": f["buffer"],
            "from": source[: len(self.read_address)],
            "to": destination[: len(self.write_address)],
        }
        # The memory's latency: the word is read at its end.
        line: Value = Cat(parts.values())
        for cycle in range(self.latency - 1):
            later = Signal(len(line), name=f"late_{cycle}")
            with m.If(moves):
                m.d.sync += later.eq(line)
            line = later
        there = dict(zip(parts, _split(line, [len(part) for part in parts.values()]), strict=True))
        m.d.comb += [self.read.eq(there["read"] & moves), self.read_address.eq(there["from"])]
        last = Signal()
        m.d.comb += moves.eq(~(self.write & self.blocked))
        with m.If(moves):
            m.d.sync += [
                self.write.eq(there["read"]),
                last.eq(there["last"]),
                self.write_address.eq(there["to"]),
                self.buffer.eq(there["buffer"]),
            ]
        m.d.comb += [self.write_data.eq(self.read_data), self.done.eq(last & moves)]
        return m


def _split(value: Value, widths: Sequence[int]) -> list[Value]:
    """What is side by side in a value, the first lowest."""
    parts, start = [], 0
    for width in widths:
        parts.append(value[start : start + width])
        start += width
    return parts
