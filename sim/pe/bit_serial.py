"""The bit-serial PE: one weight bit a cycle, one adder for everything."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.pe.element import Element


@dataclass(frozen=True)
class BitSerial(Element):
    """Integer weight of 1 to 16 bits, a bit a cycle, times integer activation of 2 to 16 bits, on one adder.

        cycle b of a MAC:  sum += (bit b of w ? a << b : 0),   subtracted in the last cycle where w is signed

    The rows are added to the group's sum itself, so a partial product may exceed the accumulator in between; two's
    complement makes that harmless for ``exact`` and ``wrap``, and is why the PE takes no accumulator that looks at every sum.

    Latency: as many cycles as weight bits. Throughput: 1/bits MACs a cycle. Why: the smallest PE, and its speed
    follows the width of each weight (Stripes, Judd et al., MICRO 2016, serialises activations the same way).
    """

    kind: ClassVar[str] = "bit_serial"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap")
    pipelines: ClassVar[tuple[int, ...]] = (1,)
    follows_width: ClassVar[bool] = True

    def check_formats(self) -> None:
        if not self.weight.is_integer:
            raise InputError(f"a bit_serial PE takes integer weights of 1 to 16 bits, not {self.weight.name}")
        if not (self.activation.is_integer and self.activation.bits >= 2):
            raise InputError(f"a bit_serial PE takes integer activations of 2 to 16 bits, not {self.activation.name}")

    @property
    def registers(self) -> tuple[str, ...]:
        """None: rows are added to the sum."""
        return ()

    @property
    def interval(self) -> int:
        return self.weight.bits

    def multiply(
        self, weights: NDArray[np.int64], activations: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The activation moves up one place a cycle, the weight moves down, and its last bit selects."""
        total = np.zeros(np.broadcast_shapes(weights.shape, activations.shape), dtype=np.int64)
        row = self.activation.decode(activations).astype(np.int64)
        remaining = weights
        for cycle in range(self.weight.bits):
            last = cycle == self.weight.bits - 1
            step = np.where(remaining & 1 == 1, row, 0)
            total = total - step if last and self.weight.signed else total + step
            row, remaining = row << 1, remaining >> 1
        return total, np.zeros(1, dtype=np.int64)

    def product_adders(self) -> tuple[int, ...]:
        """None: a product is never formed apart from the sum."""
        return ()

    def product_counts(self) -> Mapping[str, Fraction]:
        """The sum's adder is used once for every weight bit; :meth:`counts` has one of these uses already."""
        return {"add": Fraction(self.weight.bits - 1)}

    def adder_widths(self, terms: int) -> tuple[int, ...]:
        """The one adder, once for every cycle of a MAC."""
        return (self.sum_adder(terms),) * self.weight.bits
