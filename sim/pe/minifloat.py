"""The minifloat PE: short significands multiplied by shift and add, exponents added."""

from dataclasses import dataclass
from typing import ClassVar

from sim.errors import InputError
from sim.pe.element import Element
from sim.pe.fields import minifloat_fields


@dataclass(frozen=True)
class MiniFloat(Element):
    """Minifloat weight times minifloat activation, each of 3 to 8 bits, OCP's types among them.

        sign        = sign of w  xor  sign of a
        significand = sum over bits b of w's significand of (bit b ? a's significand << b : 0)
        exponent    = exponent of w + exponent of a,   a shift into a fixed-point sum

    Latency: by default 3 cycles (product and exponent, its place in the sum, sum). Throughput: one MAC a cycle. Why: a
    minifloat's significand is so short that the shift costs more than the product, and a fixed-point sum neither rounds
    nor normalises: exact, and independent of the order.
    """

    kind: ClassVar[str] = "minifloat"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap", "saturate", "fp32", "fp16", "bf16", "aligned")

    def check_formats(self) -> None:
        for role, format_ in (("weights", self.weight), ("activations", self.activation)):
            if not (3 <= format_.bits <= 8 and minifloat_fields(format_)):
                raise InputError(f"a minifloat PE takes minifloat {role} of 3 to 8 bits, not {format_.name}")

    @property
    def has_exponents(self) -> bool:
        return True
