"""The selector of slices' own multiplexers is the one that is simulated."""

from pathlib import Path

import pytest

from hdl.export import module_texts
from hdl.overlay.selector import Selector
from hdl.tools.yosys import YosysError, find_yosys

PROOF = (
    "read_verilog behaviour.v; rename {name} behaviour; read_verilog primitive.v; rename {name} primitive; "
    "read_verilog cells.v; proc; flatten; miter -equiv -flatten behaviour primitive miter; "
    "sat -verify -prove trigger 0 miter"
)

CELLS = """\
module MUXF7(output O, input I0, I1, S); assign O = S ? I1 : I0; endmodule
module MUXF8(output O, input I0, I1, S); assign O = S ? I1 : I0; endmodule
"""
"""AMD UG974: the input that S names."""


def prove(selector: Selector, primitive: str, folder: Path) -> None:
    """Raise ``YosysError`` for a text that is not the module."""
    files = {"behaviour.v": "".join(module_texts([selector]).values()), "primitive.v": primitive, "cells.v": CELLS}
    find_yosys().run(PROOF.format(name=selector.module_name), files, folder)


def test_primitive_is_the_behaviour(tmp_path: Path) -> None:
    selector = Selector(3)
    prove(selector, selector.primitive, tmp_path)
    with pytest.raises(YosysError):
        prove(selector, selector.primitive.replace(".S(place[3])", ".S(place[2])"), tmp_path)
