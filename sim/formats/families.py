"""Families of formats, each a function from its parameters to a table."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

from sim.errors import InputError, choose
from sim.formats.format import SIGNIFICAND_BITS, Format

Special = Literal["none", "fn", "ieee"]
SPECIALS: dict[str, Special] = {"none": "none", "fn": "fn", "ieee": "ieee"}
"""Codes that a minifloat gives up: none; all ones for NaN (OCP's E4M3); the largest exponent for infinity and NaN."""


def _require(what: str, value: int, smallest: int, largest: int) -> None:
    if not smallest <= value <= largest:
        raise InputError(f"{what} is between {smallest} and {largest}, not {value}")


def unsigned(bits: int) -> Format:
    """Plain binary numbers of ``bits`` bits, ``uint<bits>``."""
    _require("width of an unsigned integer format", bits, 1, 16)
    return Format(f"uint{bits}", tuple(range(1 << bits)))


def signed(bits: int) -> Format:
    """Two's complement numbers of ``bits`` bits, ``int<bits>``."""
    _require("width of a signed integer format", bits, 2, 16)
    half = 1 << (bits - 1)
    return Format(f"int{bits}", (*range(half), *range(-half, 0)))


def bipolar(planes: int) -> Format:
    """Planes of +1 and -1: ``sum_i (bit i ? +1 : -1) * 2**i``, the odd integers; one plane is the sign."""
    _require("number of +-1 planes", planes, 1, 8)
    return Format(f"bipolar{planes}", tuple(2 * code - ((1 << planes) - 1) for code in range(1 << planes)))


def _with_sign(name: str, magnitudes: Sequence[int], lsb: int) -> Format:
    """Sign and magnitude, magnitude 0 first: the upper half of the codes is negative and begins with negative zero."""
    values = (*magnitudes, *(-m for m in magnitudes))
    return Format(name, values, lsb, ((len(magnitudes), -0.0),))


def minifloat(exponent_bits: int, mantissa_bits: int, special: Special = "none", name: str = "") -> Format:
    """Sign, exponent, mantissa; bias ``2**(e-1) - 1``, subnormals, every code finite unless ``special`` says otherwise.

    IEEE 754-2019 clause 3.4 for ``"ieee"``; the OCP 8-bit floating point specification (2023) for its two types.
    """
    _require("number of exponent bits", exponent_bits, 1, 8)
    _require("number of mantissa bits", mantissa_bits, 0, 10)
    choose("special codes of a minifloat", special, SPECIALS)
    hidden, top = 1 << mantissa_bits, (1 << exponent_bits) - 1
    normals = [significand << shift for shift in range(top) for significand in range(hidden, 2 * hidden)]
    magnitudes: list[int | None] = [*range(hidden), *normals]
    reserved: dict[int, float] = {}
    if special == "fn":
        reserved = {len(magnitudes) - 1: float("nan")}
    elif special == "ieee":
        infinity, quiet = top << mantissa_bits, hidden >> 1  # the quiet NaN comes first (IEEE 754-2019, 6.2.1)
        nans = sorted(range(1, hidden), key=lambda mantissa: mantissa != quiet)
        reserved = {infinity: float("inf")} | {infinity + mantissa: float("nan") for mantissa in nans}
    for code in reserved:
        magnitudes[code] = None
    half = len(magnitudes)
    negative = {half: -0.0} | {half + code: -number for code, number in reserved.items()}
    bias = (1 << (exponent_bits - 1)) - 1
    return Format(
        name or f"e{exponent_bits}m{mantissa_bits}",
        (*magnitudes, *(None if m is None else -m for m in magnitudes)),
        1 - bias - mantissa_bits,
        tuple((reserved | negative).items()),
    )


def exponent_only(bits: int = 8) -> Format:
    """A power of two without sign, bias ``2**(bits-1) - 1``, all ones NaN: OCP's E8M0, the scale of MX blocks."""
    _require("width of an exponent", bits, 2, 8)
    last = (1 << bits) - 1
    return Format(f"e{bits}m0", (*(1 << e for e in range(last)), None), 1 - (1 << (bits - 1)), ((last, float("nan")),))


def power_of_two(bits: int) -> Format:
    """Sign, and an exponent field ``f``: zero for 0, else ``2**(f-1)``."""
    _require("width of a power-of-two format", bits, 2, 6)
    return _with_sign(f"pot{bits}", [0, *(1 << e for e in range((1 << (bits - 1)) - 1))], 0)


def two_powers(bits: int) -> Format:
    """Sign, and two fields of equal width, high field first, each zero or a power of two; the number is their sum.

    Field ``i`` of width ``w`` counts ``2**-(i + 2*(f - 1))`` for ``f > 0`` (APoT, Li et al., ICLR 2020, equation 5).
    """
    if bits not in (3, 5, 7):
        raise InputError(f"width of a sum of two powers is 3, 5 or 7, not {bits}")
    width = (bits - 1) // 2
    top = 2 * ((1 << width) - 2) + 1

    def term(index: int, field: int) -> int:
        return 0 if field == 0 else 1 << (top - index - 2 * (field - 1))

    fields = range(1 << width)
    return _with_sign(f"apot{bits}", [term(0, high) + term(1, low) for high in fields for low in fields], -top)


def logarithmic(name: str, bits: int, base: float, fraction_bits: int) -> Format:
    """Sign, and a field ``f``: zero for 0, else ``base**(f-1)`` rounded to ``fraction_bits`` binary places (ties to even).

    Zero costs a code of the ``2**(bits-1)``. Raises ``InputError`` for a base not above 1, or so near it that levels coincide.
    """
    _require("width of a logarithmic format", bits, 2, 8)
    _require("number of binary places", fraction_bits, 0, SIGNIFICAND_BITS)
    if not 1 < base < float("inf"):
        raise InputError(f"base of a logarithmic format is a finite number above 1, not {base}")
    exact = Fraction(base)
    levels = [round(exact**e * 2**fraction_bits) for e in range((1 << (bits - 1)) - 1)]
    if len(set(levels)) < len(levels):
        raise InputError(f"levels of base {base} differ only with more binary places, not with {fraction_bits}")
    return _with_sign(name, [0, *levels], -fraction_bits)


def codebook(name: str, numbers: Sequence[float], fraction_bits: int | None = None) -> Format:
    """Given numbers in the order of their codes, exactly, or rounded to ``fraction_bits`` binary places (ties to even).

    Raises ``InputError`` for a number that is not finite or a spread that no table holds.
    """
    for number in numbers:
        if not abs(number) < float("inf"):
            raise InputError(f"numbers of a codebook are finite, not {number}")
    exact = [Fraction(number) for number in numbers]
    places = max((f.denominator for f in exact), default=1).bit_length() - 1 if fraction_bits is None else fraction_bits
    return Format(name, tuple(round(f * Fraction(2) ** places) for f in exact), -places)
