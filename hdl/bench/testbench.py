"""The Verilog test bench: it reads vectors, drives modules cycle by cycle and compares, with no help from Python."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.lib import wiring

from hdl.bench.vectors import input_widths, output_widths


@dataclass(frozen=True)
class Dut:
    """A module under test: its name in the Verilog, the component that says its ports, and the file of its vectors."""

    module: str
    component: wiring.Component

    @property
    def vectors(self) -> str:
        return f"{self.module}.vectors"

    @property
    def word_bytes(self) -> int:
        """Size [byte] of a cycle's vector."""
        inputs, outputs = input_widths(self.component), output_widths(self.component)
        return -(-(sum(inputs.values()) + sum(outputs.values()) + len(outputs)) // 8)


WAVE, WAVE_CYCLES = "wave.vcd", 128

HEAD = """\
// Drives every module with the vectors in its file and compares its outputs in every cycle in which they are checked.
// A file begins with its number of words in eight bytes. A word is one cycle, its highest byte first: inputs in the lowest
// bits, then expected outputs, then a bit for each output that is checked.
module bench;
  parameter FINISH = 1;
  reg clk = 1'b0, done = 1'b0;
  always #1 clk = ~clk;

  // +wave_from=N keeps a waveform of {after} cycles from cycle N on, and ends with it.
  integer cycle = 0, wave_from = -1;
  initial if (!$value$plusargs("wave_from=%d", wave_from)) wave_from = -1;
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (wave_from >= 0 && cycle == wave_from) begin
      $dumpfile("{wave}");
      $dumpvars(0, bench);
    end
    if (wave_from >= 0 && cycle == wave_from + {after}) $finish;
  end
"""

CHECKER = """
  // {module}
  reg [{top}:0] word_{i} = {bits}'d0;
  reg [{top}:0] next_{i};
  reg [63:0] cycles_{i} = 64'd0;
  integer file_{i}, read_{i}, cycle_{i};
  reg live_{i} = 1'b0, failed_{i} = 1'b0;
{wires}
  {module} dut_{i} (
    .clk(clk),
{ports}
  );
  initial begin
    file_{i} = $fopen("{vectors}", "rb");
    read_{i} = 0;
    if (file_{i} != 0) begin
      read_{i} = $fread(cycles_{i}, file_{i});
      read_{i} = $fread(next_{i}, file_{i});
    end
    word_{i} = next_{i};
    live_{i} = read_{i} == {size};
    if (!live_{i}) begin
      failed_{i} = 1'b1;
      $display("{module}: the file {vectors} is not here, or empty");
    end
    cycle_{i} = 0;
  end
  always @(posedge clk) if (live_{i}) begin
    if (!failed_{i} && ({differs})) begin
      failed_{i} <= 1'b1;
{messages}
    end
    read_{i} = $fread(next_{i}, file_{i});
    if (read_{i} == {size}) word_{i} <= next_{i};
    else begin
      live_{i} <= 1'b0;
      if (cycle_{i} + 1 != cycles_{i}) begin
        failed_{i} <= 1'b1;
        $display("{module}: the file {vectors} has %0d words, not %0d", cycle_{i} + 1, cycles_{i});
      end
    end
    cycle_{i} <= cycle_{i} + 1;
  end
"""

FOOT = """
  always @(posedge clk) if (!done && !({live})) begin
    done <= 1'b1;
    if ({failed}) $display("FAIL");
    else $display("PASS");
    if (FINISH != 0 && ({failed})) $fatal(1, "outputs differ");
    if (FINISH != 0) $finish;
  end
endmodule
"""


def testbench(duts: Sequence[Dut]) -> str:
    """The text of a test bench for these modules, side by side on one clock."""
    numbers = range(len(duts))
    foot = FOOT.format(live=" || ".join(f"live_{i}" for i in numbers), failed=" || ".join(f"failed_{i}" for i in numbers))
    head = HEAD.replace("{wave}", WAVE).replace("{after}", str(WAVE_CYCLES))
    return head + "".join(_checker(i, dut) for i, dut in enumerate(duts)) + foot


def _checker(i: int, dut: Dut) -> str:
    inputs, outputs = input_widths(dut.component), output_widths(dut.component)
    wires, ports, differences, messages = [], [], [], []
    start = 0
    for name, width in inputs.items():
        ports.append(f"    .{name}(word_{i}[{start + width - 1}:{start}])")
        start += width
    checks = start + sum(outputs.values())
    for place, (name, width) in enumerate(outputs.items()):
        wires.append(f"  wire [{width - 1}:0] {name}_{i};")
        ports.append(f"    .{name}({name}_{i})")
        expected = f"word_{i}[{start + width - 1}:{start}]"
        differs = f"(word_{i}[{checks + place}] && {name}_{i} !== {expected})"
        differences.append(differs)
        text = f'"{dut.module}: {name} in cycle %0d is %h, expected %h", cycle_{i}, {name}_{i}, {expected}'
        messages.append(f"      if {differs} $display({text});")
        start += width
    return CHECKER.format(
        i=i,
        module=dut.module,
        vectors=dut.vectors,
        top=8 * dut.word_bytes - 1,
        bits=8 * dut.word_bytes,
        size=dut.word_bytes,
        wires="\n".join(wires),
        ports=",\n".join(ports),
        differs=" || ".join(differences),
        messages="\n".join(messages),
    )
