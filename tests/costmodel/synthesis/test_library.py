"""Liberty files of a user: read as data, and refused in one sentence when they cannot be used."""

from pathlib import Path

import pytest

from costmodel.synthesis.liberty import sky130_cells, sky130_liberty
from costmodel.synthesis.library import parse, read_library
from costmodel.synthesis.run import synthesise
from costmodel.synthesis.targets import flow_of
from sim.errors import InputError

CELLS = """
library (tiny) { /* a comment
  of two lines */
  leakage_power_unit : "1pW" ;
  define(extra, cell, string);
  lu_table_template (table) { index_1 ("1, 2"); }
  cell (INV_X1) {
    area : 0.5; cell_leakage_power : 3000
    pin (A) { direction : input; capacitance : 1.6; }
    pin (ZN) { direction : output; function : "!A";
    }
  }
  cell (BUF_X1) {
    area : 0.625;
    pin (A) { direction : input; }
    pin (Z) { direction : output; function : "A"; }
  }
  cell ("NAND2_X1") {
    area : 0.75;
    pin (A1) { direction : input; }
    pin (A2) { direction : input; }
    pin (ZN) { direction : output; function : "!(A1 & A2)"; }
  }
  cell (DFF_X1) {
    area : 4.5; // as wide as nine inverters
    ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; }
    pin (D) { direction : input; }
    pin (CK) { direction : input; clock : true; }
    pin (Q) { direction : output; function : "IQ"; }
    pin (QN) { direction : output; function : "IQN"; }
  }
}
"""

DESIGN = """
module small(input clk, input a, input b, output reg q);
  always @(posedge clk) q <= ~(a & b);
endmodule
"""


def library_file(folder: Path, text: str) -> Path:
    path = folder / "cells.lib"
    path.write_text(text)
    return path


def test_what_a_file_says_is_read(tmp_path):
    library = read_library(library_file(tmp_path, CELLS))
    assert library.areas == {"INV_X1": 0.5, "BUF_X1": 0.625, "NAND2_X1": 0.75, "DFF_X1": 4.5}
    assert library.leakages == {"INV_X1": pytest.approx(3.0), "BUF_X1": 0, "NAND2_X1": 0, "DFF_X1": 0}
    assert library.outputs["DFF_X1"] == {"Q", "QN"}
    assert library.flip_flops == {"DFF_X1"}


def test_groups_attributes_and_lines_that_go_on():
    text = """library(x) { pin (A1, A2) { values ("0.1, \\
      0.2", "0.3"); voltage : VDD + 0.5
      timing () { related_pin : "A B"; } } }"""
    (pin,) = parse(text).of("pin")
    assert pin.arguments == ("A1", "A2")
    assert pin.attributes == {"voltage": "VDD + 0.5"}
    assert [group.attributes for group in pin.groups] == [{"related_pin": "A B"}]


def test_a_netlist_of_its_cells(tmp_path):
    area = synthesise(DESIGN, "small", str(library_file(tmp_path, CELLS))).area
    assert area.total == 0.75 + 4.5
    assert dict(area.cells) == {"DFF_X1": 1, "NAND2_X1": 1}
    assert area.unit == "um2"
    assert "delay_ps" not in area.numbers


def test_cells_twice_as_large_make_an_area_twice_as_large(tmp_path):
    """The library that the project writes, as a user's file."""
    text = sky130_liberty()
    for cell in sorted({cell.area for cell in sky130_cells()}):
        text = text.replace(f"area : {cell};", f"area : {2 * cell} ;")
    once, twice = (
        synthesise(DESIGN, "small", "sky130").area,
        synthesise(DESIGN, "small", str(library_file(tmp_path, text))).area,
    )
    assert twice.total == pytest.approx(2 * once.total)
    assert twice.numbers["leakage_nw"] == once.numbers["leakage_nw"]


def test_the_projects_own_library_is_read_as_it_is_written():
    library = parse(sky130_liberty())
    assert {cell.arguments[0]: float(cell.attributes["area"]) for cell in library.of("cell")} == {
        cell.name: cell.area for cell in sky130_cells()
    }


def without(text: str, cell: str) -> str:
    start = text.index(f"  cell ({cell})")
    end = text.find("  cell (", start + 1)
    return text[:start] + (text[end:] if end > 0 else "}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is one group library, and it is not there"),
        ("module m; endmodule", "line 1 has neither ':' nor '(' after 'module'"),
        (CELLS[:-3], "it ends within group"),
        (CELLS + "}", "line 33 closes a group that was not opened"),
        (CELLS.replace("/* a comment", '"a comment'), "line"),
        ("library (x) { cell (", "line 1 has no ')' after 'cell'"),
        ("library (x) { { } }", "line 1 begins a statement with '{'"),
        (without(CELLS, "DFF_X1"), "it has no flip-flop, a cell with a group ff"),
        (without(CELLS, "INV_X1"), "it has no inverter"),
        (without(CELLS, "BUF_X1"), "it has no buffer"),
        (CELLS.replace("!(A1 & A2)", "A1 ^ A2"), "it has no gate of two inputs such as a NAND"),
        (CELLS.replace("area : 0.5;", ""), "cell INV_X1 has a function and no area"),
        (CELLS.replace("area : 0.5", "area : -0.5"), "area of cell INV_X1 is a number of 0 or more, not '-0.5'"),
        (CELLS.replace("area : 0.5", "area : large"), "area of cell INV_X1 is a number of 0 or more, not 'large'"),
        (CELLS.replace("area : 0.5", "area : nan"), "area of cell INV_X1 is a number of 0 or more, not 'nan'"),
        (CELLS.replace('"1pW"', '"1 horse"'), "leakage_power_unit is one such as 1nW, not '1 horse'"),
        (CELLS.replace('"NAND2_X1"', '"NAND2; exec -- touch /tmp/x"'), "a cell's name consists of letters, digits and"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_sentence(tmp_path, text, message):
    path = library_file(tmp_path, text)
    with pytest.raises(InputError) as caught:
        flow_of(str(path))
    assert str(caught.value).startswith(f"Liberty file {str(path)!r} cannot be used: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="absent.lib' cannot be read: No such file or directory"):
        flow_of(str(tmp_path / "absent.lib"))
    (tmp_path / "folder.lib").mkdir()
    with pytest.raises(InputError, match="folder.lib' cannot be read: Is a directory"):
        flow_of(str(tmp_path / "folder.lib"))
    (tmp_path / "binary.lib").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="binary.lib' cannot be read: it is no text"):
        flow_of(str(tmp_path / "binary.lib"))


def test_any_name_will_do_for_a_file(tmp_path):
    path = tmp_path / "cells; touch x.txt"
    path.write_text(CELLS)
    assert synthesise(DESIGN, "small", str(path)).area.total == 0.75 + 4.5
    assert list(tmp_path.iterdir()) == [path]
