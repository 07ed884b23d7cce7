"""Mutants: hardware with one wrong bit each, to see whether the vectors of the verification tell them from the right one.

All mutants of a component are one netlist (Yosys ``mutate -ctrl``): a number selects which bit is wrong, 0 none. It is
compiled once with the test bench that verifies the component, and runs once for each mutant. What no vector tells apart
is either proved equal to the right hardware (:mod:`hdl.proof.equal`), or has survived.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from hdl.bench.testbench import Dut, testbench
from hdl.bench.vectors import Vectors
from hdl.export import module_texts
from hdl.proof.contract import Rule
from hdl.proof.equal import SELECT_BITS, declared, equal, ports
from hdl.tools.verilator import ONE_FILE, SimulationError, call
from hdl.tools.yosys import find_yosys

MUTATED = "mutated"
PROGRAM = "mutants"
RUNTIME_OBJECTS = ("verilated.o", "verilated_threads.o", "verilated_timing.o")
PROOF_SECONDS = 300
"""Time for the proof that one mutant is no different; a mutant that needs more counts as survived."""

OWN = "a:own"
"""The cells of a component itself, without those of what it instantiates."""

TWO_CASES = "synthesis parallel_case, but multiple matches found"
"""Verilator's word for a multiplexer that is told to select two of its inputs, which ends a run: no right hardware does."""

LIST = re.compile(r"^mutate -ctrl mutant \d+ (\d+) (.*?)(?: -src .*)?$", re.MULTILINE)

MUTATE = """\
read_verilog design.v
hierarchy -check -top {top}
proc; setattr -set own 1 {top}/c:*; flatten; opt_clean; memory_map; wreduce; opt_clean -purge
rename {top} {mutated}
mutate -list {count} -seed {seed} -ctrl mutant {bits} 1 -o list.ys {chosen}
script list.ys
write_verilog -noattr mutated.v
write_rtlil mutated.il
"""


@dataclass(frozen=True)
class Mutant:
    """A wrong bit: how Yosys describes it, and what became of it (``killed``, ``equivalent`` or ``survived``)."""

    number: int
    change: str
    fate: str


@dataclass(frozen=True)
class Outcome:
    """Mutants of one component."""

    component: str
    mutants: tuple[Mutant, ...]

    def count(self, fate: str) -> int:
        return sum(mutant.fate == fate for mutant in self.mutants)

    @property
    def told(self) -> float:
        """The part of the mutants that vectors or a proof decide."""
        return 1 - self.count("survived") / len(self.mutants)


def mutate(
    name: str,
    parts: Sequence[Any],
    vectors: Vectors,
    folder: Path,
    count: int,
    seed: int = 1,
    rule: Rule | None = None,
    chosen: str = "",
) -> Outcome:
    """Fates of ``count`` mutants of the last of some components, which instantiates the others.

    ``rule`` says what the component may be fed: anything, if there is none. ``chosen`` is a selection of cells (Yosys
    ``help select``; :data:`OWN`), all if empty. ``folder`` keeps what is built.
    """
    component = parts[-1]
    folder.mkdir(parents=True, exist_ok=True)
    top = component.module_name
    script = MUTATE.format(top=top, mutated=MUTATED, count=count, seed=seed, bits=SELECT_BITS, chosen=chosen)
    find_yosys().run("script mutate.ys", {"design.v": "".join(module_texts(parts).values()), "mutate.ys": script}, folder)
    changes = {int(number): change for number, change in LIST.findall((folder / "list.ys").read_text())}
    dut = Dut(top, component)
    (folder / "top.v").write_text(_selecting(component))
    (folder / "bench.v").write_text(testbench([dut]))
    (folder / dut.vectors).write_bytes(vectors.file(component))
    _compile(folder)
    if _differs(folder, 0):
        raise SimulationError(f"{name} without a mutation does not pass its vectors; what was built is in {folder}")
    mutated = (folder / "mutated.il").read_text()

    def fate(number: int) -> str:
        if _differs(folder, number):
            return "killed"
        proof = folder / "proofs" / str(number)
        return "equivalent" if equal(component, rule, mutated, number, proof, PROOF_SECONDS) else "survived"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fates = list(pool.map(fate, changes))
    mutants = (Mutant(number, change, fate) for (number, change), fate in zip(changes.items(), fates, strict=True))
    return Outcome(name, tuple(mutants))


def _selecting(component: wiring.Component) -> str:
    """The component as a module that takes the mutant's number from the simulation's command line."""
    inputs, outputs = ports(component)
    names = ", ".join((*inputs, *outputs))
    connected = ", ".join(f".{name}({name})" for name in (*inputs, *outputs))
    return "\n".join(
        [
            f"module {component.module_name}({names});",
            *declared(inputs, "input"),
            *declared(outputs, "output"),
            f"  reg [{SELECT_BITS - 1}:0] mutant;",
            '  initial if (!$value$plusargs("mutant=%d", mutant)) mutant = 0;',
            f"  {MUTATED} dut({connected}, .mutant(mutant));",
            "endmodule",
            "",
        ]
    )


def _compile(folder: Path) -> None:
    """One program; what is the same for all components is compiled once for the folder that they are in."""
    verilate = ["verilator", "--cc", "--exe", "--main", "--timing", "--prefix", "Vtop", "--top-module", "bench"]
    verilate += ["-o", PROGRAM, "-Mdir", ".", "-Wno-fatal", "-Wno-lint", "-CFLAGS", "-std=c++20"]
    make = ["make", "-j2", "-f", "Vtop.mk", "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0"]
    call([*verilate, *ONE_FILE, "bench.v", "top.v", "mutated.v"], folder)
    runtime = folder.parent / "runtime"
    runtime.mkdir(exist_ok=True)
    for name in RUNTIME_OBJECTS:
        if (runtime / name).is_file():
            shutil.copyfile(runtime / name, folder / name)
    call(make, folder)
    for name in RUNTIME_OBJECTS:
        shutil.copyfile(folder / name, runtime / name)


def _differs(folder: Path, number: int) -> bool:
    """Whether the vectors tell this mutant from the right hardware."""
    command = [os.fspath(folder.resolve() / PROGRAM), f"+mutant={number}"]
    log = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout  # noqa: S603
    if TWO_CASES in log:
        return True
    if ("PASS" in log) == ("FAIL" in log):
        raise SimulationError(f"mutant {number} in {folder} neither passes nor fails:\n{log[-1000:]}")
    return "FAIL" in log
