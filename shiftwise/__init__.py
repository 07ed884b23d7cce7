"""Shiftwise: simulate quantized language models on shift-and-add accelerators, and generate the hardware.

import shiftwise
run = shiftwise.simulate(design="mixpe-w4a8", model="tiny-stdlib", phase="decode")
print(run.summary["tokens_per_s"], run.layers[["name", "cycles", "bound"]])
run.write("build/run")
"""

from shiftwise.generation import generate
from shiftwise.simulation import Simulation, simulate
from shiftwise.verification import Verification, verify
from sim.design import DesignPoint, load_design
from sim.errors import Failure, InputError

__all__ = [
    "DesignPoint",
    "Failure",
    "InputError",
    "Simulation",
    "Verification",
    "generate",
    "load_design",
    "simulate",
    "verify",
]
