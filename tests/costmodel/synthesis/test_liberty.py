import pytest

from costmodel.synthesis.liberty import check_function, sky130_cells, sky130_liberty

PINS = frozenset({"A", "B1_N"})


def test_cells_are_those_that_yosys_maps_to():
    names = {cell.name.removeprefix("sky130_fd_sc_hd__") for cell in sky130_cells()}
    assert len(names) == 69 - 5  # without a latch, a tie cell and three adders
    assert not names & {"dlxtp_1", "conb_1", "fa_1", "fah_1", "ha_1"}
    assert {"inv_1", "nand2_1", "dfxtp_1", "dfrtp_1", "dfstp_2", "edfxtp_1"} <= names


def test_liberty_says_what_the_table_says():
    text = sky130_liberty()
    assert text.count("{") == text.count("}")
    nand = text[text.index('cell("sky130_fd_sc_hd__nand2_1")') :].split("cell(")[1]
    assert "area : 3.7536;" in nand
    assert 'pin("B") { direction : input; capacitance : 2.324; }' in nand
    assert 'pin("Y") { direction : output; function : "(!A) | (!B)"; }' in nand
    flip_flop = text[text.index('cell("sky130_fd_sc_hd__dfrtp_1")') :].split("cell(")[1]
    assert 'next_state : "D";' in flip_flop
    assert 'clocked_on : "CLK";' in flip_flop
    assert 'clear : "!RESET_B";' in flip_flop
    assert "preset" not in flip_flop
    assert 'pin("CLK") { direction : input; capacitance : 1.788; clock : true; }' in flip_flop


@pytest.mark.parametrize("function", ["A", "!A", "(!A&B1_N)", "(A) | (!B1_N)", "!(A|!(B1_N))"])
def test_functions_of_pins_pass(function):
    check_function(function, PINS)


@pytest.mark.parametrize("function", ["", "A&", "&A", "(A", "A)", "A B1_N", "C", "A+B1_N", "A;x", "A&&B1_N", "!"])
def test_other_functions_do_not(function):
    with pytest.raises(ValueError, match="function"):
        check_function(function, PINS)
