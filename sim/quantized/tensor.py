"""A quantized operand: codes, the scales of every level, zero points; one structure for every scheme."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, demand
from sim.formats import Format, signed_bits
from sim.kernels.rows import reals_of
from sim.quantized.blocks import N, row_blocks, spread
from sim.quantized.scheme import OPERANDS, Axis, Scheme

Integers = NDArray[np.int8] | NDArray[np.int16] | NDArray[np.int32] | NDArray[np.int64]
TAKEN = 1 << 16
"""Codes that are looked up at once, as numpy makes 64-bit indices of them."""


@dataclass(frozen=True, eq=False)
class QuantizedTensor:
    """Codes ``[k, n]`` of weights (``axis`` 0) or ``[m, k]`` of activations (``axis`` 1), and what they stand for.

    ``axis`` is the reduction axis. ``scales`` has an array for each level, outermost first, in the dtype of its format:
    numbers, or codes of formats that numpy has not. Shapes broadcast: tensor ``(1, 1)``, channel ``(1, n)``, token
    ``(m, 1)``, group ``(groups, n)`` or ``(m, groups)``. ``zero``, shaped like the innermost level, has unsigned
    integers as wide as a code, or minima in fp16 or the scheme's ``minimum_format``; ``None`` without. The arrays are
    the tensor's own from then on: it keeps what it derives from them.

    Raises ``InputError`` for another shape or dtype, a code or zero point out of range or that is no number, and a
    scale that its format has not: of most of them, one that is not positive and finite. Tensors are equal when every
    field is, bit for bit.
    """

    codes: NDArray[np.unsignedinteger]
    scheme: Scheme
    axis: Axis
    scales: tuple[NDArray[np.generic], ...] = ()
    zero: NDArray[np.generic] | None = None

    def __post_init__(self) -> None:
        demand("scheme", self.scheme, Scheme)
        demand("codes", self.codes, np.ndarray)
        self.scheme.check_axis(self.axis)
        if self.codes.ndim != 2 or 0 in self.codes.shape:
            raise InputError(f"codes of {self._what} have two axes of at least 1, not shape {self.codes.shape}")
        self._check_codes()
        self._check_scales()
        self._check_zero()
        # Views that cannot be written: what is derived from the arrays is kept.
        object.__setattr__(self, "codes", _read_only(self.codes))
        object.__setattr__(self, "scales", tuple(map(_read_only, self.scales)))
        object.__setattr__(self, "zero", None if self.zero is None else _read_only(self.zero))

    @property
    def _what(self) -> str:
        return OPERANDS[self.axis]

    def _check_codes(self) -> None:
        _check_array(f"codes of {self._what}", self.codes, self.scheme.code_dtype, self.shape)
        _check_range("codes", self.codes, self.format)
        if self.format.has_special:
            absent = ~np.isfinite(self.format.reals)
            for rows in row_blocks(self.shape):
                found = absent[self.codes[rows]]
                if found.any():
                    code = self.codes[rows][found][0]
                    raise InputError(f"codes of {self._what} stand for finite numbers of {self.format.name}, not {code:#x}")

    def _check_scales(self) -> None:
        if len(self.scales) != len(self.scheme.levels):
            raise InputError(f"scales of {len(self.scheme.levels)} levels are needed, not of {len(self.scales)}")
        for index, (level, scales) in enumerate(zip(self.scheme.levels, self.scales, strict=True)):
            shape = self.scheme.level_shape(level.per, self.shape, self.axis)
            _check_array(f"{level.format} scales per {level.per} of {self._what}", scales, level.scale_format.dtype, shape)
            values, format_ = self.level_values(index), level.scale_format
            possible = format_.has(values)
            if not possible.all():
                kind = f"finite numbers of {format_.name}" if format_.signed else "positive finite numbers"
                raise InputError(f"scales of {self._what} are {kind}, not {values[~possible][0]}")

    def _check_zero(self) -> None:
        kind = self.scheme.zero
        if (self.zero is None) != (kind == "none"):
            raise InputError(f"zero points of this scheme are {kind}, not {'none' if self.zero is None else self.zero.dtype}")
        if self.zero is None:
            return
        what = f"zero points of {self._what}"
        shape = self.scheme.finest_shape(self.shape, self.axis)
        minimum = self.scheme.minimum_format
        _check_array(what, self.zero, self.scheme.code_dtype if kind == "integer" else minimum.dtype, shape)
        if kind == "integer":
            _check_range("zero points", self.zero, self.format)
        elif minimum.steps is not None and not minimum.has(self.zero.astype(np.float32)).all():
            bad = ~minimum.has(self.zero.astype(np.float32))
            raise InputError(f"{what} are finite numbers of {minimum.name}, not {self.zero[bad][0]}")
        elif not np.isfinite(self.zero.astype(np.float32)).all():
            raise InputError(f"{what} are finite numbers, not {self.zero[~np.isfinite(self.zero.astype(np.float32))][0]}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QuantizedTensor):
            return NotImplemented
        return (
            (self.scheme, self.axis) == (other.scheme, other.axis)
            and _same_bits(self.codes, other.codes)
            and all(_same_bits(a, b) for a, b in zip(self.scales, other.scales, strict=True))
            and _same_bits(self.zero, other.zero)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def format(self) -> Format:
        """What a code stands for, before it is scaled."""
        return self.scheme.format

    @property
    def group_size(self) -> int:
        """Consecutive ``k`` that share a scale; 0 where no scale is per group."""
        return self.scheme.group_size

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.codes.shape
        return rows, columns

    @property
    def bits(self) -> int:
        """Storage [bit] with everything counted: codes, scales, zero points, and a code book that no name tells."""
        return self.scheme.storage_bits(self.shape, self.axis)

    @property
    def bits_per_weight(self) -> float:
        """Storage [bit] divided by the number of codes."""
        return self.bits / math.prod(self.shape)

    def level_values(self, index: int) -> NDArray[np.float32]:
        """The scales of a level, exactly; ``int8`` ones in steps of the level above."""
        return self.scheme.levels[index].scale_format.to_real(self.scales[index])

    @cached_property
    def integers(self) -> Integers:
        """Exact integers shaped like the codes, in units of ``2**format.lsb``; in the narrowest type that holds all of them.

        Raises ``InputError`` for a format whose values do not fit 64 bits.
        """
        kind = _narrowest(self.format.smallest, self.format.largest)
        decoded = self._sign_extended() if kind is np.int8 and self.format.is_integer else self._looked_up(kind)
        decoded.flags.writeable = False
        return decoded

    def _sign_extended(self) -> NDArray[np.int8]:
        """Plain binary or two's complement codes of at most 8 bits, without a table."""
        above = 8 - self.format.bits if self.format.signed else 0
        if not above:
            return self.codes.view(np.int8)
        numbers: NDArray[np.int8] = np.left_shift(self.codes, above, dtype=np.uint8).view(np.int8)
        numbers >>= above
        return numbers

    def _looked_up(self, kind: type[np.signedinteger]) -> Integers:
        table = self.format.decode(np.arange(len(self.format.values))).astype(kind)
        decoded: Integers = np.empty(self.shape, kind)
        high = max(1, TAKEN // self.shape[1])
        for top in range(0, self.shape[0], high):
            np.take(table, self.codes[top : top + high], out=decoded[top : top + high], mode="clip")
        return decoded

    @cached_property
    def centered(self) -> Integers:
        """:attr:`integers` less integer zero points, in the narrowest type that holds any such difference."""
        if self.zero is None or self.scheme.zero != "integer":
            return self.integers
        largest = self.format.largest
        differences: Integers = np.empty(self.shape, _narrowest(-largest, largest))
        for rows in row_blocks(self.shape):
            zero = self._spread(self.zero.astype(differences.dtype), rows)
            np.subtract(self.codes[rows], zero, out=differences[rows], dtype=differences.dtype, casting="unsafe")
        differences.flags.writeable = False
        return differences

    @property
    def scale(self) -> NDArray[np.float16]:
        """fp16 scales as the array's ports take them: ``[groups, n]`` of weights, ``[m]`` of activations.

        Raises ``InputError`` for any other tree of scales.
        """
        levels = [(level.per, level.format) for level in self.scheme.levels]
        if levels != [("group" if self.axis == 0 else "token", "fp16")]:
            expected = "group" if self.axis == 0 else "token"
            found = ", ".join(f"{format_} per {per}" for per, format_ in levels)
            raise InputError(f"scales of {self._what} at the array's ports are fp16 per {expected}, not {found or 'absent'}")
        scales = self.scales[0].view(np.float16)
        return scales if self.axis == 0 else scales[:, 0]

    @property
    def zero_point(self) -> NDArray[np.unsignedinteger]:
        """Integer zero points shaped like the innermost level, all 0 without; raises ``InputError`` for float minima."""
        if self.scheme.zero == "minimum":
            raise InputError("zero points that are subtracted from codes are none or integer, not minimum")
        if self.zero is None:
            return np.zeros(self.scheme.finest_shape(self.shape, self.axis), dtype=self.codes.dtype)
        return self.zero.view(self.codes.dtype)

    def dequantize(self) -> NDArray[np.float32]:
        """The real numbers that the codes stand for: exact in float64, rounded once to fp32 (ties to even, saturating).

        A scheme is refused unless float64 holds its scaled numbers exactly, so no other rounding happens.
        """
        zero = None if self.zero is None else self.zero.astype(np.float64)
        integer, minimum = (zero if self.scheme.zero == kind else None for kind in ("integer", "minimum"))
        return reals_of(self.codes, self.format.reals, self.total_scale, integer, minimum, self.group_size)

    @property
    def total_scale(self) -> NDArray[np.float64]:
        """Of each code, all levels together, shaped like the innermost one: exact."""
        total = np.ones(self.scheme.finest_shape(self.shape, self.axis))
        for index in range(len(self.scales)):
            total *= self.level_values(index)
        return total

    def _spread(self, values: NDArray[N], rows: slice) -> NDArray[N]:
        return spread(values, rows, self.shape, self.axis, self.group_size)


def _read_only(array: NDArray[N]) -> NDArray[N]:
    view = array.view()
    view.flags.writeable = False
    return view


def _narrowest(smallest: int, largest: int) -> type[np.signedinteger]:
    bits = signed_bits(smallest, largest)
    return next(kind for kind in (np.int8, np.int16, np.int32, np.int64) if np.iinfo(kind).bits >= bits)


def _same_bits(a: NDArray[np.generic] | None, b: NDArray[np.generic] | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def _check_array(what: str, array: NDArray[np.generic], dtype: np.dtype[np.generic], shape: tuple[int, int]) -> None:
    if array.dtype != dtype:
        raise InputError(f"{what} are of type {dtype}, not {array.dtype}")
    if array.shape != shape:
        raise InputError(f"{what} have shape {shape}, not {array.shape}")


def _check_range(what: str, codes: NDArray[np.generic], format_: Format) -> None:
    largest = int(codes.max())
    if largest >= len(format_.values):
        raise InputError(f"{what} of {format_.name} are at most {len(format_.values) - 1}, not {largest}")
