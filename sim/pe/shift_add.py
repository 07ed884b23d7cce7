"""The shift-and-add PE: one addition for each weight bit instead of a multiplier."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats.families import bipolar
from sim.pe.element import Element
from sim.pe.fields import row_adders


@dataclass(frozen=True)
class ShiftAdd(Element):
    """Integer weight of 1 to 8 bits, or planes of +-1, times integer activation of 2 to 16 bits.

        product = sum over weight bits b of (bit b of w ? a << b : 0),    the top bit subtracted where w is signed
        product = sum over planes b of      (bit b of w ? a << b : -(a << b))

    Latency: by default 2 cycles (product register, sum register). Throughput: one MAC a cycle. Why: with few weight bits, rows
    of masked activations are all that a multiplier would be, and the widths follow the formats (MixPE, arXiv 2411.16158).
    """

    kind: ClassVar[str] = "shift_add"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap", "saturate")

    def check_formats(self) -> None:
        if not ((self.weight.is_integer or self._planes) and 1 <= self.weight.bits <= 8):
            raise InputError(f"a shift_add PE takes integer or +-1 plane weights of 1 to 8 bits, not {self.weight.name}")
        if not (self.activation.is_integer and 2 <= self.activation.bits <= 16):
            raise InputError(f"a shift_add PE takes integer activations of 2 to 16 bits, not {self.activation.name}")

    @property
    def _planes(self) -> bool:
        return self.weight.bits <= 8 and self.weight.lsb == 0 and self.weight.values == bipolar(self.weight.bits).values

    def multiply(
        self, weights: NDArray[np.int64], activations: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        number = self.activation.decode(activations).astype(np.int64)
        total = np.zeros(np.broadcast_shapes(weights.shape, activations.shape), dtype=np.int64)
        planes = self._planes
        for bit in range(self.weight.bits):
            row = number << bit
            negative = self.weight.signed and not planes and bit == self.weight.bits - 1
            selected = -row if negative else row
            total += np.where(weights >> bit & 1 == 1, selected, -row if planes else 0)
        return total, np.zeros(1, dtype=np.int64)

    def product_adders(self) -> tuple[int, ...]:
        return row_adders(self.weight.bits, self.activation.bits)
