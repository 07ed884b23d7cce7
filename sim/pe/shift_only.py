"""The PE for weights that are powers of two, or sums of two of them: shifts, at most one addition, no multiplier."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.pe.element import Element


@dataclass(frozen=True)
class ShiftOnly(Element):
    """Weight of at most 8 bits, zero or +- a sum of at most two powers of two, times integer activation of 2 to 16 bits.

        product = sign of w * ((a << first) + (a << second)),   each term absent where w has no such power

    A table of the weight's codes, as wide as a code, tells sign, distances and presence: any code will do, ``pot``, ``apot``,
    minifloats of at most one mantissa bit. The sign selects addition or subtraction in the sum.

    Latency: by default 2 cycles (product register, sum register). Throughput: one MAC a cycle. Why: one or two shifts are the
    cheapest product that is not a constant (DeepShift, Elhoushi et al., CVPRW 2021; APoT, Li et al., ICLR 2020).
    """

    kind: ClassVar[str] = "shift_only"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap", "saturate")

    def check_formats(self) -> None:
        values = self.weight.values
        if self.weight.bits > 8 or any(value is not None and value.bit_count() > 2 for value in values):
            raise InputError(
                f"a shift_only PE takes weights of at most 8 bits that are sums of at most two powers, not {self.weight.name}"
            )
        if not (self.activation.is_integer and self.activation.bits >= 2):
            raise InputError(f"a shift_only PE takes integer activations of 2 to 16 bits, not {self.activation.name}")
        if self.product_bits > 63:
            raise InputError(f"a shift_only PE forms products of at most 63 bits, not {self.product_bits}")

    @cached_property
    def _distances(self) -> tuple[NDArray[np.int64], ...]:
        """For each code the places of the magnitude's powers, highest first; -1 where there is none."""
        table = np.full((2, len(self.weight.values)), -1, dtype=np.int64)
        for code, value in enumerate(self.weight.values):
            magnitude = abs(value or 0)
            places = [place for place in range(magnitude.bit_length()) if magnitude >> place & 1]
            for term, place in enumerate(reversed(places)):
                table[term, code] = place
        return tuple(table)

    @cached_property
    def _negative(self) -> NDArray[np.bool_]:
        return np.array([value is not None and value < 0 for value in self.weight.values])

    @property
    def powers(self) -> int:
        """Powers of two in a weight, at most."""
        return sum(bool((places >= 0).any()) for places in self._distances)

    def multiply(
        self, weights: NDArray[np.int64], activations: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        number = self.activation.decode(activations).astype(np.int64)
        total = np.zeros(np.broadcast_shapes(weights.shape, activations.shape), dtype=np.int64)
        for places in self._distances[: self.powers]:
            place = places[weights]
            total += np.where(place >= 0, number << np.maximum(place, 0), 0)
        signed = np.where(self._negative[weights], -total, total)
        return signed, np.full(1, self.product_lsb)

    def product_adders(self) -> tuple[int, ...]:
        return (self.product_bits,) * (self.powers - 1)

    def product_counts(self) -> Mapping[str, Fraction]:
        return {"add": Fraction(self.powers - 1), "shift": Fraction(self.powers)}
