"""The recipe of a quantized tensor: element format, tree of scale levels, zero point, group size.

Shapes: activations ``[m, k]``, weights ``[k, n]``; groups of ``group_size`` consecutive ``k``, the last one shorter
where ``group_size`` does not divide ``k``. A code ``c`` stands for

    scale * c               zero = "none"
    scale * (c - zero)      zero = "integer": as wide as a code, unsigned
    scale * c + minimum     zero = "minimum": an fp16 number, or one of the scales' format if that has ``steps``

where ``scale`` is the product of the levels' scales. The accelerator applies a level per group after each group, and
those that are constant along ``k`` (tensor, channel, token) after the last group, in fp32.
"""

import math
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, choose, demand
from sim.formats import FORMATS, Format
from sim.formats.families import codebook
from sim.quantized.scales import SCALE_FORMATS, ScaleFormat

Axis = Literal[0, 1]
"""The reduction axis of a tensor: 0 for weights ``[k, n]``, 1 for activations ``[m, k]``."""

OPERANDS: dict[Axis, str] = {0: "weights", 1: "activations"}
PER = {"tensor": 0, "channel": 1, "token": 1, "group": 2}
"""What has a scale of its own, and how fine that is; a channel is a column of weights, a token a row of activations."""

ZEROS = ("none", "integer", "minimum")
TABLE_ENTRY_BITS = 16
SUM_BITS = 53
"""Width [bit] of a float64 significand (IEEE 754-2019, table 3.5)."""

MXINT8 = Format("mxint8", FORMATS["int8"].values, -6)
"""Two's complement with six binary places (OCP Microscaling v1.0, 2023: the element format INT8)."""

ELEMENT_FORMATS: dict[str, Format] = FORMATS | {MXINT8.name: MXINT8}
"""Formats that a name is enough to tell; the table of any other is stored with the tensor."""


@dataclass(frozen=True)
class ScaleLevel:
    """One level of scales: a scale of ``format`` for the tensor, or for each channel, token or group."""

    per: str
    format: str

    def __post_init__(self) -> None:
        choose("level of scales", self.per, PER)
        choose("format of scales", self.format, SCALE_FORMATS)

    @property
    def scale_format(self) -> ScaleFormat:
        """How the scales are stored."""
        return SCALE_FORMATS[self.format]


