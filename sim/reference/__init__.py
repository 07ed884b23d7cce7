"""The judge: what everything else is compared with, in Python integers and fractions, slow and obvious.

It shares no code with the formats, the processing elements, the kernels or the hardware: it reads codes by their
formats' names, adds products one at a time in order of ``k``, and rounds by hand on integers.
"""

from sim.reference.chains import chain
from sim.reference.numbers import bfloat16_value, codebook_parts, fp16_value, integer_of, number, numbers, parts, unit
from sim.reference.outputs import fixed_point, output, requantize, to_fp16
from sim.reference.rounding import FLOATS, nearest_even, round_to_float, round_to_fp32

__all__ = [
    "FLOATS",
    "bfloat16_value",
    "chain",
    "codebook_parts",
    "fixed_point",
    "fp16_value",
    "integer_of",
    "nearest_even",
    "number",
    "numbers",
    "output",
    "parts",
    "requantize",
    "round_to_float",
    "round_to_fp32",
    "to_fp16",
    "unit",
]
