"""Shiftwise: simulate quantized language models on shift-and-add accelerators, and generate the hardware.

import shiftwise
run = shiftwise.simulate(design="mixpe-w4a8", model="tiny-stdlib", phase="decode")
print(run.summary["tokens_per_s"], run.layers[["name", "cycles", "bound"]])
run.write("build/run")
"""

from shiftwise.simulation import Simulation, simulate
from sim.design import DesignPoint, load_design
from sim.errors import InputError

__all__ = ["DesignPoint", "InputError", "Simulation", "load_design", "simulate"]
