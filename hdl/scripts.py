"""Scripts that hand the Verilog to tool chains; none of them has constraints."""

from collections.abc import Sequence

VIVADO_PART = "xcu280-fsvh2892-2L-e"
"""The device of an Alveo U280 (AMD DS963)."""

LIBERTY = "cells.lib"

YOSYS_FLOWS = {
    "xcup": "synth_xilinx -family xcup -noiopad -flatten -top {top}\nstat -tech xilinx",
    "ecp5": "synth_ecp5 -noabc9 -top {top}\nstat",
    "cells": f"synth -flatten -top {{top}}\ndfflibmap -liberty {LIBERTY}\nabc -liberty {LIBERTY}\nopt_clean -purge\n"
    f"stat -liberty {LIBERTY}",
}
"""UltraScale+, ECP5, and standard cells of whatever Liberty file is named ``cells.lib``."""


def yosys_script(target: str, modules: Sequence[str], memories: Sequence[str], top: str) -> str:
    """Run as ``yosys -s FILE`` in the folder of the Verilog. Memories beside standard cells are macros of their own."""
    macros = memories if target == "cells" else ()
    read = "".join(f"read_verilog {'-lib ' if name in macros else ''}{name}\n" for name in modules)
    return f"# Area of {top}: yosys -s yosys_{target}.ys\n{read}{YOSYS_FLOWS[target].format(top=top)}\n"


def vivado_script(modules: Sequence[str], top: str) -> str:
    """Run as ``vivado -mode batch -source vivado.tcl`` in the folder of the Verilog."""
    return (
        f"# Area of {top}, by itself and without constraints: vivado -mode batch -source vivado.tcl\n"
        f"read_verilog {{{' '.join(modules)}}}\n"
        f"synth_design -top {top} -part {VIVADO_PART} -mode out_of_context\n"
        "report_utilization -hierarchical -file utilization.rpt\n"
        "report_timing_summary -file timing.rpt\n"
    )
