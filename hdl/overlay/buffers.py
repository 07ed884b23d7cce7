"""A buffer that is written in words and read from any byte on: two memories, of even and of odd words, side by side."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.placement import place
from hdl.ram import Ram

WORD_BYTES = 32
"""Of a port of the memory off the chip, and so of the buffers."""

WORD_BITS = 8 * WORD_BYTES
BYTE_BITS = exact_log2(WORD_BYTES)
"""[bit] Of a byte's place in a word."""


class ByteWindow(wiring.Component):
    """``depth`` words, of which any 32 consecutive bytes are read at once.

        window = 32 bytes from ``address`` on, a cycle later

    Ports: ``write``, ``write_address`` (a word), ``write_data``; ``address`` (a byte), ``window``. What is read beyond the last
    word is that of the first one. Why: weights are packed bit by bit, so that what a vector unit takes in a cycle begins with
    any byte; two words at once contain it, and no shift register has to be filled and emptied where a tile begins and ends.
    """

    def __init__(self, name: str, depth: int) -> None:
        self.module_name, self.depth = f"{name}_window", depth
        self._bank = Ram(f"{name}_bank", WORD_BITS, depth // 2)
        address = range(depth)
        super().__init__(
            {
                "write": In(1),
                "write_address": In(address),
                "write_data": In(WORD_BITS),
                "address": In(range(depth * WORD_BYTES)),
                "window": Out(WORD_BITS),
            }
        )

    @property
    def parts(self) -> tuple[Any, ...]:
        """The component that this one instantiates."""
        return (self._bank,)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        word, first = self.address[BYTE_BITS:], Signal(BYTE_BITS + 1, name="first_byte")
        m.d.sync += first.eq(self.address[: BYTE_BITS + 1])
        # From an odd word on, the next even one is in the place behind.
        places = (word[1:] + word[0])[: len(word) - 1], word[1:]
        banks = []
        for odd, read in enumerate(places):
            written = {"write": self.write & (self.write_address[0] == odd), "write_address": self.write_address[1:]}
            bank = place(
                m,
                self._bank,
                ("even", "odd")[odd],
                {**written, "write_data": self.write_data, "read": Const(1), "read_address": read},
            )
            banks.append(bank["read_data"])
        both = Signal(2 * WORD_BITS, name="both")
        m.d.comb += both.eq(Mux(first[-1], Cat(banks[1], banks[0]), Cat(banks[0], banks[1])))
        m.d.comb += self.window.eq(both >> (first[:-1] << 3))
        return m
