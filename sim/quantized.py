"""Quantized operands: codes, scales and zero points, and how real numbers become them.

Here, and only here, reals are rounded to codes; everything after it is exact or has a stated order of rounding.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.epilogue import SCALE_BITS
from sim.errors import InputError
from sim.formats import Format

SMALLEST_SCALE = np.finfo(np.float16).smallest_subnormal
LARGEST_SCALE = np.finfo(np.float16).max


@dataclass(frozen=True)
class QuantizedWeights:
    """Codes ``[k, n]`` with a scale and a zero point ``[ceil(k/group_size), n]`` for each group along ``k``.

    A code ``c`` stands for ``scale * (format.decode(c) - zero_point)``; a scale is a positive fp16 number, a zero
    point an unsigned integer as wide as a code (zero where the format is signed).
    """

    codes: NDArray[np.uint8]
    format: Format
    scale: NDArray[np.float16]
    zero_point: NDArray[np.uint8]
    group_size: int

    def __post_init__(self) -> None:
        groups = -(-self.codes.shape[0] // self.group_size)
        expected = (groups, self.codes.shape[1])
        if self.scale.shape != expected or self.zero_point.shape != expected:
            raise InputError(f"scales and zero points of these weights have shape {expected}, not {self.scale.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        k, n = self.codes.shape
        return k, n

    @cached_property
    def centered(self) -> NDArray[np.int16]:
        """Exact integers ``[k, n]``: the number of each code less its zero point."""
        zero = np.repeat(self.zero_point.astype(np.int16), self.group_size, axis=0)[: self.shape[0]]
        return (self.format.decode(self.codes) - zero).astype(np.int16)

    def dequantize(self) -> NDArray[np.float32]:
        """The real numbers ``[k, n]`` that the codes stand for, in fp32."""
        scale = np.repeat(self.scale.astype(np.float32), self.group_size, axis=0)[: self.shape[0]]
        return self.centered * scale


@dataclass(frozen=True)
class QuantizedActivations:
    """Codes ``[m, k]`` with one positive fp16 scale per token ``[m]``: code ``c`` stands for ``scale * format.decode(c)``."""

    codes: NDArray[np.uint16]
    format: Format
    scale: NDArray[np.float16]

    def __post_init__(self) -> None:
        if self.scale.shape != self.codes.shape[:1]:
            raise InputError(f"scales of these activations have shape {self.codes.shape[:1]}, not {self.scale.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        m, k = self.codes.shape
        return m, k

    def dequantize(self) -> NDArray[np.float32]:
        """The real numbers ``[m, k]`` that the codes stand for, in fp32."""
        return self.format.decode(self.codes).astype(np.float32) * self.scale.astype(np.float32)[:, None]


def weight_bits(format_: Format, k: int, n: int, group_size: int) -> int:
    """Storage [bit] of ``k x n`` quantized weights with everything counted: codes, scales, zero points."""
    per_group = SCALE_BITS + (0 if format_.signed else format_.bits)
    return k * n * format_.bits + -(-k // group_size) * n * per_group


def activation_bits(format_: Format, m: int, k: int) -> int:
    """Storage [bit] of ``m x k`` quantized activations: codes and token scales."""
    return m * k * format_.bits + m * SCALE_BITS


def quantize_weights(weights: NDArray[np.floating], format_: Format, group_size: int) -> QuantizedWeights:
    """Round ``weights[k, n]`` to nearest, ties to even, by groups of ``group_size`` along ``k``.

    Unsigned formats are asymmetric: the range from the smaller of 0 and the minimum to the larger of 0 and the
    maximum is divided into equal steps. Signed ones are symmetric about zero. Raises ``InputError`` for NaN or infinity.
    """
    _check_finite("weights", weights)
    k, n = weights.shape
    groups = -(-k // group_size)
    padded = np.zeros((groups * group_size, n), dtype=np.float32)
    padded[:k] = weights
    grouped = padded.reshape(groups, group_size, n)
    low, high = grouped.min(axis=1), grouped.max(axis=1)
    if format_.signed:
        scale = _to_scale(np.maximum(-low, high) / np.float32(format_.largest))
        zero = np.zeros((groups, n), dtype=np.float32)
    else:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
        scale = _to_scale((high - low) / np.float32(format_.largest))
        zero = np.clip(np.rint(-low / scale.astype(np.float32)), 0, format_.largest)
    steps = np.rint(grouped / scale.astype(np.float32)[:, None, :]) + zero[:, None, :]
    codes = format_.encode_integers(steps.reshape(-1, n)[:k]).astype(np.uint8)
    return QuantizedWeights(codes, format_, scale, zero.astype(np.uint8), group_size)


def quantize_activations(activations: NDArray[np.floating], format_: Format) -> QuantizedActivations:
    """Round ``activations[m, k]`` to nearest, ties to even, symmetric about zero with one scale per token.

    Raises ``InputError`` for NaN or infinity.
    """
    numbers = np.asarray(activations, dtype=np.float32)
    _check_finite("activations", numbers)
    scale = _to_scale(np.abs(numbers).max(axis=1) / np.float32(format_.largest))
    steps = np.rint(numbers / scale.astype(np.float32)[:, None])
    return QuantizedActivations(format_.encode_integers(steps), format_, scale)


def _check_finite(what: str, numbers: NDArray[np.floating]) -> None:
    if not np.isfinite(numbers).all():
        raise InputError(f"{what} to quantize are finite numbers, not {numbers[~np.isfinite(numbers)][0]}")


def _to_scale(exact: NDArray[np.float32]) -> NDArray[np.float16]:
    """The nearest positive fp16 number; 1 for a group of zeros, whose codes are all zero at any scale."""
    nearest = np.clip(exact, SMALLEST_SCALE, LARGEST_SCALE).astype(np.float16)
    return np.where(exact == 0, np.float16(1), nearest)
