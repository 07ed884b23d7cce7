"""The load and the store unit: runs of words between the memory off the chip and a buffer."""

from amaranth import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.overlay.buffers import BYTE_BITS, WORD_BITS
from hdl.overlay.decoder import INSTRUCTION_BITS, fields_of


class Transfer(wiring.Component):
    """``LD`` or ``ST``: ``runs`` of ``size`` bytes, ``pitch`` apart in the memory and one after the other in the buffer.

    Ports:

    =================== ======== ==================================================================================
    start, done         in, out  for a cycle; ``word`` is there from the cycle behind ``start`` on
    word                in 256   the instruction
    read, read_address  out      of the source, a word; ``read_data`` comes a cycle later and stays without ``read``
    write               out 1    of the destination, unless it is ``blocked``; ``write_address``, ``write_data``
    blocked             in 1     somebody else writes
    =================== ======== ==================================================================================

    Latency: from ``start`` to ``done`` 1 cycle, ``latency`` of the memory, those of its words, ``opening`` between runs, and 1.
    Throughput: a word a cycle. Addresses, sizes and pitches are whole words.
    """

    def __init__(self, opcode: str, latency: int, opening: int, memory_words: int, buffer_words: int) -> None:
        self.opcode, self.latency, self.opening = opcode, latency, opening
        self.module_name = {"LD": "load_unit", "ST": "store_unit"}[opcode]
        source, destination = (memory_words, buffer_words) if opcode == "LD" else (buffer_words, memory_words)
        super().__init__(
            {
                "start": In(1),
                "done": Out(1),
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
        fields = fields_of(self.word, self.opcode)
        waits = Signal(range(max(self.latency, self.opening) + 1))
        begins, running, there, last = Signal(), Signal(), Signal(), Signal()
        place, run = Signal(len(fields.size) - BYTE_BITS), Signal(len(fields.runs))
        in_memory, row, in_buffer = (
            Signal(len(fields.memory) - BYTE_BITS, name=name) for name in ("in_memory", "row", "in_buffer")
        )
        ends_run, ends, moves = Signal(), Signal(), Signal()
        m.d.comb += [
            moves.eq(~(there & self.blocked)),
            ends_run.eq(place + 1 == fields.size[BYTE_BITS:]),
            ends.eq(ends_run & (run + 1 == fields.runs)),
            self.read.eq(running & ~waits.any() & moves),
        ]
        m.d.sync += begins.eq(self.start)
        with m.If(begins):
            start = fields.memory[BYTE_BITS:]
            m.d.sync += [in_memory.eq(start), row.eq(start), in_buffer.eq(fields.address[BYTE_BITS:])]
            m.d.sync += [place.eq(0), run.eq(0), running.eq(1), waits.eq(self.latency)]
        with m.Elif(waits.any()):
            m.d.sync += waits.eq(waits - 1)
        with m.If(self.read):
            m.d.sync += [place.eq(place + 1), in_memory.eq(in_memory + 1), in_buffer.eq(in_buffer + 1)]
            with m.If(ends_run):
                m.d.sync += [place.eq(0), run.eq(run + 1), waits.eq(self.opening), running.eq(~ends)]
                m.d.sync += [in_memory.eq(row + fields.pitch[BYTE_BITS:]), row.eq(row + fields.pitch[BYTE_BITS:])]
        source, destination = (in_memory, in_buffer) if self.opcode == "LD" else (in_buffer, in_memory)
        m.d.comb += self.read_address.eq(source)
        with m.If(moves):
            m.d.sync += [there.eq(self.read), last.eq(self.read & ends), self.write_address.eq(destination)]
        m.d.comb += [
            self.write.eq(there),
            self.write_data.eq(self.read_data),
            self.done.eq(last & moves),
        ]
        return m


def is_of(word: Value, opcode: str, buffer: int) -> Value:
    """Whether a transfer is with that buffer."""
    return fields_of(word, opcode).buffer == buffer
