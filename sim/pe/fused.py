"""The fused PE: a grid of 2x2-bit bricks that is one wide product or several narrow ones."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import Format
from sim.pe.element import Element

WIDEST, BRICK_BITS = 8, 2
"""[bit] Operands that fill the grid, and those of a brick."""


@dataclass(frozen=True)
class Fused(Element):
    """Integers of 1 to 8 bits on a grid of 4 x 4 bricks, each of which multiplies two bits by two.

        product = sum over bricks i, j of (digit i of w * digit j of a) << 2*(i + j),   digits of two bits, the top one signed

    Operands are rounded up to 2, 4 or 8 bits. Narrow ones leave room for more beside them: of 8 / width activations
    each meets each of 8 / width weights, 16 products of 2 x 2 bits or 4 of 4 x 4 at once, every one with a sum of its own.
    (In Bit Fusion, Sharma et al., ISCA 2018, the products of a grid are added to one sum; here they belong to neighbouring
    rows and columns of results, which is how MixPE's study counts, arXiv 2411.16158.)

    Latency: by default 2 cycles (product register, sum register). Throughput: (8 / width of a) * (8 / width of w) MACs a cycle.
    Why: one array for layers of different widths, each at the rate of its width.
    """

    kind: ClassVar[str] = "fused"
    accumulators: ClassVar[tuple[str, ...]] = ("exact", "wrap", "saturate")
    follows_width: ClassVar[bool] = True

    def check_formats(self) -> None:
        for role, format_ in (("weights", self.weight), ("activations", self.activation)):
            if not (format_.is_integer and format_.bits <= WIDEST):
                raise InputError(f"a fused PE takes integer {role} of 1 to {WIDEST} bits, not {format_.name}")

    @property
    def lanes(self) -> tuple[int, int]:
        return WIDEST // _width(self.activation), WIDEST // _width(self.weight)

    def multiply(
        self, weights: NDArray[np.int64], activations: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        total = np.zeros(np.broadcast_shapes(weights.shape, activations.shape), dtype=np.int64)
        for i, w in enumerate(_digits(self.weight, weights)):
            for j, a in enumerate(_digits(self.activation, activations)):
                total += (w * a) << BRICK_BITS * (i + j)
        return total, np.zeros(1, dtype=np.int64)

    def product_adders(self) -> tuple[int, ...]:
        """Each brick adds two rows; its product of 4 bits is then added to the others'."""
        bricks = _brick_count(self.weight) * _brick_count(self.activation)
        return (2 * BRICK_BITS,) * bricks + (self.product_bits,) * (bricks - 1)


def _brick_count(format_: Format) -> int:
    """Digits of an operand."""
    return -(-format_.bits // BRICK_BITS)


def _width(format_: Format) -> int:
    """Width [bit] that an operand takes on the grid: the next power of two of bricks."""
    return BRICK_BITS << (_brick_count(format_) - 1).bit_length()


def _digits(format_: Format, codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Digits of two bits, the lowest first: all but a signed number's top one without sign."""
    numbers = format_.decode(codes).astype(np.int64)
    count = _brick_count(format_)
    low = [numbers >> BRICK_BITS * place & (1 << BRICK_BITS) - 1 for place in range(count - 1)]
    return [*low, numbers >> BRICK_BITS * (count - 1)]
