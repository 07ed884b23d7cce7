import dataclasses
import re
import shutil
import sys
from pathlib import Path

import pytest

from costmodel.synthesis import nextpnr
from costmodel.synthesis.liberty import sky130_liberty
from costmodel.synthesis.run import SynthesisError, synthesise
from costmodel.synthesis.targets import MEMORY, TARGETS
from hdl.tools.tool import Tool
from hdl.tools.yosys import Yosys, find_yosys
from sim.errors import InputError

INVERTER_AND_FLIP_FLOP = """
module small(input clk, input rst_n, input d, input e, output reg q, output n);
  assign n = ~e;
  always @(posedge clk or negedge rst_n) if (!rst_n) q <= 1'b0; else q <= d;
endmodule
"""


def failure(verilog, top, target):
    """What the error says, and the log that it names; the log's folder is removed."""
    with pytest.raises(SynthesisError) as caught:
        synthesise(verilog, top, target)
    log = Path(re.search(r"log is (\S+)$", str(caught.value))[1])
    text = log.read_text()
    shutil.rmtree(log.parent)
    return str(caught.value), text


def test_cells_of_the_table_are_found():
    area = synthesise(INVERTER_AND_FLIP_FLOP, "small", "sky130").area
    # inv_1 3.7536 um2 and 0.005327 nW; dfrtp_1 25.024 um2 and 0.011652 nW
    size = {name: number for name, number in area.numbers.items() if name != "delay_ps"}
    assert size == {"area_um2": 28.7776, "leakage_nw": 0.016979, "cells": 2}
    assert dict(area.cells) == {"sky130_fd_sc_hd__dfrtp_1": 1, "sky130_fd_sc_hd__inv_1": 1}
    assert area.total == 28.7776
    assert area.unit == "um2"


def test_enable_and_preset_have_flip_flops():
    verilog = """
    module small(input clk, input set_n, input d, input en, output reg p, output reg q);
      always @(posedge clk) if (en) q <= d;
      always @(posedge clk or negedge set_n) if (!set_n) p <= 1'b1; else p <= d;
    endmodule
    """
    assert synthesise(verilog, "small", "sky130").area.numbers["area_um2"] == 56.304  # edfxtp_1 30.0288, dfstp_2 26.2752


def test_an_adder_is_a_carry_chain():
    verilog = """
    module adder(input clk, input [7:0] a, input [7:0] b, output reg [7:0] s);
      always @(posedge clk) s <= a + b;
    endmodule
    """
    area = synthesise(verilog, "adder", "xcup").area
    assert dict(area.numbers) == {
        "lut_sites": 8,
        "logic_cells": 4,  # Yosys pairs the LUT2 of different carry bits, which no device can
        "luts": 8,
        "carry": 2,
        "flip_flops": 8,
        "dsps": 0,
        "brams": 0,
        "lutram": 0,
    }
    assert area.total == 8
    assert dict(area.cells) == {"BUFG": 1, "CARRY4": 2, "FDRE": 8, "LUT2": 8}
    assert (area.tool, area.version) == (find_yosys().name, find_yosys().version)
    assert "synth_xilinx -family xcup -noiopad -nodsp -flatten -top adder -run :map_memory;" in area.command


def test_black_boxes_are_left_out():
    verilog = """
    module leaf(input clk, input d, output reg q); always @(posedge clk) q <= ~d; endmodule
    module tree(input clk, input d, output q, output n);
      wire w;
      leaf one(.clk(clk), .d(d), .q(w));
      leaf two(.clk(clk), .d(w), .q(q));
      assign n = ~w;
    endmodule
    """
    assert synthesise(verilog, "tree", "sky130", ["leaf"]).area.numbers["area_um2"] == 3.7536


@pytest.mark.parametrize("target", TARGETS)
def test_broken_verilog_names_its_log(target):
    message, log = failure("module broken(input a, output b); assign b = a +; endmodule", "broken", target)
    assert message.startswith(f"Yosys could not synthesise broken for {target}; its log is ")
    assert "syntax error" in log