@dataclass(frozen=True)
class Scheme:
    """How numbers become codes. ``levels`` are outermost first; without any, codes are the numbers themselves.

    ``group_size`` is along ``k``, and 0 where no level is per group. The zero point is as fine as the innermost level.
    ``fitted``: the code book is made for each tensor, ``format`` says only how many codes it has. Raises ``InputError``
    for a recipe that cannot be followed, or whose numbers float64 would not hold exactly.
    """

    format: Format
    levels: tuple[ScaleLevel, ...] = ()
    zero: str = "none"
    group_size: int = 0
    fitted: bool = False

    def __post_init__(self) -> None:
        demand("format of a scheme", self.format, Format)
        demand("levels of scales", self.levels, tuple)
        for level in self.levels:
            demand("level of scales", level, ScaleLevel)
        demand("group size", self.group_size, int)
        choose("kind of zero point", self.zero, {zero: zero for zero in ZEROS})
        self._check_levels()
        if self.zero != "none":
            self._check_zero()
        if self.has_table and not _is_codebook_of_fp16(self.format):
            raise InputError(f"formats outside the registry are code books of fp16 numbers, not {self.format.name}")
        if self._exact_bits > SUM_BITS:
            raise InputError(
                f"scaled numbers of a scheme have at most {SUM_BITS} significant bits, not the {self._exact_bits} of "
                f"{self.format.name} with scales of {', '.join(level.format for level in self.levels)}"
            )

    def _check_levels(self) -> None:
        fineness = [PER[level.per] for level in self.levels]
        if sorted(set(fineness)) != fineness:
            pers = ", ".join(level.per for level in self.levels)
            raise InputError(f"levels of scales are tensor, then channel or token, then group, each once at most, not {pers}")
        for index, level in enumerate(self.levels):
            if level.format == "int8" and index == 0:
                raise InputError(
                    f"int8 scales count steps of the level above them, so they are not outermost as per {level.per}"
                )
            if level.format == "e8m0" and level is not self.levels[-1]:
                raise InputError(f"e8m0 scales are rounded down, so they are the innermost level, not per {level.per}")
        grouped = any(level.per == "group" for level in self.levels)
        if grouped and self.group_size < 1:
            raise InputError(f"group size of a scheme with scales per group is at least 1, not {self.group_size}")
        if not grouped and self.group_size != 0:
            raise InputError(f"group size of a scheme without scales per group is 0, not {self.group_size}")

    def _check_zero(self) -> None:
        if not self.format.is_integer or self.format.signed:
            raise InputError(f"a zero point ({self.zero}) goes with an unsigned integer format, not with {self.format.name}")
        if not self.levels:
            raise InputError(f"a zero point ({self.zero}) goes with at least one level of scales, not with {len(self.levels)}")

    @property
    def _exact_bits(self) -> int:
        """Width [bit] of the widest number, the minimum's sum in fixed point and a product as a significand."""
        if self.zero == "minimum":
            return sum(level.scale_format.fixed_bits - 1 for level in self.levels) + self.format.bits + 1
        return sum(level.scale_format.significand_bits for level in self.levels) + self.format.significand_bits + 1

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The operands that the scheme is for, told by their reduction axis."""
        foreign = {"channel": 1, "token": 0}
        return tuple(axis for axis in OPERANDS if all(foreign.get(level.per) != axis for level in self.levels))

    def check_axis(self, axis: Axis) -> None:
        """Raise ``InputError`` if the scheme is not for the operand with that reduction axis."""
        demand("reduction axis", axis, int)
        if axis not in OPERANDS:
            raise InputError(f"reduction axis is 0 for weights or 1 for activations, not {axis}")
        if axis not in self.axes:
            per = ", ".join(level.per for level in self.levels)
            raise InputError(f"scales of {OPERANDS[axis]} are not per {'token' if axis == 0 else 'channel'}, unlike {per}")

    @property
    def has_table(self) -> bool:
        """Whether the format's table is stored with the tensor, as its name alone does not tell it."""
        return self.fitted or ELEMENT_FORMATS.get(self.format.name) != self.format

    @property
    def code_dtype(self) -> np.dtype[np.generic]:
        """The narrowest type of numpy that holds a code."""
        return np.dtype(np.uint8 if self.format.bits <= 8 else np.uint16)

    @property
    def minimum_format(self) -> ScaleFormat:
        """How minima are stored."""
        innermost = self.levels[-1].scale_format if self.levels else SCALE_FORMATS["fp16"]
        return SCALE_FORMATS["fp16"] if innermost.steps is None else innermost

    @property
    def zero_bits(self) -> int:
        """Width [bit] of a zero point."""
        return {"none": 0, "integer": self.format.bits, "minimum": self.minimum_format.bits}[self.zero]

    def level_shape(self, per: str, shape: tuple[int, int], axis: Axis) -> tuple[int, int]:
        """Shape of a level's scales for a tensor of that shape: 1 where a scale is shared along an axis."""
        if per == "group":
            groups = -(-shape[axis] // self.group_size)
            return (groups, shape[1]) if axis == 0 else (shape[0], groups)
        return (shape[0] if per == "token" else 1, shape[1] if per == "channel" else 1)

    def finest_shape(self, shape: tuple[int, int], axis: Axis) -> tuple[int, int]:
        """Shape of the innermost level's scales, which is that of the zero points; ``(1, 1)`` without scales."""
        return self.level_shape(self.levels[-1].per if self.levels else "tensor", shape, axis)

    def section_bits(self, shape: tuple[int, int], axis: Axis) -> dict[str, int]:
        """Storage [bit] of each part of a tensor of that shape: codes, every level, zero points, table."""
        parts = {"codes": math.prod(shape) * self.format.bits}
        for index, level in enumerate(self.levels):
            parts[f"scale_{index}"] = math.prod(self.level_shape(level.per, shape, axis)) * level.scale_format.bits
        if self.zero != "none":
            parts["zero"] = math.prod(self.finest_shape(shape, axis)) * self.zero_bits
        if self.has_table:
            parts["table"] = len(self.format.values) * TABLE_ENTRY_BITS
        return parts

    def storage_bits(self, shape: tuple[int, int], axis: Axis) -> int:
        """Storage [bit] of a tensor of that shape with everything counted."""
        return sum(self.section_bits(shape, axis).values())


def _is_codebook_of_fp16(format_: Format) -> bool:
    numbers = format_.reals
    if not (np.isfinite(numbers).all() and (np.abs(numbers) <= np.finfo(np.float16).max).all()):
        return False
    return table_format(format_.name, numbers.astype(np.float16)) == format_


def table_format(name: str, table: NDArray[np.float16]) -> Format:
    """The code book of fp16 numbers that is stored with a tensor; raises ``InputError`` for what is not finite."""
    return codebook(name, cast("list[float]", table.astype(np.float64).tolist()))
