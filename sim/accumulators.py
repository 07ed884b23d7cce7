"""Accumulators: what is kept of a sum after each addition. The order of ``k`` is part of every definition.

exact           acc += p                                    integers of ``2**lsb``; wide enough, a derived width
wrap<bits>      acc  = (acc + p) modulo 2**bits             two's complement
saturate<bits>  acc  = clip(acc + p)                        to the ends of two's complement, after every addition
fp32 fp16 bf16  acc  = round(acc + p), acc = +0 before      nearest even, once, of the exact sum; subnormals kept,
                                                            infinity beyond the largest number; a zero sum is +0
aligned<guard>  acc += floor(s * 2**(e - emax + guard))     for p = s * 2**e and emax the largest e of the group's
                value = acc * 2**(emax - guard)             products that are not zero; truncated toward -infinity
"""

from collections.abc import Callable
from dataclasses import dataclass
from string import digits
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, demand

LARGEST_BITS = 128
"""[bit] Widest accumulator: the fixed-point sum of fp16 products needs 81 and more, that of bf16 products over 500."""

LARGEST_GUARD = 24
"""[bit] An fp32 adder keeps no more below a product of fp16 or minifloat significands, which has at most 23 bits."""

INT64_BITS = 63
"""[bit] Two's complement integers of so many bits can be added once more in 64 bits."""

FLOATS: dict[str, tuple[int, int]] = {"fp32": (24, 127), "fp16": (11, 15), "bf16": (8, 127)}
"""Significand bits with the hidden one and the largest exponent: IEEE 754-2019, table 3.5; bf16 is the upper half of fp32."""


@dataclass(frozen=True, eq=False)
class Products:
    """Products of one group ``[k, ...]``: ``significands * 2**exponents``, shapes broadcast, in the order of ``k``.

    Every product is a multiple of ``2**lsb``, and in that unit an integer of at most ``bits`` bits.
    """

    significands: NDArray[np.int64]
    exponents: NDArray[np.int64]
    lsb: int
    bits: int

    def integers(self, bits: int) -> NDArray[Any]:
        """The products in units of ``2**lsb``, in an array whose elements hold integers of ``bits`` bits."""
        return shifted(self.significands, self.exponents - self.lsb, bits)


def shifted(significands: NDArray[Any], distance: NDArray[np.int64], bits: int) -> NDArray[Any]:
    """``significands * 2**distance``, integers of at most ``bits`` bits: 64-bit ones, or Python's where those are too narrow.

    A negative distance shifts to the right, toward minus infinity.
    """
    left, right = np.maximum(distance, 0), np.minimum(np.maximum(-distance, 0), INT64_BITS)
    if bits > INT64_BITS:
        numbers: NDArray[Any] = (significands.astype(object) << left.astype(object)) >> right.astype(object)
    else:
        numbers = (significands << left) >> right
    return numbers


def _exact(products: Products, _: int) -> NDArray[Any]:
    terms = len(products.significands)
    total: NDArray[Any] = products.integers(products.bits + terms.bit_length()).sum(axis=0)
    return total


def _wrap(products: Products, bits: int) -> NDArray[Any]:
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    integers = products.integers(bits + 1)
    total: NDArray[Any] = np.zeros_like(integers[0])
    for product in integers:
        total = ((total + product + half) & mask) - half
    return total


def _saturate(products: Products, bits: int) -> NDArray[Any]:
    half = 1 << (bits - 1)
    integers = products.integers(bits)
    total: NDArray[Any] = np.zeros_like(integers[0])
    for product in integers:
        total = np.minimum(np.maximum(total + product, -half), half - 1)
    return total


def _floating(name: str) -> Callable[[Products, int], NDArray[Any]]:
    significand_bits, largest_exponent = FLOATS[name]

    def chain(products: Products, _: int) -> NDArray[Any]:
        exact = np.ldexp(products.significands.astype(np.float64), products.exponents)
        total = np.zeros(exact.shape[1:])
        for product in exact:
            total = round_float(add_to_odd(total, product), significand_bits, largest_exponent)
        return total.astype(np.float32)

    return chain


