"""What hardware is synthesised for: FPGAs and libraries of standard cells, each with Yosys's steps and what is counted.

``xcup`` is AMD UltraScale+ without DSP slices and ``xcup_dsp`` with them; ``ecp5`` a Lattice ECP5, on which nextpnr also places
and routes; ``sky130`` the open SkyWater 130 nm cells of :mod:`costmodel.synthesis.liberty`. The path of a Liberty file is a
target too.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costmodel.synthesis.library import SUFFIX, Library, read_library, sky130_library
from costmodel.synthesis.packing import LUT, MEMORY_SITES, lut_sites, memory_sites
from costmodel.synthesis.timing import delay_ps
from sim.errors import InputError, demand

LIBERTY, STATISTICS, NETLIST = "cells.lib", "statistics.json", "netlist.json"

Module = Mapping[str, Any]
"""A flat netlist as Yosys's ``write_json`` describes a module, without its black boxes."""


@dataclass(frozen=True)
class Flow:
    """Steps of Yosys for one target, and how to read what they leave.

    ``script`` holds ``{top}``; ``without_memories`` does the same, sooner, for Verilog that has none. ``numbers`` takes the top
    module's statistics and netlist, both without black boxes; ``total`` names the one that is the area in ``unit``. Cells
    whose names do not match ``mapped`` are not counted by ``numbers``: a synthesis that leaves any has failed. ``library`` are
    the standard cells; an FPGA has none. What is ``routed`` is placed and routed too.
    """

    unit: str
    script: str
    mapped: str
    numbers: Callable[[Mapping[str, Any], Module], dict[str, float]]
    total: str
    what: str
    library: Library | None = None
    routed: bool = False
    without_memories: str = ""

    def script_for(self, verilog: str, top: str) -> str:
        """Steps for a module of some Verilog."""
        short = self.without_memories and not MEMORY.search(verilog)
        return (self.without_memories if short else self.script).format(top=top)

    def maps(self, kind: str) -> bool:
        """Whether the target has this type of cell."""
        return re.fullmatch(self.mapped, kind) is not None

    def is_register(self, kind: str) -> bool:
        """Whether this type of cell is a flip-flop."""
        return kind in self.library.flip_flops if self.library else re.fullmatch(REGISTERS, kind) is not None

    def is_dsp(self, kind: str) -> bool:
        """Whether this type of cell is a DSP slice."""
        return not self.library and re.fullmatch(DSPS, kind) is not None

    def outputs(self, cell: Mapping[str, Any]) -> frozenset[str]:
        """The output pins of a cell of the netlist."""
        if self.library:
            return self.library.outputs[cell["type"]]
        return frozenset(pin for pin, direction in cell["port_directions"].items() if direction == "output")

    def size(self, kind: str) -> float:
        """Size of one cell: area [um2], or LUTs."""
        return self.library.areas[kind] if self.library else CELL_LUTS.get(kind, 0)


MEMORY = re.compile(r"\b(?:reg|logic|bit)\b[^;=]*?\w\s*\[[^\]]*\]\s*[;,=]")
"""A declaration with a dimension behind its name."""

REGISTERS = r"FD[RSCP]E(_1)?|TRELLIS_FF"
DSPS = "DSP48E2|MULT18X18D"

CELL_LUTS = {**{f"LUT{inputs}": 1 for inputs in range(1, 7)}, "INV": 1, **MEMORY_SITES, "CCU2C": 2, "TRELLIS_DPR16X4": 4}
"""LUTs of a cell by type, none of others. UltraScale+ has its carry chain beside LUTs, ECP5's carry cell is two of them."""


def cells_of(module: Module) -> Counter[str]:
    """Cells by type."""
    return Counter(cell["type"] for cell in module["cells"].values())


def _count(cells: Mapping[str, int], pattern: str) -> int:
    return sum(number for name, number in cells.items() if re.fullmatch(pattern, name))


def _xilinx_numbers(statistics: Mapping[str, Any], module: Module) -> dict[str, float]:
    cells = cells_of(module)
    outputs = [bit for port in module["ports"].values() if port["direction"] == "output" for bit in port["bits"]]
    return {
        "lut_sites": lut_sites(module["cells"], outputs),
        "logic_cells": statistics["estimated_num_lc"],
        "luts": _count(cells, LUT.pattern),
        "carry": _count(cells, "CARRY4") + 2 * _count(cells, "CARRY8"),
        "flip_flops": _count(cells, "FD[RSCP]E(_1)?"),
        "dsps": _count(cells, "DSP48E2"),
        "brams": _count(cells, "RAMB36E2") + _count(cells, "RAMB18E2") / 2,
        "lutram": memory_sites(cells),
    }


