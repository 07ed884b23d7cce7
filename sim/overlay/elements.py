"""What multiplies in an overlay's engine, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from sim.formats import Format
from sim.overlay.dequantizer import EXPANDED, HALVES

CHAINS = (1, 2, 4, 8, 16)
"""Groups of two multipliers in a vector unit: powers of two, so that a block's columns fill whole cycles."""

TREES = (16, 32, 64, 128, 256, 512)
"""The same where a column has a tree of its own: of 2 to 64 products, a power of two."""


@dataclass(frozen=True)
class Element:
    """``dsps`` slices for each multiplier, weights of these ``formats``, in chains of so many groups.

    Operands are ``quantized``, integers with scales, or fp16 numbers.
    """

    dsps: int
    formats: Mapping[str, Format]
    chains: tuple[int, ...] = CHAINS
    quantized: bool = True


ELEMENTS: dict[str, Element] = {
    "dsp": Element(1, EXPANDED),
    "shift_add": Element(0, EXPANDED),
    "fp16_tree": Element(3, HALVES, TREES, quantized=False),
}
"""A DSP48E2 with two products of int8 packed into one; two products of shifts and additions in LUTs; or one product of fp16
numbers and its share of a tree of adders, in a slice and two (DFX, as :mod:`sim.overlay.tree` cites it)."""
