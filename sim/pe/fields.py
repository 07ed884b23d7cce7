"""Codes split into sign, significand and exponent, and the product of two such: ``(-1)**sign * significand * 2**exponent``."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.formats import Format
from sim.formats.families import minifloat


@dataclass(frozen=True)
class Fields:
    """Where a code has its sign, exponent and mantissa; an integer is one without an exponent.

    ``lsb`` is the exponent of a subnormal's last bit, for integers 0.
    """

    bits: int
    exponent_bits: int
    signed: bool
    lsb: int

    @property
    def significand_bits(self) -> int:
        """Width [bit] of a magnitude: with the hidden one, or of an integer: -2**(bits-1) needs all of them."""
        return self.bits - self.exponent_bits if self.exponent_bits else self.bits

    @property
    def largest_significand(self) -> int:
        """The greatest magnitude of a significand."""
        return 1 << (self.bits - 1) if self.signed and not self.exponent_bits else (1 << self.significand_bits) - 1

    def split(self, codes: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Whether a code is negative, its significand, and the exponent of the significand's last bit."""
        negative = (codes >> (self.bits - 1) & 1 == 1) & self.signed
        if not self.exponent_bits:
            mask = (1 << self.bits) - 1
            return negative, np.where(negative, (~codes & mask) + 1, codes), np.zeros_like(codes)
        mantissa_bits = self.bits - 1 - self.exponent_bits
        mantissa = codes & ((1 << mantissa_bits) - 1)
        field = (codes >> mantissa_bits) & ((1 << self.exponent_bits) - 1)
        significand = np.where(field != 0, mantissa | 1 << mantissa_bits, mantissa)
        return negative, significand, np.maximum(field, 1) - 1 + self.lsb


@lru_cache(maxsize=256)
def integer_fields(format_: Format) -> Fields | None:
    """The fields of plain binary or two's complement numbers; ``None`` for other formats."""
    return Fields(format_.bits, 0, format_.signed, 0) if format_.is_integer else None


@lru_cache(maxsize=256)
def minifloat_fields(format_: Format) -> Fields | None:
    """The fields of a format whose numbers are those of a minifloat, codes it reserves aside; ``None`` for other formats."""
    for exponent_bits in range(1, min(8, format_.bits - 1) + 1):
        mantissa_bits = format_.bits - 1 - exponent_bits
        if mantissa_bits > 10 or format_.lsb != 2 - (1 << (exponent_bits - 1)) - mantissa_bits:
            continue
        plain = minifloat(exponent_bits, mantissa_bits)
        if all(value is None or value == other for value, other in zip(format_.values, plain.values, strict=True)):
            return Fields(format_.bits, exponent_bits, True, format_.lsb)
    return None


def fields_product(
    weight: Fields, activation: Fields, weights: NDArray[np.int64], activations: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Signed significands and exponents of products: signs differ or not, significands shifted and added, exponents added."""
    weight_negative, weight_significand, weight_exponent = weight.split(weights)
    negative, significand, exponent = activation.split(activations)
    total = np.zeros(np.broadcast_shapes(weights.shape, activations.shape), dtype=np.int64)
    for bit in range(weight.significand_bits):
        total += np.where(weight_significand >> bit & 1 == 1, significand << bit, 0)
    return np.where(weight_negative ^ negative, -total, total), weight_exponent + exponent


def row_adders(rows: int, row_bits: int) -> tuple[int, ...]:
    """Widths [bit] of the adders of ``rows`` shifted rows: rows added in pairs, then pairs in pairs, up to the product.

    A sum of rows has a bit more for each of them.
    """
    widths: list[int] = []
    remaining = [1] * rows
    while len(remaining) > 1:
        pairs = [low + high for low, high in zip(remaining[::2], remaining[1::2], strict=False)]
        widths += [row_bits + pair for pair in pairs]
        remaining = pairs + remaining[len(pairs) * 2 :]
    return tuple(widths)


def fields_adders(weight: Fields, activation: Fields) -> tuple[int, ...]:
    """Widths [bit] of the adders of :func:`fields_product`: magnitudes of integers, significands' rows, exponents."""
    negations = tuple(f.bits for f in (weight, activation) if f.signed and not f.exponent_bits)
    rows = row_adders(weight.significand_bits, activation.significand_bits)
    both = weight.exponent_bits and activation.exponent_bits
    return (*negations, *rows, *((max(weight.exponent_bits, activation.exponent_bits) + 1,) if both else ()))
