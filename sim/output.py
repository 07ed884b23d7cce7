"""How results leave the accelerator: as fp32, rounded once to fp16, as fixed point, or as the next layer's codes.

    fp32                      y
    fp16                      y rounded to nearest even, subnormals kept, infinity beyond the largest number
    fixed<bits>.<fraction>    clip(round(y * 2**fraction))      two's complement of that many bits, nearest even
    requantized               the code of the number nearest to clip(y / scale), ties to the even one

``y`` is the epilogue's fp32 result (:mod:`sim.epilogue`). Infinities, which only a float accumulator brings about,
saturate where there is none to become; NaN, the difference of two of them, is refused there.

The quotient is the exact one: it is formed in float64, whose rounding cannot move it onto or across a tie. Let ``y`` and
``scale`` have significands of 24 bits and the tie ``t`` one of 17 (an integer of 16 bits and a half; minifloats have
fewer). If ``y`` is not ``t * scale``, both are multiples of the smaller of their last places, so they differ by more
than one part in 2**41, and the quotient from ``t`` by as much; float64 errs by one part in 2**53.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError
from sim.formats import Format, encode

LARGEST_FIXED_BITS = 32
ROUNDING_CYCLES = 2
"""[cycle] Hardware shifts a number to the format's last place, then rounds and saturates it."""


@dataclass(frozen=True)
class OutputFormat:
    """What a result is written as: ``kind`` is ``fp32``, ``fp16`` or ``fixed``; ``bits`` is its width [bit]."""

    kind: str
    bits: int
    fraction_bits: int = 0

    @property
    def name(self) -> str:
        """What :func:`output_format` makes it from."""
        return f"fixed{self.bits}.{self.fraction_bits}" if self.kind == "fixed" else self.kind

    @property
    def latency(self) -> int:
        """Cycles from a result to what it is written as."""
        return 0 if self.kind == "fp32" else ROUNDING_CYCLES

    def convert(self, results: NDArray[np.float32]) -> NDArray[Any]:
        """Results of any shape as float32, float16, or int64 integers of ``2**-fraction_bits``.

        Raises ``InputError`` for NaN where the format is fixed point.
        """
        if self.kind == "fp32":
            return results
        if self.kind == "fp16":
            with np.errstate(over="ignore"):
                return results.astype(np.float16)
        _refuse_nan(results)
        half = 2.0 ** (self.bits - 1)
        scaled = np.rint(np.ldexp(results.astype(np.float64), self.fraction_bits))
        return np.clip(scaled, -half, half - 1).astype(np.int64)


def output_format(text: str) -> OutputFormat:
    """The output format of that name. Raises ``InputError`` for one that there is not."""
    if text in ("fp32", "fp16"):
        return OutputFormat(text, int(text.removeprefix("fp")))
    match = re.fullmatch(r"fixed([0-9]{1,2})\.([0-9]{1,2})", text)
    if not match or not 2 <= int(match[1]) <= LARGEST_FIXED_BITS or int(match[2]) > LARGEST_FIXED_BITS:
        kinds = f"fp32, fp16, fixed<bits>.<fraction> with 2 to {LARGEST_FIXED_BITS} bits and a fraction of at most as many"
        raise InputError(f"output formats are {kinds}, not {text!r}")
    return OutputFormat("fixed", int(match[1]), int(match[2]))


def requantize(results: NDArray[np.float32], format_: Format, scale: ArrayLike) -> NDArray[np.uint16]:
    """Codes of the next layer's operands: the numbers of ``format_`` nearest to ``results / scale``, saturated.

    ``scale``: positive fp16 or fp32 numbers, shapes broadcast. Raises ``InputError`` for another scale and for NaN.
    """
    divisor = np.asarray(scale, dtype=np.float32).astype(np.float64)
    wrong = ~((divisor > 0) & (divisor < np.inf))
    if wrong.any():
        raise InputError(f"scales of requantization are positive finite numbers, not {divisor[wrong].flat[0]}")
    _refuse_nan(results)
    smallest, largest = (float(end) * 2.0**format_.lsb for end in (format_.smallest, format_.largest))
    return encode(format_, np.clip(results.astype(np.float64) / divisor, smallest, largest))


def quotient_bits(format_: Format) -> int:
    """Width [bit] of the quotient that hardware rounds to a code: of significands, between 1/2 and 2.

    So it has the code's significand, the bit below that, and one more as its first may be 0; the remainder tells the rest.
    """
    return format_.significand_bits + 2


def requantizer_latency(format_: Format) -> int:
    """Cycles from a result to its code: taken apart, a cycle for each bit of the quotient, its remainder, rounding."""
    return 1 + quotient_bits(format_) + 1 + ROUNDING_CYCLES


def _refuse_nan(results: NDArray[np.float32]) -> None:
    if np.isnan(results).any():
        raise InputError("results that become integers or codes are numbers, not nan")
