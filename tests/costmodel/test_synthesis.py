import re
import shutil
from pathlib import Path

import pytest

from costmodel.synthesis import TARGETS, SynthesisError, synthesise
from hdl.yosys import find_yosys
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
    assert dict(area.numbers) == {"area_um2": 28.7776, "leakage_nw": 0.016979, "cells": 2}
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
        "lutram": 0,
    }
    assert area.total == 8
    assert (area.tool, area.version) == (find_yosys().name, find_yosys().version)
    assert "synth_xilinx -family xcup -noiopad -nodsp -flatten -top adder;" in area.command


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
    with pytest.raises(InputError, match="unknown synthesis target 'ecp5'; known are xcup, sky130"):
        synthesise(INVERTER_AND_FLIP_FLOP, "small", "ecp5")
