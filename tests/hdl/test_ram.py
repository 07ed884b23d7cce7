"""Memories as synthesis tools map them: nothing but the RAM of the device."""

import re
from pathlib import Path

import pytest

from hdl.ram import Ram
from hdl.scripts import YOSYS_FLOWS
from hdl.tools.yosys import find_yosys

BLOCKS = [
    # 36 bit wide a block RAM has 512 words on both: AMD UG573, RAMB18E2; Lattice FPGA-TN-02204, PDPW16KD.
    ("xcup", Ram("ram", 36, 512), {"RAMB18E2": 1}),
    ("ecp5", Ram("ram", 36, 512), {"DP16KD": 1}),
    ("ecp5", Ram("ram", 4, 16, asynchronous=True), {"TRELLIS_DPR16X4": 1}),
]
CELL = re.compile(r"^ +(\d+) +([A-Z]\w+)$", re.MULTILINE)
CLOCK_BUFFER = "BUFG"


@pytest.mark.parametrize(("target", "ram", "expected"), BLOCKS)
def test_nothing_surrounds_the_memory(target: str, ram: Ram, expected: dict[str, int], tmp_path: Path) -> None:
    script = f"read_verilog ram.v\n{YOSYS_FLOWS[target].format(top='ram')}\n"
    log = find_yosys().run("script ram.ys", {"ram.v": ram.verilog, "ram.ys": script}, tmp_path)
    cells = {name: int(count) for count, name in CELL.findall(log[log.rindex("=== ram ===") :])}
    assert {name: count for name, count in cells.items() if name != CLOCK_BUFFER} == expected
