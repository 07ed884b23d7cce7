"""The overlay's compiler: where everything lies, and the instructions of a pass."""

from sim.overlay.compiler.compile import Compiled, check_buffers, compile_step, heads_together, memory_map, padded_length
from sim.overlay.compiler.memory_map import MemoryMap

__all__ = ["Compiled", "MemoryMap", "check_buffers", "compile_step", "heads_together", "memory_map", "padded_length"]