def _xilinx(dsps: bool) -> Flow:
    steps = f"synth_xilinx -family xcup -noiopad {'' if dsps else '-nodsp '}-flatten -top {{top}}"
    results = f"tee -q -o {STATISTICS} stat -tech xilinx -json; write_json {NETLIST}"
    return Flow(
        unit="lut_sites",
        script=f"{steps}; {results}",
        # Reading Yosys's text of all block RAMs is half of the time that a PE takes.
        without_memories=f"{steps} -run :map_memory; {steps} -run map_ffram:; {results}",
        mapped="|".join((LUT.pattern, "CARRY[48]|MUXF[789]|FD[RSCP]E(_1)?|DSP48E2|BUFG|RAMB(18|36)E2", *MEMORY_SITES)),
        numbers=_xilinx_numbers,
        total="lut_sites",
        what=f"AMD UltraScale+ {'with' if dsps else 'without'} DSP slices",
    )


def _ecp5_numbers(_: Mapping[str, Any], module: Module) -> dict[str, float]:
    cells = cells_of(module)
    return {
        "lut_sites": sum(CELL_LUTS.get(kind, 0) * number for kind, number in cells.items()),
        "luts": cells["LUT4"],
        "carry": cells["CCU2C"],
        "flip_flops": cells["TRELLIS_FF"],
        "dsps": cells["MULT18X18D"],
        "brams": cells["DP16KD"] + cells["PDPW16KD"],
        "lutram": cells["TRELLIS_DPR16X4"] * CELL_LUTS["TRELLIS_DPR16X4"],
    }


def _standard_cells(library: Library, mapped: str, timed: bool, what: str) -> Flow:
    def numbers(_: Mapping[str, Any], module: Module) -> dict[str, float]:
        counts = cells_of(module)
        return {
            "area_um2": round(sum(library.areas[name] * number for name, number in counts.items()), 4),
            "leakage_nw": round(sum(library.leakages[name] * number for name, number in counts.items()), 6),
            "cells": sum(counts.values()),
            **({"delay_ps": round(delay_ps(module), 2)} if timed else {}),
        }

    return Flow(
        unit="um2",
        script=f"synth -flatten -top {{top}}; dfflibmap -liberty {LIBERTY}; abc -liberty {LIBERTY}; opt_clean -purge; "
        f"tee -q -o {STATISTICS} stat -liberty {LIBERTY} -json; write_json {NETLIST}",
        mapped=mapped,
        numbers=numbers,
        total="area_um2",
        what=what,
        library=library,
    )


TARGETS: dict[str, Flow] = {
    "xcup": _xilinx(dsps=False),
    "xcup_dsp": _xilinx(dsps=True),
    "ecp5": Flow(
        unit="lut_sites",
        script=f"synth_ecp5 -top {{top}}; tee -q -o {STATISTICS} stat -json; write_json {NETLIST}",
        mapped="LUT4|CCU2C|PFUMX|L6MUX21|TRELLIS_FF|TRELLIS_DPR16X4|MULT18X18D|DP16KD|PDPW16KD",
        numbers=_ecp5_numbers,
        total="lut_sites",
        what="Lattice ECP5, placed and routed",
        routed=True,
    ),
    "sky130": _standard_cells(sky130_library(), "sky130_fd_sc_hd__.*", timed=True, what="SkyWater 130 nm standard cells"),
}
"""Flows by target. All leave hierarchy only at black boxes."""

CHARACTERISED = ("xcup", "sky130")
"""Targets on which ``data/measured.csv`` has the components of all presets."""


def flow_of(target: str) -> Flow:
    """The flow of a target: a name in :data:`TARGETS`, or the path of a Liberty file.

    Raises ``InputError`` for any other name, and for a file that cannot be used.
    """
    demand("synthesis target", target, str)
    if target in TARGETS:
        return TARGETS[target]
    if not target.endswith(SUFFIX) and not Path(target).is_file():
        raise InputError(f"unknown synthesis target {target!r}; known are {', '.join(TARGETS)}, or the path of a Liberty file")
    library = read_library(Path(target))
    return _standard_cells(library, "|".join(map(re.escape, library.areas)), timed=False, what=target)
