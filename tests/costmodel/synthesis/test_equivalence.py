"""What areas are measured on is the hardware that was verified: netlists are proved equal to their Verilog."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from costmodel.synthesis.equivalence import NETLISTS, EquivalenceError, prove_netlist
from hdl.accelerator.controller import Controller
from hdl.bench.testbench import Dut
from hdl.export import module_texts
from hdl.pe import pe_parts
from hdl.row_sum import RowSum
from hdl.tools.verilator import Bench
from hdl.tools.yosys import find_yosys
from sim.design import DesignPoint
from tests.hdl.proof.mutants import CASES

DESIGN = DesignPoint("test", weight_format="uint4", activation_format="int4", group_size=4)

QUICK = [
    ("shift_add", "uint4", "int8", "saturate16"),
    ("minifloat", "e2m1", "e2m1", "exact"),
    ("mixed", "int4", "e2m1", "exact"),
    ("bit_serial", "int4", "int8", "exact"),
    ("shift_only", "pot4", "int8", "exact"),
    ("multiplier", "int4", "int4", "exact"),
    ("fused", "int4", "int4", "exact"),
]
SLOW = [
    ("shift_add", "int8", "int8", "exact"),
    ("shift_add_float", "int4", "fp16", "fp32"),
    ("minifloat", "ocp_e4m3", "ocp_e4m3", "fp32"),
    ("minifloat", "e2m1", "e2m1", "bf16"),
    ("dsp_packed", "int4", "int4", "exact"),
]


def prove_pe(kind: str, weight: str, activation: str, accumulator: str, netlist: str) -> int:
    formats = {"weight_format": weight, "activation_format": activation, "accumulator": accumulator}
    parts = pe_parts(DesignPoint("test", pe=kind, **formats, group_size=4))
    return prove_netlist("".join(module_texts(parts).values()), parts[-1].module_name, netlist)


@pytest.mark.parametrize("netlist", NETLISTS)
@pytest.mark.parametrize("pe", QUICK, ids="-".join)
def test_netlists_of_pes(pe: tuple[str, str, str, str], netlist: str) -> None:
    assert prove_pe(*pe, netlist) > 0


@pytest.mark.parametrize("netlist", NETLISTS)
def test_netlists_of_the_row_sum(netlist: str) -> None:
    assert prove_netlist("".join(module_texts([RowSum(DESIGN)]).values()), "row_sum", netlist) > 0


@pytest.mark.parametrize("netlist", NETLISTS)
def test_netlists_of_the_tile_controller(netlist: str) -> None:
    buffers = dict.fromkeys(("weight_buffer_kib", "activation_buffer_kib", "output_buffer_kib"), 1)
    controller = Controller(replace(DESIGN, rows=2, columns=3, **buffers))
    assert prove_netlist("".join(module_texts([controller]).values()), controller.module_name, netlist) > 0


@pytest.mark.exhaustive
@pytest.mark.parametrize("netlist", NETLISTS)
@pytest.mark.parametrize("pe", SLOW, ids="-".join)
def test_netlists_of_larger_pes(pe: tuple[str, str, str, str], netlist: str) -> None:
    assert prove_pe(*pe, netlist) > 0


@pytest.mark.parametrize(
    "name", [name if name == "epilogue" else pytest.param(name, marks=pytest.mark.exhaustive) for name in CASES]
)
def test_netlists_under_the_vectors_that_verify_the_verilog(name: str, tmp_path: Path) -> None:
    """Of every component, those too whose products of fp32 numbers are beyond a solver."""
    case = CASES[name]()
    top = case.parts[-1]
    synthesis = f"read_verilog design.v; synth -flatten -top {top.module_name}; write_verilog -noattr netlist.v"
    find_yosys().run(synthesis, {"design.v": "".join(module_texts(case.parts).values())}, tmp_path)
    netlist = (tmp_path / "netlist.v").read_text()
    assert "$mul" not in netlist and " * " not in netlist
    assert Bench([Dut(top.module_name, top)], {"netlist.v": netlist}, tmp_path, "-O0").run(case.vectors) == []


def test_a_netlist_of_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    verilog = "module small(input clk, input d, output reg q); always @(posedge clk) q <= {operator}d; endmodule"
    other = verilog.format(operator="~").replace("'", "")
    synthesis = f"design -reset; read_verilog <<EOT\n{other}\nEOT\nsynth -flatten -top {{top}}"
    monkeypatch.setitem(NETLISTS, "gates", (synthesis, ""))
    with pytest.raises(EquivalenceError, match="gates of small are not proved equal in q;") as caught:
        prove_netlist(verilog.format(operator=""), "small", "gates")
    found = re.search(r"log is (\S+)$", str(caught.value))
    assert found
    shutil.rmtree(Path(found[1]).parent)
