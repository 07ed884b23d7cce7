"""Proof that a mutant is no different: no inputs that keep the contract make any output differ, from power-up on.

The right hardware and the mutant get the same inputs in one circuit, whose only output says that theirs differ. ABC, which
is part of Yosys, looks for registers and gates that are always equal, and for an invariant or a counterexample (``scorr``;
``dprove``: Mishchenko et al., "Scalable and scalably-verifiable sequential synthesis", ICCAD 2008).
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from amaranth.lib import wiring

from hdl.bench.vectors import input_widths, output_widths
from hdl.export import module_texts
from hdl.proof.contract import KEPT, Contract, Rule
from hdl.tools.yosys import YosysError, find_yosys

STATUS = "status.txt"
PROVED = "snl_UNSAT"
"""ABC's word for a circuit whose output is never one."""

# Nothing is merged before ABC sees the two: it is the one that proves.
EQUAL = f"""\
read_rtlil mutated.il; read_verilog contract.v shell.v; hierarchy -check -top shell
proc; flatten; setattr -unset keep w:*; opt_expr; memory_map; techmap; opt_expr; opt_clean
dfflegalize -cell $_DFF_P_ 01; opt_expr; opt_clean
abc -clk clk -g AND -script +strash;zero;scorr;dprove;write_status,{STATUS}
"""
SELECT_BITS = 10
"""[bit] A mutant's number."""

CALLED = re.compile(r"Extracted .* netlist network with \d+ inputs and 1 outputs\.\nRunning ABC script")
"""Once, and with nothing but the output that tells the two apart: the answer is about nothing else."""


def equal(component: wiring.Component, rule: Rule | None, mutated: str, number: int, folder: Path, timeout: float) -> bool:
    """Whether mutant ``number`` of the module in ``mutated`` (RTLIL) is proved equal to number 0, whatever they are fed.

    ``rule`` says what that may be: anything, if there is none. ``False`` if they differ, or after ``timeout`` [s].
    ``folder`` keeps what was tried.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (text,) = module_texts([Contract(component, rule)]).values() if rule else ("",)
    shell = _shell(component, number, rule is not None)
    files = {"mutated.il": mutated, "contract.v": text, "shell.v": shell, "equal.ys": EQUAL}
    try:
        log = find_yosys().run("script equal.ys", files, folder, timeout)
    except (TimeoutError, YosysError):  # it ends with an error where a proof needs more stack than there is
        return False
    if len(CALLED.findall(log)) != 1 or not (folder / STATUS).is_file():
        raise YosysError(f"Yosys did not call ABC once for one output; its log is in {folder}")
    return (folder / STATUS).read_text().startswith(PROVED)


def ports(component: wiring.Component) -> tuple[dict[str, int], dict[str, int]]:
    """Widths [bit] of a component's inputs, clock and reset first, and of its outputs."""
    return {"clk": 1, **input_widths(component)}, output_widths(component)


def declared(widths: Mapping[str, int], kind: str) -> list[str]:
    """Verilog declarations of this kind."""
    return [f"  {kind} [{width - 1}:0] {name};" for name, width in widths.items()]


def _shell(component: wiring.Component, number: int, has_contract: bool) -> str:
    """Two of the mutated module behind the contract; an output counts only in cycles in which somebody looks at it."""
    inputs, outputs = ports(component)
    given = {name: width for name, width in inputs.items() if name not in ("clk", "rst")}
    lines = [f"module shell({', '.join((*inputs, 'differ'))});", *declared(inputs, "input"), "  output differ;"]
    lines += declared({KEPT + name: width for name, width in given.items()}, "wire")
    if has_contract:
        connected = [".clk(clk)", ".rst(rst)", *(f".{name}({name}), .{KEPT}{name}({KEPT}{name})" for name in given)]
        lines += [f"  contract contract({', '.join(connected)});"]
    else:
        lines += [f"  assign {KEPT}{name} = {name};" for name in given]
    fed = [".clk(clk)", ".rst(rst)", *(f".{name}({KEPT}{name})" for name in given)]
    for which, mutant in (("right", 0), ("wrong", number)):
        lines += declared({f"{which}_{name}": width for name, width in outputs.items()}, "wire")
        connected = [*fed, *(f".{name}({which}_{name})" for name in outputs), f".mutant({SELECT_BITS}'d{mutant})"]
        lines += [f"  mutated {which}({', '.join(connected)});"]
    looked = {name: f"right_{valid} && " if (valid := _valid(name, outputs)) else "" for name in outputs}
    different = [f"({condition}right_{name} != wrong_{name})" for name, condition in looked.items()]
    return "\n".join([*lines, f"  assign differ = {' || '.join(different)};", "endmodule", ""])


def _valid(name: str, outputs: Mapping[str, int]) -> str | None:
    """The output that says when this one counts: ``sum_valid`` of ``sum``, ``result_valid_0`` of ``result_0``."""
    candidates = f"{name}_valid", re.sub(r"_(\d+)$", r"_valid_\1", name)
    return next((valid for valid in candidates if valid in outputs and valid != name), None)
