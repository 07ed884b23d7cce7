"""The special-function unit: fp16 operations between matrix products, bit for bit.

Numbers between operations are fp16, inside of one they are fp32 or fixed-point integers of stated width. Exponentials,
reciprocals and inverse roots are made by tables and Newton's steps (:mod:`.functions`, :mod:`.tables`); element-wise
operations are in :mod:`.elementwise`, those that reduce rows in :mod:`.softmax`, :mod:`.norms` and :mod:`.quantizer`, the order
of sums in :mod:`.reduction`, cycles in :mod:`.cycles`. :data:`OPERATIONS` has them all by name.

Operands and results are finite; a result beyond 65504 is an ``InputError``.
"""

from sim.overlay.special.elementwise import add, gelu, gelu_tanh, multiply, relu, rotary, silu
from sim.overlay.special.norms import layer_norm, rms_norm
from sim.overlay.special.numbers import Halves
from sim.overlay.special.operations import OPERATIONS, Operation
from sim.overlay.special.quantizer import quantize, quantize_folded
from sim.overlay.special.softmax import softmax

__all__ = [
    "OPERATIONS",
    "Halves",
    "Operation",
    "add",
    "gelu",
    "gelu_tanh",
    "layer_norm",
    "multiply",
    "quantize",
    "quantize_folded",
    "relu",
    "rms_norm",
    "rotary",
    "silu",
    "softmax",
]
