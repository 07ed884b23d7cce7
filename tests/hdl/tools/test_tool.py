"""A command on PATH that is new enough, else the wheel's."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from costmodel.synthesis.nextpnr import NEXTPNR
from hdl.tools.tool import ToolError, find_tool
from hdl.tools.yosys import YOSYS


def command(folder: Path, name: str, says: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("program", "says", "version"),
    [
        (YOSYS, "Yosys 0.60 (git sha1 5bafeb77d)", "0.60"),
        (YOSYS, "Yosys 0.101+12 (git sha1 5bafeb77d)", "0.101+12"),
        (YOSYS, "Yosys 1.0", "1.0"),
        (NEXTPNR, '"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.8)', "0.8"),
        (NEXTPNR, '"nextpnr-ecp5" -- Next Generation Place and Route (Version 0.10-36-gb1c1ad0a)', "0.10-36-gb1c1ad0a"),
    ],
)
def test_a_command_that_is_new_enough_runs(tmp_path, monkeypatch, program, says, version):
    path = command(tmp_path, program.command, says)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = find_tool(program)
    assert (found.arguments, found.name, found.version) == ((str(path),), program.command, version)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (YOSYS, "Yosys 0.9 (git sha1 1979e0b)"),
        (YOSYS, "Yosys 0.59+3"),
        (YOSYS, ""),
        (NEXTPNR, "Next Generation Place and Route (Version nextpnr-0.7)"),
        (NEXTPNR, "Next Generation Place and Route (Version 1b2c3d4)"),
    ],
)
def test_else_the_wheels_does(tmp_path, monkeypatch, program, says):
    command(tmp_path, program.command, says)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = find_tool(program)
    assert found.name == f"yowasp-{program.command}"
    assert tuple(map(int, found.version.split(".")[:2])) >= program.oldest


def test_what_does_not_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="^yosys does not start; it said: .*No module named 'no_wheel'$"):
        find_tool(replace(YOSYS, package="no_wheel"))
