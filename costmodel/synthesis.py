"""Synthesis with Yosys: how large a Verilog module is on an FPGA or in standard cells.

``xcup`` is AMD UltraScale+ without DSP slices; ``sky130`` the open SkyWater 130 nm cells of :mod:`costmodel.liberty`.
"""

import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from costmodel.liberty import sky130_cells, sky130_liberty
from costmodel.packing import LUT, MEMORY_SITES, lut_sites, memory_sites
from hdl.yosys import LOG, YosysError, find_yosys
from sim.errors import Failure, choose

VERILOG, LIBERTY, STATISTICS, NETLIST = "design.v", "cells.lib", "statistics.json", "netlist.json"

Netlist = Mapping[str, Mapping[str, Any]]
"""Cells by name, each as Yosys's ``write_json`` describes it."""


class SynthesisError(Failure):
    """Yosys could not synthesise a module; the message names the log, which is kept."""


@dataclass(frozen=True)
class Area:
    """Size of one module: ``numbers`` by name, and how they were found.

    ``total`` [``unit``] is the one number to add up and compare.
    """

    target: str
    unit: str
    total: float
    numbers: Mapping[str, float]
    tool: str
    version: str
    command: str


@dataclass(frozen=True)
class Synthesis:
    """A module on a target: its size, and the flat netlist as Yosys's ``write_json`` describes a module."""

    area: Area
    module: Mapping[str, Any]


@dataclass(frozen=True)
class Flow:
    """Steps of Yosys for one target, and how to read its statistics.

    ``script`` holds ``{top}``. ``numbers`` takes the top module's statistics and netlist, both without black boxes;
    ``total`` names the one that is the area in ``unit``. Cells whose names do not match ``mapped`` are not counted by
    ``numbers``: a synthesis that leaves any has failed.
    """

    unit: str
    script: str
    mapped: str
    numbers: Callable[[Mapping[str, Any], Netlist], dict[str, float]]
    total: str


def _count(cells: Mapping[str, int], pattern: str) -> int:
    return sum(number for name, number in cells.items() if re.fullmatch(pattern, name))


def _fpga_numbers(statistics: Mapping[str, Any], netlist: Netlist) -> dict[str, float]:
    cells = Counter(cell["type"] for cell in netlist.values())
    return {
        "lut_sites": lut_sites(netlist),
        "logic_cells": statistics["estimated_num_lc"],
        "luts": _count(cells, LUT.pattern),
        "carry": _count(cells, "CARRY4") + 2 * _count(cells, "CARRY8"),
        "flip_flops": _count(cells, "FD[RSCP]E(_1)?"),
        "dsps": _count(cells, "DSP48E2"),
        "lutram": memory_sites(cells),
    }


def _standard_cell_numbers(_: Mapping[str, Any], netlist: Netlist) -> dict[str, float]:
    counts = Counter(cell["type"] for cell in netlist.values())
    cells = {cell.name: cell for cell in sky130_cells()}
    return {
        "area_um2": round(sum(cells[name].area * number for name, number in counts.items()), 4),
        "leakage_nw": round(sum(cells[name].leakage * number for name, number in counts.items()), 6),
        "cells": sum(counts.values()),
    }


TARGETS: dict[str, Flow] = {
    "xcup": Flow(
        unit="lut_sites",
        script="synth_xilinx -family xcup -noiopad -nodsp -flatten -top {top}; "
        f"tee -q -o {STATISTICS} stat -tech xilinx -json; write_json {NETLIST}",
        mapped="|".join((LUT.pattern, "CARRY[48]|MUXF[789]|FD[RSCP]E(_1)?|DSP48E2|BUFG", *MEMORY_SITES)),
        numbers=_fpga_numbers,
        total="lut_sites",
    ),
    "sky130": Flow(
        unit="um2",
        script=f"synth -flatten -top {{top}}; dfflibmap -liberty {LIBERTY}; abc -liberty {LIBERTY}; opt_clean -purge; "
        f"tee -q -o {STATISTICS} stat -liberty {LIBERTY} -json; write_json {NETLIST}",
        mapped="sky130_fd_sc_hd__.*",
        numbers=_standard_cell_numbers,
        total="area_um2",
    ),
}
"""Flows by target. Both leave hierarchy only at black boxes."""


def synthesise(verilog: str, top: str, target: str, black_boxes: Collection[str] = (), before: str = "") -> Synthesis:
    """Module ``top`` of ``verilog`` on a target, without the modules named in ``black_boxes``.

    ``before`` holds passes of Yosys that run on the Verilog before the target's own. Raises ``InputError`` for an unknown
    target and :class:`SynthesisError` when Yosys fails or leaves a cell that the target does not have. The log of a
    failure stays in a new folder under the system's temporary folder.
    """
    flow = choose("synthesis target", target, TARGETS)
    yosys = find_yosys()
    boxes = f"blackbox {' '.join(sorted(black_boxes))}; " if black_boxes else ""
    script = f"read_verilog {VERILOG}; {boxes}{before and f'{before}; '}{flow.script.format(top=top)}"
    folder = Path(tempfile.mkdtemp(prefix="shiftwise-synthesis-"))
    try:
        try:
            yosys.run(script, {VERILOG: verilog, LIBERTY: sky130_liberty()}, folder)
        except YosysError:
            raise SynthesisError(f"Yosys could not synthesise {top} for {target}; its log is {folder / LOG}") from None
        module = json.loads((folder / NETLIST).read_text())["modules"][top]
        unseen = {*black_boxes, "$scopeinfo"}  # the latter only says what was flattened
        netlist = {name: cell for name, cell in module["cells"].items() if cell["type"] not in unseen}
        unmapped = sorted({cell["type"] for cell in netlist.values() if not re.fullmatch(flow.mapped, cell["type"])})
        if unmapped:
            raise SynthesisError(
                f"cells {', '.join(unmapped)} of {top} have no area on {target}; Yosys's log is {folder / LOG}"
            )
        statistics = json.loads((folder / STATISTICS).read_text())["modules"][f"\\{top}"]
    finally:
        if not isinstance(sys.exception(), SynthesisError):
            shutil.rmtree(folder)
    numbers = flow.numbers(statistics, netlist)
    recorded = f'{yosys.name} -q -l {LOG} -p "{script}"'
    total = numbers[flow.total]
    area = Area(target, flow.unit, total, MappingProxyType(numbers), yosys.name, yosys.version, recorded)
    return Synthesis(area, {**module, "cells": netlist})
