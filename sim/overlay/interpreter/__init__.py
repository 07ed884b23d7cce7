"""The overlay's instructions carried out on bytes, bit for bit: the living definition of what a program computes.

A :class:`Machine` has the memory and the two buffers, and what the engine holds; :func:`execute` runs a program on it. Nothing
else passes from one instruction to another.
"""

from sim.overlay.interpreter.execute import execute
from sim.overlay.interpreter.inference import Inference
from sim.overlay.interpreter.machine import Machine
from sim.overlay.interpreter.order import check, in_order

__all__ = ["Inference", "Machine", "check", "execute", "in_order"]
