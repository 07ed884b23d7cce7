"""The shift-and-add PE: one addition for each weight bit instead of a multiplier.

    product = sum over weight bits b of (bit b of w ? a << b : 0),  the top bit subtracted where w is signed

The product is registered, then added to the group's sum (method: MixPE, arXiv 2411.16158).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import Format, signed_bits


@dataclass(frozen=True)
class ShiftAdd:
    """Integer weight of 1 to 8 bits times integer activation of 2 to 16 bits, exact.

    ``latency`` [cycle]: from operands at the inputs to the sum that contains them (product register, sum
    register). Throughput: one MAC a cycle.
    """

    weight: Format
    activation: Format
    latency: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not (self.weight.is_integer and 1 <= self.weight.bits <= 8):
            raise InputError(f"a shift_add PE takes integer weights of 1 to 8 bits, not {self.weight.name}")
        if not (self.activation.is_integer and 2 <= self.activation.bits <= 16):
            raise InputError(f"a shift_add PE takes integer activations of 2 to 16 bits, not {self.activation.name}")

    def sum_bits(self, terms: int) -> int:
        """Width [bit] of the narrowest two's complement number that holds every sum of ``terms`` products."""
        corners = [
            w * a
            for w in (self.weight.smallest, self.weight.largest)
            for a in (self.activation.smallest, self.activation.largest)
        ]
        return signed_bits(terms * min(corners), terms * max(corners))

    def adder_widths(self, terms: int) -> tuple[int, ...]:
        """Widths [bit] of one MAC's adders: rows added in pairs, the pairs added, then the sum of ``terms`` products."""
        widths = []
        rows = [self.activation.bits] * self.weight.bits
        shift = 1
        while len(rows) > 1:
            pairs = [min(high + shift + 1, self.sum_bits(1)) for high in rows[1::2]]
            widths += pairs
            rows = pairs + rows[len(pairs) * 2 :]
            shift *= 2
        return (*widths, self.sum_bits(terms))

    def product(self, weights: NDArray[np.integer], activations: NDArray[np.integer]) -> NDArray[np.int64]:
        """Exact products of weight codes and activation codes, shapes broadcast."""
        number = self.activation.decode(activations).astype(np.int64)
        codes = weights.astype(np.int64)
        total = np.zeros(np.broadcast_shapes(weights.shape, activations.shape), dtype=np.int64)
        for bit in range(self.weight.bits):
            row = np.where((codes >> bit) & 1, number << bit, 0)
            negative = self.weight.signed and bit == self.weight.bits - 1
            total += -row if negative else row
        return total

    def group_sums(self, activations: NDArray[np.integer], weights: NDArray[np.integer], group_size: int) -> NDArray[np.int64]:
        """Sums ``[ceil(k/group_size), m, n]`` of each group, from codes ``activations[m, k]`` and ``weights[k, n]``."""
        m, k = activations.shape
        sums = np.zeros((-(-k // group_size), m, weights.shape[1]), dtype=np.int64)
        for i in range(k):
            sums[i // group_size] += self.product(weights[i][None, :], activations[:, i][:, None])
        return sums
