"""Netlists proved equal to the Verilog that they were synthesised from, register by register.

Registers and nets that kept their names are compared in pairs: each pair is equal if all are in the cycles before
(Yosys ``equiv_make``, ``equiv_simple``, ``equiv_induct``). Flattening, memories as registers and registers bit by bit are
all that happens to the Verilog itself; arithmetic stays as it is written and is the solver's.
"""

import re
import shutil
import tempfile
from pathlib import Path

from costmodel.synthesis.liberty import sky130_liberty
from costmodel.synthesis.run import VERILOG
from costmodel.synthesis.targets import LIBERTY, TARGETS
from hdl.tools.yosys import LOG, YosysError, find_yosys
from sim.errors import Failure, choose

NETLISTS = {
    "gates": ("synth -flatten -top {top}; opt_clean -purge", ""),
    "sky130": (
        TARGETS["sky130"].script,
        f"read_liberty -ignore_miss_func {LIBERTY}; hierarchy -top {{top}}; proc; flatten; opt_clean",
    ),
}
"""How netlists are made, of Yosys's own gates or of standard cells, and what then puts functions in the place of cells."""

PROOF = """\
read_verilog {verilog}
hierarchy -check -top {top}
proc; flatten; memory_map; wreduce; simplemap; opt_clean -purge
design -stash gold
read_verilog {verilog}
{synthesis}
{functions}
design -stash gate
design -copy-from gold -as gold {top}
design -copy-from gate -as gate {top}
equiv_make gold gate equal
hierarchy -top equal
opt_clean
equiv_struct
equiv_simple
equiv_induct
equiv_status -assert
"""

COUNT = re.compile(r"Found (\d+) \$equiv cells in equal:\n +Of those cells (\d+) are proven and 0 are unproven")


class EquivalenceError(Failure):
    """A netlist was not proved equal to its Verilog; the message names what is left, and the log, which is kept."""


def prove_netlist(verilog: str, top: str, netlist: str, timeout: float | None = None) -> int:
    """Prove that the netlist of module ``top`` equals it; returns how many pairs of nets that took.

    Raises ``InputError`` for a netlist that is not one of :data:`NETLISTS`, :class:`EquivalenceError` for a pair that is
    not proved, and ``TimeoutError`` after ``timeout`` [s].
    """
    synthesis, functions = (step.format(top=top) for step in choose("netlist", netlist, NETLISTS))
    script = PROOF.format(verilog=VERILOG, top=top, synthesis=synthesis, functions=functions)
    folder = Path(tempfile.mkdtemp(prefix="shiftwise-equivalence-"))
    try:
        log = find_yosys().run(
            "script prove.ys", {VERILOG: verilog, LIBERTY: sky130_liberty(), "prove.ys": script}, folder, timeout
        )
    except YosysError:
        left = sorted(set(re.findall(r"Unproven \$equiv \S+ \\(\S+?)_gold ", (folder / LOG).read_text())))
        raise EquivalenceError(
            f"{netlist} of {top} are not proved equal in {', '.join(left) or 'anything'}; the log is {folder / LOG}"
        ) from None
    proved = COUNT.search(log)
    assert proved and proved[1] == proved[2] != "0"
    shutil.rmtree(folder)
    return int(proved[1])
