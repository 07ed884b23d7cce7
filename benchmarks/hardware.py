"""Time to write the Verilog of a large array, and speed of its PE under Verilator with every output checked."""

import tempfile
from pathlib import Path

from benchmarks.figure import Figure, seconds_of
from costmodel.synthesis.liberty import sky130_liberty
from hdl.delivery import write_design
from hdl.pe import pe_parts
from hdl.tools.verilator import Bench
from hdl.verify.pe import pe_vectors
from sim.design import load_design

DESIGN = "mixpe-w4a8"
"""An array of 32x32 PEs."""

WIDE_DESIGN = "mixpe-w4a16"
"""Its pairs of operands are as many as one bench tries."""


def hardware_figures() -> list[Figure]:
    """Bars: 20 s and 60 MB for what is delivered of 32x32 PEs; a million checked cycles of a PE a second."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "generated"
        seconds = seconds_of(lambda: write_design(load_design(DESIGN), out, sky130_liberty()))
        megabytes = sum(path.stat().st_size for path in out.glob("*.v")) / 1e6
        speed = _checked_cycles(Path(folder))
    return [
        Figure(f"generate {DESIGN}, 32x32", seconds, "s", 20, "lower", ""),
        Figure(f"generate {DESIGN}, Verilog", megabytes, "MB", 60, "lower", ""),
        Figure(f"PE of {WIDE_DESIGN} under Verilator, checked", speed / 1e6, "Mcycle/s", 1, "higher", ""),
    ]


def _checked_cycles(folder: Path) -> float:
    """Checked cycles a second of the simulator's whole process; building, and writing what it reads, are not counted."""
    design = load_design(WIDE_DESIGN)
    vectors, _, _ = pe_vectors(design)
    bench = Bench.of(pe_parts(design), folder)
    if bench.run(vectors):
        raise RuntimeError(f"the Verilog of {design.name}'s PE is not what the model says")
    return vectors.cycles / min(seconds_of(bench.check) for _ in range(3))
