"""A memory with one port to write and one to read, in the form that synthesis tools map to RAM."""

from dataclasses import dataclass
from functools import cached_property

from amaranth import Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

REGISTERED = """\
// {depth} words of {width} bit. Nobody looks at what is read of a word that is being written (no_rw_check);
// contents survive a reset.
module {name}(clk, rst, write, write_address, write_data, read, read_address, read_data);
  input clk;
  input rst;
  input write;
  input [{top_address}:0] write_address;
  input [{top_bit}:0] write_data;
  input read;
  input [{top_address}:0] read_address;
  output [{top_bit}:0] read_data;
  reg [{top_bit}:0] read_data;
  (* no_rw_check *) reg [{top_bit}:0] words [0:{last}];
  always @(posedge clk) begin
    if (write) words[write_address] <= write_data;
    if (read) read_data <= words[read_address];
  end
endmodule
"""

ASYNCHRONOUS = """\
// {depth} words of {width} bit, read in the cycle of the address; contents survive a reset.
module {name}(clk, rst, write, write_address, write_data, read_address, read_data);
  input clk;
  input rst;
  input write;
  input [{top_address}:0] write_address;
  input [{top_bit}:0] write_data;
  input [{top_address}:0] read_address;
  output [{top_bit}:0] read_data;
  reg [{top_bit}:0] words [0:{last}];
  always @(posedge clk) if (write) words[write_address] <= write_data;
  assign read_data = words[read_address];
endmodule
"""


@dataclass
class Ram:
    """``depth`` words of ``width`` [bit], two at least; a word is there a cycle after its address, and stays until the next.

    If ``asynchronous`` it is there in the very cycle, and may be replaced at the end of it. Written as Verilog, as Amaranth
    would export an initial value for each word, which large memories of FPGAs cannot have.
    """

    module_name: str
    width: int
    depth: int
    asynchronous: bool = False

    @cached_property
    def signature(self) -> wiring.Signature:
        """Its ports, without clock and reset."""
        address = range(self.depth)
        written = {"write": In(1), "write_address": In(address), "write_data": In(self.width)}
        read = {} if self.asynchronous else {"read": In(1)}
        return wiring.Signature({**written, **read, "read_address": In(address), "read_data": Out(self.width)})

    def address(self, name: str) -> Signal:
        """A signal for an address."""
        return Signal(range(self.depth), name=name)

    @property
    def verilog(self) -> str:
        """The module's text."""
        address_bits = (self.depth - 1).bit_length()
        text = ASYNCHRONOUS if self.asynchronous else REGISTERED
        return text.format(
            name=self.module_name,
            width=self.width,
            depth=self.depth,
            last=self.depth - 1,
            top_bit=self.width - 1,
            top_address=address_bits - 1,
        ).replace("[0:0] ", "")
