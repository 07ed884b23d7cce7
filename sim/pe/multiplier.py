"""The PE with a multiplier: the baseline that the others are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe.element import Element
from sim.pe.fields import integer_fields

FLOAT_FORMATS = ("fp16", "bf16")


@dataclass(frozen=True)
class Multiplier(Element):
    """Integer times integer of up to 16 bits each, or a fused multiply-add of two fp16 or two bf16 numbers.

        product = w * a                                             integers
        product = (significand of w * significand of a) * 2**(exponent of w + exponent of a)

    A float accumulator makes it the fused multiply-add of IEEE 754-2019, 5.4.1: the exact product is added and the sum
    is rounded once.

    Latency: by default 2 cycles for integers (product register, sum register), 3 for floats (product, its place in the
    sum, sum). Throughput: one MAC a cycle. Why: it is what there is everywhere, and every saving is stated against it.
    """

    kind: ClassVar[str] = "multiplier"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap", "saturate", "fp32", "fp16", "bf16", "aligned")

    def check_formats(self) -> None:
        for role, format_ in (("weights", self.weight), ("activations", self.activation)):
            is_float = format_.name in FLOAT_FORMATS and format_ == FORMATS[format_.name]
            if not (format_.is_integer or is_float):
                raise InputError(f"a multiplier PE takes {role} that are integers, fp16 or bf16, not {format_.name}")
        if not (self.weight.is_integer and self.activation.is_integer) and self.weight != self.activation:
            raise InputError(
                f"a multiplier PE takes two integers or two floats alike, not {self.weight.name} x {self.activation.name}"
            )

    @property
    def has_exponents(self) -> bool:
        return integer_fields(self.weight) is None

    def multiply(
        self, weights: NDArray[np.int64], activations: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not self.has_exponents:
            numbers = self.weight.decode(weights).astype(np.int64), self.activation.decode(activations).astype(np.int64)
            return numbers[0] * numbers[1], np.zeros(1, dtype=np.int64)
        weight, activation = self.fields
        weight_negative, weight_significand, weight_exponent = weight.split(weights)
        negative, significand, exponent = activation.split(activations)
        signed_weight = np.where(weight_negative, -weight_significand, weight_significand)
        return signed_weight * np.where(negative, -significand, significand), weight_exponent + exponent

    def product_adders(self) -> tuple[int, ...]:
        """The rows of an array multiplier, ``weight bits - 1`` adders as wide as the activation, and that of the exponents.

        So that energies of additions estimate a multiplication: 7 additions of 8 bits cost 0.21 pJ in 45 nm, where 0.2 pJ
        are published for 8x8 bits (Horowitz, ISSCC 2014, figure 1.1.9).
        """
        weight, activation = self.fields
        exponents = (weight.exponent_bits + 1,) if self.has_exponents else ()
        return (*(activation.significand_bits,) * (weight.significand_bits - 1), *exponents)

    def product_counts(self) -> Mapping[str, Fraction]:
        return {"multiply": Fraction(1), "add": Fraction(int(self.has_exponents))}