def test_a_missing_module_names_its_log():
    message, _ = failure(INVERTER_AND_FLIP_FLOP, "large", "xcup")
    assert "could not synthesise large" in message


def test_cells_without_an_area_are_refused():
    free = "module free(input a, output y); (* anyconst *) reg c; assign y = a ^ c; endmodule"
    message, _ = failure(free, "free", "sky130")
    assert message.startswith("cells $anyconst of free have no area on sky130; ")


def test_unknown_target():
    known = "xcup, xcup_dsp, ecp5, sky130, or the path of a Liberty file"
    with pytest.raises(InputError, match=f"^unknown synthesis target 'ice40'; known are {known}$"):
        synthesise(INVERTER_AND_FLIP_FLOP, "small", "ice40")


MULTIPLIER = """
module multiplier(input clk, input signed [9:0] a, b, output reg signed [19:0] p);
  always @(posedge clk) p <= a * b;
endmodule
"""


def test_a_product_is_a_dsp_slice_where_there_are_any():
    with_dsps, without = (synthesise(MULTIPLIER, "multiplier", target).area.numbers for target in ("xcup_dsp", "xcup"))
    assert (with_dsps["dsps"], without["dsps"]) == (1, 0)
    assert with_dsps["luts"] == 0
    assert without["luts"] > 10 * 10 / 2


def test_memories_are_block_rams():
    """1024 words of 36 bits are a block of 36 Kbit, 1024 of 18 half of one (AMD UG573)."""
    verilog = """
    module memories(input clk, input write, input [9:0] a, input [35:0] d, output reg [35:0] q, output reg [17:0] r);
      (* no_rw_check *) reg [35:0] whole [0:1023];
      (* no_rw_check *) reg [17:0] half [0:1023];
      always @(posedge clk) begin if (write) whole[a] <= d; q <= whole[a]; end
      always @(posedge clk) begin if (write) half[a] <= d[17:0]; r <= half[a]; end
    endmodule
    """
    assert synthesise(verilog, "memories", "xcup").area.numbers["brams"] == 1.5


def test_an_ecp5_is_placed_and_routed():
    """Of 16 bits: 8 carry cells of two bits, each two LUTs. A Lattice ECP5 of the slowest grade adds them at 100 to 500 MHz."""
    verilog = """
    module sum(input clk, input [15:0] a, output reg [15:0] s);
      always @(posedge clk) s <= s + a;
    endmodule
    """
    area = synthesise(verilog, "sum", "ecp5").area
    assert (area.numbers["carry"], area.numbers["luts"], area.numbers["flip_flops"]) == (8, 0, 16)
    assert area.total == 16
    assert 100 < area.numbers["fmax_mhz"] < 500
    assert area.tool == f"{find_yosys().name}, {nextpnr.find_nextpnr().name}"
    assert "--25k --package CABGA381 --speed 6" in area.command


def test_a_longer_sum_is_slower_on_an_ecp5():
    """A module of gates alone has the clock of the registers round it."""
    speeds = []
    for bits in (8, 48):
        verilog = f"module sum(input [{bits - 1}:0] a, b, output [{bits - 1}:0] s); assign s = a + b; endmodule"
        speeds.append(synthesise(verilog, "sum", "ecp5").area.numbers["fmax_mhz"])
    assert speeds[0] > 1.2 * speeds[1]


def test_what_is_too_large_for_an_ecp5_is_refused():
    module = synthesise(MULTIPLIER, "multiplier", "ecp5").module
    with pytest.raises(InputError, match="^multiplier has 100000 LUTs, and the largest ECP5 83640; a "):
        nextpnr.route(module, "multiplier", 100_000)


def test_nextpnr_that_fails_names_its_log(monkeypatch):
    module = synthesise(MULTIPLIER, "multiplier", "ecp5").module
    code = "import sys; open(sys.argv[sys.argv.index('--log') + 1], 'w').write('no room'); sys.exit(1)"
    monkeypatch.setattr(nextpnr, "find_nextpnr", lambda: Tool((sys.executable, "-c", code), "nextpnr-ecp5", "0"))
    with pytest.raises(InputError, match=r"^nextpnr could not place and route multiplier; its log is \S+$") as caught:
        nextpnr.route(module, "multiplier", 0)
    log = Path(str(caught.value).split()[-1])
    assert log.read_text() == "no room"
    shutil.rmtree(log.parent)


