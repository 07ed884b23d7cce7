"""Synthesis with Yosys, and on an ECP5 place and route: how large and how fast a Verilog module is on a target.

What a run leaves is kept by a hash of the netlist's text, the tools and the library (:mod:`costmodel.synthesis.cache`).
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from costmodel.synthesis.cache import digest, keep, recall
from costmodel.synthesis.nextpnr import find_nextpnr, route
from costmodel.synthesis.targets import LIBERTY, NETLIST, STATISTICS, Flow, cells_of, flow_of
from hdl.tools.yosys import LOG, Yosys, YosysError, find_yosys
from sim.errors import InputError

VERILOG = "design.v"


class SynthesisError(InputError):
    """Yosys could not synthesise a module; the message names the log, which is kept."""


@dataclass(frozen=True)
class Area:
    """Size and speed of one module: ``numbers`` by name, cells by type, and how they were found.

    ``total`` [``unit``] is the one number to add up and compare.
    """

    target: str
    unit: str
    total: float
    numbers: Mapping[str, float]
    tool: str
    version: str
    command: str
    cells: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Synthesis:
    """A module on a target: its size, and the flat netlist as Yosys's ``write_json`` describes a module."""

    area: Area
    module: Mapping[str, Any]


def start_tools(target: str) -> None:
    """Find what a target needs before several ask for it at once; raises as :func:`synthesise` does for the target."""
    flow = flow_of(target)
    find_yosys()
    if flow.routed:
        find_nextpnr()


def synthesise(verilog: str, top: str, target: str, black_boxes: Collection[str] = (), before: str = "") -> Synthesis:
    """Module ``top`` of ``verilog`` on a target of :func:`costmodel.synthesis.targets.flow_of`, without the modules in
    ``black_boxes``.

    ``before`` holds passes of Yosys that run on the Verilog before the target's own. A module without some of its parts is not
    placed and routed: it has no clock of its own. Raises ``InputError`` for an unknown target or a Liberty file that cannot be
    used, :class:`SynthesisError` when Yosys fails or leaves a cell that the target does not have, and
    :class:`costmodel.synthesis.nextpnr.RouteError`. The log of a failure stays in a new folder under the system's temporary
    folder.
    """
    flow = flow_of(target)
    yosys = find_yosys()
    boxes = f"blackbox {' '.join(sorted(black_boxes))}; " if black_boxes else ""
    script = f"read_verilog {VERILOG}; {boxes}{before and f'{before}; '}{flow.script_for(verilog, top)}"
    files = {VERILOG: verilog} | ({LIBERTY: flow.library.text} if flow.library else {})
    key = digest(yosys.name, yosys.version, script, top, *sorted(black_boxes), *files.values())
    found = recall(key)
    if found is None:
        found = _run(yosys, script, files, _Names(top, target, frozenset(black_boxes)), flow)
        keep(key, found)
    module, numbers = found["module"], flow.numbers(found["statistics"], found["module"])
    tool, version, command = yosys.name, yosys.version, f'{yosys.name} -q -l {LOG} -p "{script}"'
    if flow.routed and not black_boxes:
        routed = route(module, top, int(numbers[flow.total]))
        numbers |= {"fmax_mhz": round(routed.fmax_mhz, 2)}
        tool, version = f"{tool}, {routed.tool}", f"{version}, {routed.version}"
        command = f"{command}; {routed.command}"
    area = Area(
        target,
        flow.unit,
        numbers[flow.total],
        MappingProxyType(numbers),
        tool,
        version,
        command,
        MappingProxyType(dict(sorted(cells_of(module).items()))),
    )
    return Synthesis(area, module)


@dataclass(frozen=True)
class _Names:
    """What is synthesised for what, and what of it is not looked at."""

    top: str
    target: str
    black_boxes: frozenset[str]


def _run(yosys: Yosys, script: str, files: Mapping[str, str], names: _Names, flow: Flow) -> dict[str, Any]:
    """Statistics and netlist of the top module, without black boxes."""
    folder = Path(tempfile.mkdtemp(prefix="shiftwise-synthesis-"))
    try:
        try:
            yosys.run(script, files, folder)
        except YosysError:
            message = f"Yosys could not synthesise {names.top} for {names.target}; its log is {folder / LOG}"
            raise SynthesisError(message) from None
        module = json.loads((folder / NETLIST).read_text())["modules"][names.top]
        unseen = {*names.black_boxes, "$scopeinfo"}  # the latter only says what was flattened
        netlist = {name: cell for name, cell in module["cells"].items() if cell["type"] not in unseen}
        unmapped = sorted({cell["type"] for cell in netlist.values() if not flow.maps(cell["type"])})
        if unmapped:
            raise SynthesisError(
                f"cells {', '.join(unmapped)} of {names.top} have no area on {names.target}; Yosys's log is {folder / LOG}"
            )
        statistics = json.loads((folder / STATISTICS).read_text())["modules"][f"\\{names.top}"]
    finally:
        if not isinstance(sys.exception(), SynthesisError):
            shutil.rmtree(folder)
    return {"statistics": statistics, "module": {**module, "cells": netlist}}
