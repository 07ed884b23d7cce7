"""Mutants: hardware with one wrong bit each, to see whether the vectors of the verification tell them from the right one.

All mutants of a component are one netlist (Yosys ``mutate -ctrl``): a number selects which bit is wrong, 0 none. It is
compiled once with the test bench that verifies the component, and runs once for each mutant. What no vector tells apart
is either proved equal to the right hardware, or has survived.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from hdl.bench.testbench import Dut, testbench
from hdl.bench.vectors import Vectors, input_widths, output_widths
from hdl.export import module_texts
from hdl.verilator import SimulationError, call
from hdl.yosys import YosysError, find_yosys

SELECT_BITS = 10
MUTATED = "mutated"
PROGRAM = "mutants"
RUNTIME_OBJECTS = ("verilated.o", "verilated_threads.o", "verilated_timing.o")
PROOF_SECONDS = 12
"""Time for the proof that one mutant is no different; a mutant that needs more counts as survived."""

LIST = re.compile(r"^mutate -ctrl mutant \d+ (\d+) (.*?)(?: -src .*)?$", re.MULTILINE)

MUTATE = """\
read_verilog design.v
hierarchy -check -top {top}
proc; flatten; opt_clean; memory_map; wreduce; opt_clean -purge
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
    name: str, parts: Sequence[Any], vectors: Vectors, folder: Path, count: int, seed: int = 1, chosen: str = ""
) -> Outcome:
    """Fates of ``count`` mutants of the last of some components, which instantiates the others.

    ``chosen`` is a selection of cells (Yosys ``help select``), all if empty. ``folder`` keeps what is built.
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
    (folder / dut.vectors).write_bytes(vectors.words(component).tobytes())
    _compile(folder)
    if _differs(folder, 0):
        raise SimulationError(f"{name} without a mutation does not pass its vectors; what was built is in {folder}")
    left = [number for number in changes if not _differs(folder, number)]
    equal = _equal(component, left, folder)
    fates = {number: "equivalent" if number in equal else "survived" if number in left else "killed" for number in changes}
    return Outcome(name, tuple(Mutant(number, change, fates[number]) for number, change in changes.items()))


def _ports(component: wiring.Component) -> tuple[dict[str, int], dict[str, int]]:
    return {"clk": 1, **input_widths(component)}, output_widths(component)


def _selecting(component: wiring.Component) -> str:
    """The component as a module that takes the mutant's number from the simulation's command line."""
    inputs, outputs = _ports(component)
    names = ", ".join((*inputs, *outputs))
    declared = [f"  input [{width - 1}:0] {name};" for name, width in inputs.items()]
    declared += [f"  output [{width - 1}:0] {name};" for name, width in outputs.items()]
    connected = ", ".join(f".{name}({name})" for name in (*inputs, *outputs))
    return "\n".join(
        [
            f"module {component.module_name}({names});",
            *declared,
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
    call([*verilate, "bench.v", "top.v", "mutated.v"], folder)
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
    if ("PASS" in log) == ("FAIL" in log):
        raise SimulationError(f"mutant {number} in {folder} neither passes nor fails:\n{log[-1000:]}")
    return "FAIL" in log


def _equal(component: wiring.Component, numbers: Sequence[int], folder: Path) -> set[int]:
    """Mutants whose outputs are proved equal to those of the right hardware; a ``sum`` counts while it is valid."""
    gates = _gates(component)
    proved = set()
    for number in numbers:
        steps = [
            f"read_rtlil mutated.il; read_verilog -DCHOSEN={chosen} gates.v; hierarchy -top shell; flatten; "
            f"opt_expr; opt_clean; design -stash {name}"
            for name, chosen in (("right", 0), ("wrong", number))
        ]
        steps += ["design -copy-from right -as gold shell; design -copy-from wrong -as gate shell"]
        steps += ["equiv_make gold gate equal; hierarchy -top equal; opt_clean; equiv_struct; equiv_simple; equiv_induct"]
        steps += ["equiv_status -assert"]
        try:
            find_yosys().run("script equal.ys", {"gates.v": gates, "equal.ys": "\n".join(steps)}, folder, PROOF_SECONDS)
        except (YosysError, TimeoutError):
            continue
        proved.add(number)
    return proved


def _gates(component: wiring.Component) -> str:
    """The chosen mutant, with outputs that are zero in cycles in which nobody looks at them."""
    inputs, outputs = _ports(component)
    looked = {name: f"{name}_valid" if f"{name}_valid" in outputs else "" for name in outputs}
    looked |= {name: name.replace("result_", "result_valid_") for name in outputs if re.fullmatch(r"result_\d+", name)}
    lines = [f"module shell({', '.join((*inputs, *outputs))});"]
    lines += [f"  input [{width - 1}:0] {name};" for name, width in inputs.items()]
    lines += [f"  output [{width - 1}:0] {name};\n  wire [{width - 1}:0] raw_{name};" for name, width in outputs.items()]
    lines += [
        f"  assign {name} = " + (f"raw_{valid} ? raw_{name} : {outputs[name]}'d0;" if valid else f"raw_{name};")
        for name, valid in looked.items()
    ]
    connected = [f".{name}({name})" for name in inputs] + [f".{name}(raw_{name})" for name in outputs]
    lines += [f"  {MUTATED} dut({', '.join(connected)}, .mutant({SELECT_BITS}'d`CHOSEN));", "endmodule", ""]
    return "\n".join(lines)
