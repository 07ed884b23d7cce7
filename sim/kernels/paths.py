"""Which kernel computes a product: a function of the formats, the accumulator and the length of a group alone.

A sum that provably never overflows and never rounds is the same number by any exact means, in any order. With
``bound = terms * max|a| * max|w|``, in units of the products' least bit, no partial sum exceeds it, whatever the order:

    integer      integers of 16 bits: sums of their products are exact in 32 bits up to 2**31 - 1
    float        partial sums are integers up to 2**53, which are float64 numbers (up to 2**24: float32 numbers)
    limbs        operands are cut into limbs whose sums float64 holds, and those are put together exactly
    saturating   added step by step, but for outputs that provably stay within the limits
    ordered      added step by step, each sum rounded
    aligned      added after a first pass that finds the largest exponent
    definition   the accumulator's own definition (:mod:`sim.accumulators`), slow, for what no other path takes

A wrapping accumulator is the exact sum, wrapped, as two's complement addition is associative. An accumulator of given
width whose limits exceed ``bound`` is the exact sum; so is a float one of significand ``p`` where ``bound <= 2**p``, the
products' least bit is one of its numbers and ``bound`` is not beyond its largest.
"""

from dataclasses import dataclass

from sim.accumulators import FLOATS, LARGEST_BITS, Accumulator
from sim.errors import InputError
from sim.formats import Format, signed_bits

LARGEST_INT32 = (1 << 31) - 1
LARGEST_FLOAT64 = 1 << 53
"""Integers up to this magnitude are float64 numbers (IEEE 754-2019, table 3.5)."""

INT32_BITS = 32


@dataclass(frozen=True)
class Operand:
    """What one side of a chain multiplies: codes of a format, less zero points up to ``largest_zero``."""

    format: Format
    largest_zero: int = 0

    @property
    def smallest(self) -> int:
        return self.format.smallest - self.largest_zero

    @property
    def magnitude(self) -> int:
        return max(-self.smallest, self.format.largest)

    @property
    def is_short(self) -> bool:
        """Whether every number fits two's complement of 16 bits."""
        return signed_bits(self.smallest, self.format.largest) <= 16


@dataclass(frozen=True)
class Chain:
    """One group's sum: ``terms`` products of two operands' numbers in an accumulator."""

    activation: Operand
    weight: Operand
    accumulator: Accumulator
    terms: int

    @property
    def lsb(self) -> int:
        """Products are integers in units of ``2**lsb``."""
        return self.activation.format.lsb + self.weight.format.lsb

    @property
    def bound(self) -> int:
        """No partial sum exceeds it in magnitude, in any order."""
        return self.terms * self.activation.magnitude * self.weight.magnitude

    @property
    def product_bits(self) -> int:
        """Width [bit] of two's complement for a product."""
        largest = self.activation.magnitude * self.weight.magnitude
        return signed_bits(-largest, largest)

    @property
    def raw_product_bits(self) -> int:
        """Width [bit] of two's complement for a product of two codes, zero points aside."""
        a, w = self.activation.format, self.weight.format
        corners = [x * y for x in (a.smallest, a.largest) for y in (w.smallest, w.largest)]
        return signed_bits(min(corners), max(corners))

    @property
    def corrected_bits(self) -> int:
        """Width [bit] of a sum of given width less the zero point times the sum of the activations."""
        rows = self.terms * self.activation.magnitude * self.weight.largest_zero
        return max(self.accumulator.number, signed_bits(-rows, rows)) + 1

    @property
    def significand_bits(self) -> int:
        """Width [bit] of a product's significand."""
        return self.activation.format.significand_bits + self.weight.format.significand_bits

    @property
    def is_exact(self) -> bool:
        """Whether the accumulator holds every partial sum as it is."""
        accumulator, bound = self.accumulator, self.bound
        if accumulator.is_bounded:
            return bound < 1 << (accumulator.number - 1)
        if accumulator.is_float:
            significand_bits, largest_exponent = FLOATS[accumulator.family]
            least = 2 - largest_exponent - significand_bits
            within = bound.bit_length() + self.lsb <= largest_exponent
            return bound <= 1 << significand_bits and self.lsb >= least and within
        return accumulator.family == "exact"

    @property
    def path(self) -> str:
        """The name of the kernel. Raises ``InputError`` for an exact sum of more than 128 bits."""
        if self.is_exact:
            if signed_bits(-self.bound, self.bound) > LARGEST_BITS:
                raise InputError(
                    f"exact sums have at most {LARGEST_BITS} bits, not the {signed_bits(-self.bound, self.bound)} "
                    f"of {self.terms} products of {self.activation.format.name} x {self.weight.format.name}"
                )
            return self._gemm or "limbs"
        if self.accumulator.family == "wrap":
            return self._gemm or "definition"
        if self.accumulator.family == "saturate":
            narrow = self.activation.is_short and self.weight.is_short and self.accumulator.number < INT32_BITS
            return "saturating" if narrow else "definition"
        if self.accumulator.is_float:
            widest = max(self.activation.format.significand_bits, self.weight.format.significand_bits)
            return "ordered" if widest <= FLOATS["fp32"][0] else "definition"
        return "aligned"

    @property
    def _gemm(self) -> str | None:
        """The matrix product whose every partial sum is exact, if there is one."""
        if self.activation.is_short and self.weight.is_short and self.bound <= LARGEST_INT32:
            return "integer"
        return "float" if self.bound <= LARGEST_FLOAT64 else None