def test_two_clocks_are_not_placed_and_routed():
    verilog = """
    module two(input clk, input other, input d, output reg q, output reg p);
      always @(posedge clk) q <= d;
      always @(posedge other) p <= d;
    endmodule
    """
    with pytest.raises(InputError, match="^a module that is placed and routed has one clock, not 2$"):
        synthesise(verilog, "two", "ecp5")


def not_again(*_: object) -> None:
    raise AssertionError("it was synthesised before")


@pytest.mark.parametrize(
    ("declaration", "is_memory"),
    [
        ("reg [7:0] ram [0:15];", True),
        ("  reg [15:0] \\mem  [63:0];", True),
        ("logic [3:0][7:0] a, ram [4] ;", True),
        ("reg [7:0] sum;", False),
        ("reg [7:0] sum = 8'h00;", False),
        ("reg [1:0][7:0] both;", False),
        ("output reg [3:0] q, input [2:0] a); assign b = q[2];", False),
    ],
)
def test_memories_are_seen(declaration, is_memory):
    assert bool(MEMORY.search(declaration)) == is_memory


def test_what_has_no_memory_is_mapped_sooner_to_the_same(monkeypatch):
    verilog = """
    module mac(input clk, input signed [3:0] a, input signed [3:0] b, output reg signed [11:0] s);
      always @(posedge clk) s <= s + a * b;
    endmodule
    """
    short = synthesise(verilog, "mac", "xcup")
    monkeypatch.setitem(TARGETS, "xcup", dataclasses.replace(TARGETS["xcup"], without_memories=""))
    long = synthesise(verilog, "mac", "xcup")
    assert short.area.command != long.area.command
    assert (short.area.numbers, short.area.cells) == (long.area.numbers, long.area.cells)


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "xcup"])
def test_nothing_is_synthesised_twice(target, monkeypatch):
    verilog = "module kept(input clk, input [3:0] a, output reg [3:0] q); always @(posedge clk) q <= a + 3; endmodule"
    first = synthesise(verilog, "kept", target)
    monkeypatch.setattr(Yosys, "run", not_again)
    monkeypatch.setattr(nextpnr, "_fmax", not_again)
    assert synthesise(verilog, "kept", target) == first
    with pytest.raises(AssertionError, match="synthesised before"):
        synthesise(verilog.replace("+ 3", "+ 4"), "kept", target)
    with pytest.raises(AssertionError, match="synthesised before"):
        synthesise(verilog, "kept", target, before="proc")


def test_another_tool_or_library_is_another_result(monkeypatch, tmp_path):
    synthesise(INVERTER_AND_FLIP_FLOP, "small", "sky130")
    monkeypatch.setattr(Yosys, "run", not_again)
    yosys = find_yosys()
    with monkeypatch.context() as patched:
        patched.setattr("costmodel.synthesis.run.find_yosys", lambda: Yosys(yosys.arguments, yosys.name, "0.99"))
        with pytest.raises(AssertionError, match="synthesised before"):
            synthesise(INVERTER_AND_FLIP_FLOP, "small", "sky130")
    (tmp_path / "cells.lib").write_text(sky130_liberty() + "\n")
    with pytest.raises(AssertionError, match="synthesised before"):
        synthesise(INVERTER_AND_FLIP_FLOP, "small", str(tmp_path / "cells.lib"))


def test_a_damaged_result_is_made_again(no_results_of_this_user):
    verilog = "module kept(input a, output y); assign y = ~a; endmodule"
    before = set((no_results_of_this_user / "synthesis").glob("*"))
    first = synthesise(verilog, "kept", "sky130")
    (kept,) = set((no_results_of_this_user / "synthesis").glob("*")) - before
    kept.write_bytes(kept.read_bytes()[:40])
    assert synthesise(verilog, "kept", "sky130") == first
    assert len(kept.read_bytes()) > 40