def add_to_odd(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``a + b`` in float64: where it is not exact, the neighbour of the sum with an odd significand.

    Such a sum, rounded to nearest in at most 51 bits, is the exact sum rounded once (S. Boldo, G. Melquiond, Emulation
    of a FMA and correctly rounded sums: proved algorithms using rounding to odd, IEEE Transactions on Computers 57(4),
    2008). The error of the sum is Knuth's TwoSum, exact unless something overflows; an infinity is returned as it is.
    """
    total = a + b
    with np.errstate(invalid="ignore"):
        part = total - a
        error = (a - (total - part)) + (b - part)
    even = (total.view(np.int64) & 1) == 0
    inexact = np.isfinite(total) & (error != 0) & even
    odd: NDArray[np.float64] = np.where(inexact, np.nextafter(total, np.copysign(np.inf, error)), total)
    return odd


def round_float(numbers: NDArray[np.float64], significand_bits: int, largest_exponent: int) -> NDArray[np.float64]:
    """Float64 numbers rounded to nearest even in a narrower binary float; zero is +0."""
    _, exponent = np.frexp(numbers)
    step = np.maximum(exponent, 2 - largest_exponent) - significand_bits
    rounded = np.ldexp(np.rint(np.ldexp(numbers, -step)), step)
    beyond = np.abs(rounded) >= 2.0 ** (largest_exponent + 1)
    result: NDArray[np.float64] = np.where(beyond, np.copysign(np.inf, rounded), rounded) + 0.0
    return result


def aligned_parts(products: Products, guard: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """What an ``aligned`` accumulator holds ``[...]``: an integer and the group's exponent, that of ``lsb`` for zeros alone.

    The value is ``integer * 2**(exponent - guard)``.
    """
    exponents = np.broadcast_to(products.exponents, products.significands.shape)
    lowest = np.int64(-(2**31))
    largest = np.where(products.significands != 0, exponents, lowest).max(axis=0)
    largest = np.where(largest == lowest, products.lsb, largest)
    distance = exponents - largest + guard
    terms_bits = len(products.significands).bit_length()
    significand_bits = int(np.abs(products.significands).max()).bit_length() + 1
    total = shifted(products.significands, distance, significand_bits + guard + terms_bits).sum(axis=0)
    return total, largest


def _aligned(products: Products, guard: int) -> NDArray[Any]:
    total, largest = aligned_parts(products, guard)
    terms_bits = len(products.significands).bit_length()
    # Truncation may enlarge the magnitude of a negative product, at most to its double.
    return shifted(total, largest - guard - products.lsb, products.bits + 1 + terms_bits)


@dataclass(frozen=True)
class Family:
    """A kind of accumulator: its chain of additions, and the range of the number that follows its name, if one does."""

    chain: Callable[[Products, int], NDArray[Any]]
    meaning: str
    numbers: tuple[int, int] | None = None


ACCUMULATORS: dict[str, Family] = {
    "exact": Family(_exact, "as wide as the sum needs"),
    "wrap": Family(_wrap, "two's complement of so many bits", (2, LARGEST_BITS)),
    "saturate": Family(_saturate, "limited to so many bits after every addition", (2, LARGEST_BITS)),
    "fp32": Family(_floating("fp32"), "rounded to fp32 after every addition"),
    "fp16": Family(_floating("fp16"), "rounded to fp16 after every addition"),
    "bf16": Family(_floating("bf16"), "rounded to bf16 after every addition"),
    "aligned": Family(_aligned, "aligned to the group's largest exponent, so many guard bits kept", (0, LARGEST_GUARD)),
}


@dataclass(frozen=True)
class Accumulator:
    """An accumulator: its family, and the number after the name: bits of ``wrap`` and ``saturate``, guard of ``aligned``."""

    family: str
    number: int = 0

    @property
    def is_float(self) -> bool:
        return self.family in FLOATS

    @property
    def is_bounded(self) -> bool:
        """Whether its width is given rather than derived from what it adds up."""
        return self.family in ("wrap", "saturate")

    def sum(self, products: Products) -> NDArray[Any]:
        """The sums ``[...]`` of products ``[k, ...]``.

        Integers in units of ``2**lsb`` (int64, or Python's where more than 64 bits may be needed); numbers of a float
        accumulator as float32, of which fp16 and bf16 are subsets.
        """
        return ACCUMULATORS[self.family].chain(products, self.number)


def accumulator(text: str) -> Accumulator:
    """The accumulator of that name. Raises ``InputError`` for one that there is not."""
    demand("accumulator", text, str)
    family = text if text in ACCUMULATORS else text.rstrip(digits)
    known = ACCUMULATORS.get(family)
    number = text.removeprefix(family)
    if known is None or (known.numbers is None and number):
        raise InputError(f"accumulators are {', '.join(map(describe, ACCUMULATORS))}, not {text!r}")
    if known.numbers is None:
        return Accumulator(family)
    smallest, largest = known.numbers
    if (
        not number
        or number != number.lstrip("0").zfill(1)
        or len(number) > len(str(LARGEST_BITS))
        or not smallest <= int(number) <= largest
    ):
        raise InputError(f"the number of a {family} accumulator is between {smallest} and {largest}, not {text!r}")
    return Accumulator(family, int(number))


def describe(family: str) -> str:
    """The name of a family, with the numbers that may follow it."""
    numbers = ACCUMULATORS[family].numbers
    return family if numbers is None else f"{family}<{numbers[0]}..{numbers[1]}>"
