"""The mixed PE: an integer on one side, a minifloat on the other."""

from dataclasses import dataclass
from typing import ClassVar

from sim.errors import InputError
from sim.formats import Format
from sim.pe.element import Element
from sim.pe.fields import minifloat_fields


@dataclass(frozen=True)
class Mixed(Element):
    """Integer times minifloat of 3 to 8 bits, either of them the weight; integer weights to 8 bits, activations 2 to 16.

        sign        = sign of w  xor  sign of a
        significand = sum over bits b of w's magnitude of (bit b ? a's magnitude << b : 0)
        exponent    = exponent of the minifloat,   a shift into a fixed-point sum

    An integer's magnitude is its absolute value and its exponent is 0; a minifloat's magnitude is its significand.

    Latency: by default 3 cycles (product, its place in the sum, sum). Throughput: one MAC a cycle. Why: the datapath of the
    ``minifloat`` PE without the addition of exponents, for models with minifloat weights and integer activations.
    """

    kind: ClassVar[str] = "mixed"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap", "saturate", "fp32", "fp16", "bf16", "aligned")

    def check_formats(self) -> None:
        if not _is_taken(self.weight, 1, 8):
            raise InputError(
                f"a mixed PE takes integer weights of 1 to 8 bits or minifloat ones of 3 to 8, not {self.weight.name}"
            )
        if not _is_taken(self.activation, 2, 16):
            raise InputError(
                f"a mixed PE takes integer activations of 2 to 16 bits or minifloat ones of 3 to 8, not {self.activation.name}"
            )
        if self.weight.is_integer == self.activation.is_integer:
            raise InputError(
                f"a mixed PE takes one integer and one minifloat operand, not {self.weight.name} x {self.activation.name}"
            )

    @property
    def has_exponents(self) -> bool:
        return True


def _is_taken(format_: Format, least_bits: int, most_bits: int) -> bool:
    if format_.is_integer:
        return least_bits <= format_.bits <= most_bits
    return 3 <= format_.bits <= 8 and minifloat_fields(format_) is not None
