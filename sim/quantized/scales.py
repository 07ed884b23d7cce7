"""Formats of scales: how each is stored, the number that is stored, and how a real number becomes one.

A scale is a positive finite number, so it is rounded to the nearest, ties to even, and limited to the least and the
greatest that the format has; E8M0 alone takes the power of two below, as the OCP Microscaling specification
(v1.0, 2023, section 6.3) has it. The formats of GGUF files have zero and negative scales too. Those of its K-quants are
products of an fp16 number, which several groups share, and an integer of each group: no single number is rounded to them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import FORMATS, Format, encode

FP32_SIGNIFICAND_BITS = 24  # IEEE 754-2019, table 3.5
FP32_FIXED_BITS = 278  # 254 binades of normal numbers, 23 places of the subnormal ones, and a sign

E8M0_BIAS = 127  # OCP Microscaling v1.0, scale formats


@dataclass(frozen=True)
class ScaleFormat:
    """One format of scales: arrays of ``dtype`` hold numbers of numpy's own float types, or codes of ``format``.

    ``full_scale`` is the number that the largest scale of a level becomes where an outer level divides it first;
    ``of_zeros`` is the scale of nothing but zeros, for which any scale would do. ``signed`` scales are any finite numbers.
    With ``steps`` scales are numbers of ``format`` times integers of ``steps``, and ``bits`` has the number's share.
    """

    name: str
    bits: int
    dtype: np.dtype[np.generic]
    full_scale: float
    of_zeros: float
    format: Format | None = None
    signed: bool = False
    steps: Format | None = None

    @property
    def significand_bits(self) -> int:
        """Width [bit] of the widest significand."""
        own = FP32_SIGNIFICAND_BITS if self.format is None else self.format.significand_bits
        return own if self.steps is None else own + self.steps.significand_bits

    @property
    def fixed_bits(self) -> int:
        """Width [bit] of the two's complement fixed-point number that holds every scale."""
        own = FP32_FIXED_BITS if self.format is None else self.format.fixed_bits
        return own if self.steps is None else own + self.steps.fixed_bits - 1

    @property
    def holds_codes(self) -> bool:
        """Whether arrays hold codes rather than numbers."""
        return self.dtype.kind == "u"

    @cached_property
    def range(self) -> tuple[float, float]:
        """The least and the greatest scale."""
        if self.format is None:
            limits = np.finfo(np.float32)
            return float(limits.smallest_subnormal), float(limits.max)
        numbers = self.format.reals[np.isfinite(self.format.reals) & (self.format.reals > 0)]
        return float(numbers.min()), float(numbers.max())

    def to_real(self, stored: NDArray[np.generic]) -> NDArray[np.float32]:
        """The numbers that are stored, exactly; NaN and infinity included."""
        if self.holds_codes:
            assert self.format is not None
            numbers: NDArray[np.float32] = self.format.reals.astype(np.float32)[stored]
            return numbers
        return stored.astype(np.float32)

    def has(self, numbers: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which numbers can be scales: positive and finite, or finite; products of as many bits as ``steps`` allow."""
        possible: NDArray[np.bool_] = np.isfinite(numbers) & (self.signed | (numbers > 0))
        if self.steps is not None:
            assert self.format is not None
            significands, exponents = np.frexp(np.where(possible, numbers, 0))
            lsb = np.maximum(exponents - self.significand_bits, self.format.lsb)
            scaled = np.ldexp(significands.astype(np.float64), exponents - lsb)
            possible &= (scaled == np.rint(scaled)) & (np.abs(scaled) < 2.0 ** (self.fixed_bits - 1))
        return possible

    def round_scale(self, exact: NDArray[np.float64], zero: float) -> NDArray[np.generic]:
        """What is stored for numbers of which none is negative; 0 counts as ``zero``.

        Raises ``InputError`` for a format with ``steps``.
        """
        if self.steps is not None:
            raise InputError(f"scales to round to are single numbers, unlike {self.name}, which files bring along")
        least, greatest = self.range
        limited = np.clip(np.where(exact == 0, zero, exact), least, greatest)
        if self.name == "e8m0":
            exponents: NDArray[np.int32] = np.frexp(limited)[1] - 1
            return (exponents + E8M0_BIAS).astype(self.dtype)
        if not self.holds_codes:
            return limited.astype(self.dtype)
        assert self.format is not None
        return encode(self.format, limited).astype(self.dtype)


LEAST = 0.0
"""For ``of_zeros``: the least scale there is."""

SCALE_FORMATS: dict[str, ScaleFormat] = {
    s.name: s
    for s in (
        ScaleFormat("fp32", 32, np.dtype(np.float32), 1.0, 1.0),
        ScaleFormat("fp16", 16, np.dtype(np.float16), 1.0, 1.0, FORMATS["fp16"]),
        ScaleFormat("bf16", 16, np.dtype(np.uint16), 1.0, 1.0, FORMATS["bf16"]),
        ScaleFormat("e8m0", 8, np.dtype(np.uint8), 1.0, LEAST, FORMATS["e8m0"]),
        ScaleFormat("ocp_e4m3", 8, np.dtype(np.uint8), 448.0, LEAST, FORMATS["ocp_e4m3"]),
        ScaleFormat("int8", 8, np.dtype(np.uint8), 127.0, LEAST, FORMATS["int8"]),
        ScaleFormat("signed_fp16", 16, np.dtype(np.float16), 1.0, 1.0, FORMATS["fp16"], signed=True),
        ScaleFormat("fp16_uint6", 8, np.dtype(np.float32), 1.0, 1.0, FORMATS["fp16"], True, FORMATS["uint6"]),
        ScaleFormat("fp16_int8", 9, np.dtype(np.float32), 1.0, 1.0, FORMATS["fp16"], True, FORMATS["int8"]),
    )
}
"""Codes are kept where numpy has no such type. ``int8`` counts 1..127 steps of the level above it. ``signed_fp16``: Q4_0 and
Q8_0 of GGUF. ``fp16_uint6``: Q4_K, whose fp16 number is that of 8 groups, 6 + 16 / 8 bits; ``fp16_int8``: Q6_K, of 16 groups,
8 + 16 / 16 bits (ggml, ``ggml-common.h``: ``block_q4_K``, ``block_q6_K``)."""
