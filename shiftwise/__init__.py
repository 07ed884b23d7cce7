"""Shiftwise: simulate quantized language models on shift-and-add accelerators, and generate the hardware.

    import shiftwise
    run = shiftwise.simulate(design="mixpe-w4a8", model="tiny-stdlib", phase="decode")
    print(run.summary["tokens_per_s"], run.layers[["name", "cycles", "bound"]])
    run.write("build/run")

What is named here is imported when it is first used, so that the command answers at once.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sim.design import DesignPoint, load_design
from sim.errors import Failure, InputError

# Before torch is loaded: its idle threads would spin on the cores that the kernels' own threads need.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from costmodel.fpga.devices import DEVICES
    from costmodel.fpga.utilization import BoardFit, fit
    from shiftwise.allocation.allocate import Allocated, allocate
    from shiftwise.comparison.compare import Comparison, compare
    from shiftwise.exploration.explore import Exploration, explore
    from shiftwise.exploration.objectives import Budgets
    from shiftwise.exploration.space import Space, load_space
    from shiftwise.generation import generate
    from shiftwise.overlay.simulate import OverlayRun, simulate_overlay
    from shiftwise.reproduction import Reproduction, reproduce
    from shiftwise.simulation import Simulation, simulate
    from shiftwise.synthesis import DesignSynthesis, synth
    from shiftwise.tracing import trace
    from shiftwise.verification import verify
    from shiftwise.verified import Verification
    from sim.accelerator import Operands, block_times, blocks_of, operand_words
    from sim.array.events import simulate_events
    from sim.formats import FORMATS, encode
    from sim.kernels.product import matrix_product
    from sim.operators import Product
    from sim.output import output_format, requantize
    from sim.overlay.design import OverlayDesign, load_overlay
    from sim.pe import PES
    from sim.quantized import SCHEMES, quantize
    from sim.quantized.packing import read_tensor, write_tensor
    from sim.schedule import Schedule, run_product, schedule
    from workloads.allocation.allocation import Allocation, load_allocation
    from workloads.model_trace import ModelTrace
    from workloads.shapes import shapes
    from workloads.topology import read_topology, write_topology
    from workloads.trace_file import load_trace, save_trace

__all__ = [
    "DEVICES",
    "FORMATS",
    "PES",
    "SCHEMES",
    "Allocated",
    "Allocation",
    "BoardFit",
    "Budgets",
    "Comparison",
    "DesignPoint",
    "DesignSynthesis",
    "Exploration",
    "Failure",
    "InputError",
    "ModelTrace",
    "Operands",
    "OverlayDesign",
    "OverlayRun",
    "Product",
    "Reproduction",
    "Schedule",
    "Simulation",
    "Space",
    "Verification",
    "allocate",
    "block_times",
    "blocks_of",
    "compare",
    "encode",
    "explore",
    "fit",
    "generate",
    "load_allocation",
    "load_design",
    "load_overlay",
    "load_space",
    "load_trace",
    "matrix_product",
    "operand_words",
    "output_format",
    "quantize",
    "read_tensor",
    "read_topology",
    "reproduce",
    "requantize",
    "run_product",
    "save_trace",
    "schedule",
    "shapes",
    "simulate",
    "simulate_events",
    "simulate_overlay",
    "synth",
    "trace",
    "verify",
    "write_tensor",
    "write_topology",
]

_HOMES = {
    "DEVICES": "costmodel.fpga.devices",
    "BoardFit": "costmodel.fpga.utilization",
    "fit": "costmodel.fpga.utilization",
    "Allocated": "shiftwise.allocation.allocate",
    "allocate": "shiftwise.allocation.allocate",
    "Comparison": "shiftwise.comparison.compare",
    "compare": "shiftwise.comparison.compare",
    "Exploration": "shiftwise.exploration.explore",
    "explore": "shiftwise.exploration.explore",
    "Budgets": "shiftwise.exploration.objectives",
    "Space": "shiftwise.exploration.space",
    "load_space": "shiftwise.exploration.space",
    "generate": "shiftwise.generation",
    "OverlayRun": "shiftwise.overlay.simulate",
    "simulate_overlay": "shiftwise.overlay.simulate",
    "Reproduction": "shiftwise.reproduction",
    "reproduce": "shiftwise.reproduction",
    "Simulation": "shiftwise.simulation",
    "simulate": "shiftwise.simulation",
    "DesignSynthesis": "shiftwise.synthesis",
    "synth": "shiftwise.synthesis",
    "trace": "shiftwise.tracing",
    "Verification": "shiftwise.verified",
    "verify": "shiftwise.verification",
    "Operands": "sim.accelerator",
    "block_times": "sim.accelerator",
    "blocks_of": "sim.accelerator",
    "operand_words": "sim.accelerator",
    "simulate_events": "sim.array.events",
    "Product": "sim.operators",
    "OverlayDesign": "sim.overlay.design",
    "load_overlay": "sim.overlay.design",
    "Schedule": "sim.schedule",
    "run_product": "sim.schedule",
    "schedule": "sim.schedule",
    "Allocation": "workloads.allocation.allocation",
    "load_allocation": "workloads.allocation.allocation",
    "ModelTrace": "workloads.model_trace",
    "shapes": "workloads.shapes",
    "load_trace": "workloads.trace_file",
    "save_trace": "workloads.trace_file",
    "read_topology": "workloads.topology",
    "write_topology": "workloads.topology",
    "FORMATS": "sim.formats",
    "encode": "sim.formats",
    "matrix_product": "sim.kernels.product",
    "output_format": "sim.output",
    "requantize": "sim.output",
    "read_tensor": "sim.quantized.packing",
    "write_tensor": "sim.quantized.packing",
    "PES": "sim.pe",
    "SCHEMES": "sim.quantized",
    "quantize": "sim.quantized",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'shiftwise' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
