"""What the cells of a PE are for, by hand on a few gates and on a PE of every kind."""

import pytest

from costmodel.measure import synthesise_component
from costmodel.samples import SAMPLES
from costmodel.synthesis.parts import PARTS, part_of_cells, pe_parts
from costmodel.synthesis.targets import TARGETS

PREFIX = "sky130_fd_sc_hd__"


def cell(kind, **pins):
    return {"type": PREFIX + kind, "connections": {pin: [bit] for pin, bit in pins.items()}}


def test_a_few_gates_by_hand():
    """A weight is inverted, held in a register and masked by the activation; the product is added to the sum if valid."""
    ports = {"clk": [2], "weight": [3], "activation": [4], "valid": [5], "sum": [6]}
    cells = {
        "decode": cell("inv_1", A=3, Y=10),
        "held": cell("dfxtp_1", CLK=2, D=10, Q=11),
        "decode_held": cell("inv_1", A=11, Y=12),
        "mask": cell("and2_1", A=12, B=4, X=13),
        "product": cell("dfxtp_1", CLK=2, D=13, Q=14),
        "invert_product": cell("inv_1", A=14, Y=15),
        "add": cell("xor2_1", A=15, B=6, X=16),
        "total": cell("edfxtp_1", CLK=2, D=16, DE=18, Q=6),
        "later": cell("dfxtp_1", CLK=2, D=5, Q=17),
        "enable": cell("inv_1", A=17, Y=18),
    }
    outputs = {"sum"}
    module = {
        "ports": {name: {"direction": "output" if name in outputs else "input", "bits": bits} for name, bits in ports.items()},
        "cells": cells,
        "netnames": {name: {"bits": bits} for name, bits in ports.items()},
    }
    expected = {
        "decode": "decoder",
        "decode_held": "decoder",
        "mask": "multiplier",
        "invert_product": "multiplier",
        "add": "accumulator",
        "enable": "control",
        **dict.fromkeys(("held", "product", "total", "later"), "registers"),
    }
    assert part_of_cells(module, TARGETS["sky130"]) == expected
    parts = pe_parts(module, TARGETS["sky130"])
    assert {name: (part.cells, part.size) for name, part in parts.items()} == {
        "decoder": (2, 7.5072),  # two inverters of 3.7536 um2
        "multiplier": (2, 10.0096),  # and2_1 6.256, inv_1
        "accumulator": (1, 8.7584),  # xor2_1
        "registers": (4, 90.0864),  # three dfxtp_1 of 20.0192, edfxtp_1 30.0288
        "control": (1, 3.7536),
    }


@pytest.mark.parametrize("pe", SAMPLES)
def test_every_cell_of_every_pe_has_a_part(pe):
    """All kinds multiply and add up; the area is that of all parts together."""
    found = synthesise_component(SAMPLES[pe], "pe", "sky130")
    parts = pe_parts(found.module, TARGETS["sky130"])
    assert sum(part.cells for part in parts.values()) == found.area.numbers["cells"]
    assert sum(part.size for part in parts.values()) == pytest.approx(found.area.total)
    assert set(parts) <= set(PARTS)
    assert min(parts[part].size for part in ("multiplier", "accumulator", "registers")) > 0.01 * found.area.total
    flip_flops = sum(number for kind, number in found.area.cells.items() if "df" in kind)
    assert parts["registers"].cells == flip_flops


def test_a_slice_is_a_part_of_its_own():
    parts = pe_parts(synthesise_component(SAMPLES["dsp_packed"], "pe", "xcup").module, TARGETS["xcup"])
    assert parts["dsp"].cells == 1
    assert parts["accumulator"].size > 0
