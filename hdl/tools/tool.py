"""Programs that come as a native command or in a wheel: found, with their version.

A command on PATH runs if it is new enough, else the one that a YoWASP wheel holds as WebAssembly.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from sim.errors import Failure


class ToolError(Failure):
    """A program does not start."""


@dataclass(frozen=True)
class Program:
    """Where a program is looked for: its command, the oldest release that will do, and the function of a wheel that runs it.

    ``banner`` matches what ``version`` makes it print, with the version in its first group.
    """

    command: str
    oldest: tuple[int, ...]
    version: str
    banner: str
    package: str
    function: str


@dataclass(frozen=True)
class Tool:
    """A program that runs: its arguments, the name it is recorded under, and its version."""

    arguments: tuple[str, ...]
    name: str
    version: str


def find_tool(program: Program) -> Tool:
    """The command, or the wheel's program, whose first call on a machine compiles it, which is said on stderr.

    Raises :class:`ToolError` if neither runs.
    """
    native = shutil.which(program.command)
    if native:
        run = subprocess.run([native, program.version], capture_output=True, text=True, check=False)  # noqa: S603
        found = re.search(program.banner, run.stdout + run.stderr)
        if found and _release(found[1]) >= program.oldest:
            return Tool((native,), program.command, found[1])
    arguments = (sys.executable, "-c", f"from {program.package} import {program.function} as run; run()")
    process = subprocess.Popen([*arguments, program.version], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # noqa: S603
    said = []
    with process:
        assert process.stdout and process.stderr
        for line in process.stderr:
            said.append(line)
            if line.startswith("Preparing to run"):  # printed by the YoWASP runtime when its cache is empty
                what = f"compiling the wheel's {program.command} for this machine, once: about a minute"
                print(what, file=sys.stderr, flush=True)
        said.append(process.stdout.read())
    found = re.search(program.banner, "".join(said))
    if process.returncode or not found:
        raise ToolError(f"{program.command} does not start; it said: {' '.join(''.join(said).split())[-300:]}")
    return Tool(arguments, f"yowasp-{program.command}", found[1])


def _release(version: str) -> tuple[int, ...]:
    """The numbers at the start of a version."""
    return tuple(map(int, re.findall(r"\d+", re.match(r"[\d.]*", version)[0])))  # type: ignore[index]
