"""A buffer of operands: a stream fills one half while the array reads the other."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hdl.placement import place
from hdl.ram import Ram

BYTE = 8
HALVES = 2


def stream_bits(bits: int) -> int:
    """Width [bit] of a stream's data: whole bytes, as AXI4-Stream demands."""
    return -(-bits // BYTE) * BYTE


class Scratchpad(wiring.Component):
    """Two halves of ``depth`` words each; a packet of the stream fills one of them.

    Ports:

    ========================= ============== =======================================================================
    tdata, tvalid, tready     in, in, out    AXI4-Stream: a word a beat, in the lowest bits
    tlast                     in 1           the beat is the packet's last: the half is complete
    complete                  out 1          there is a half that has not been claimed
    claim                     in 1           a block begins, whose words the oldest of these halves has
    address, word             in, out        a word of the oldest half that was not given back, a cycle later
    give_back                 in 1           its words were read; the stream may overwrite them
    ========================= ============== =======================================================================

    A packet has at most ``depth`` words. ``tready`` is low while both halves are complete. ``give_back`` may come in the cycle
    of the last address.
    """

    def __init__(self, name: str, width: int, depth: int) -> None:
        self.module_name = f"{name}_scratchpad"
        self.width, self.depth = width, depth
        self._ram = Ram(f"{name}_ram", width, HALVES * depth)
        self.address_bits = max(1, ceil_log2(depth))
        super().__init__(
            {
                "tdata": In(stream_bits(width)),
                "tvalid": In(1),
                "tready": Out(1),
                "tlast": In(1),
                "complete": Out(1),
                "claim": In(1),
                "address": In(self.address_bits),
                "word": Out(width),
                "give_back": In(1),
            }
        )

    @property
    def parts(self) -> tuple[wiring.Component, ...]:
        """The component that this one instantiates."""
        return (self._ram,)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        taken, filled = Signal(name="taken"), Signal(name="filled")
        complete, unclaimed = (Signal(range(HALVES + 1), name=f"{name}_halves") for name in ("complete", "unclaimed"))
        write_half, read_half = Signal(name="write_half"), Signal(name="read_half")
        place_in_half = Signal(self.address_bits)
        m.d.comb += [
            self.tready.eq(complete != HALVES),
            self.complete.eq(unclaimed != 0),
            taken.eq(self.tvalid & self.tready),
            filled.eq(taken & self.tlast),
        ]
        m.d.sync += [
            complete.eq(complete + filled - self.give_back),
            unclaimed.eq(unclaimed + filled - self.claim),
            write_half.eq(write_half ^ filled),
            read_half.eq(read_half ^ self.give_back),
        ]
        with m.If(taken):
            m.d.sync += place_in_half.eq(Mux(self.tlast, 0, place_in_half + 1))
        write_address, read_address = self._ram.address("write_address"), self._ram.address("read_address")
        m.d.comb += [
            write_address.eq(Mux(write_half, self.depth, 0) + place_in_half),
            read_address.eq(Mux(read_half, self.depth, 0) + self.address),
        ]
        inputs = {"write": taken, "write_address": write_address, "write_data": self.tdata[: self.width]}
        ram = place(m, self._ram, "ram", {**inputs, "read": Const(1), "read_address": read_address})
        m.d.comb += self.word.eq(ram["read_data"])
        return m
