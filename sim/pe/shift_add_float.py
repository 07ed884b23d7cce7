"""The shift-and-add PE for float activations: the significand is shifted and added, the exponent waits."""

from dataclasses import dataclass
from typing import ClassVar

from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe.element import Element

ACTIVATIONS = ("fp16", "bf16")


@dataclass(frozen=True)
class ShiftAddFloat(Element):
    """Integer weight of 1 to 8 bits times fp16 or bf16 activation.

        sign        = sign of w  xor  sign of a
        significand = sum over bits b of |w| of (bit b ? significand of a << b : 0)
        exponent    = exponent of a

    The significand has 11 (fp16) or 8 bits (bf16) with the hidden one; a subnormal has none, and the least exponent.
    ``exact`` is a fixed-point sum, for fp16 only: bf16 products span 264 bits and more.

    Latency: by default 3 cycles (product, its place in the sum, sum). Throughput: one MAC a cycle; a float accumulator adds and
    rounds in that one cycle. Why: weight-only quantization leaves activations in 16-bit floats, and their products
    with few-bit weights need neither dequantization nor a float multiplier.
    """

    kind: ClassVar[str] = "shift_add_float"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap", "saturate", "fp32", "fp16", "bf16", "aligned")

    def check_formats(self) -> None:
        if not (self.weight.is_integer and 1 <= self.weight.bits <= 8):
            raise InputError(f"a shift_add_float PE takes integer weights of 1 to 8 bits, not {self.weight.name}")
        name = self.activation.name
        if name not in ACTIVATIONS or self.activation != FORMATS[name]:
            raise InputError(f"a shift_add_float PE takes {' or '.join(ACTIVATIONS)} activations, not {name}")

    @property
    def has_exponents(self) -> bool:
        return True
