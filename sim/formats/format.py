"""A number format is a table: a code ``c`` stands for the number ``values[c] * 2**lsb``.

``values`` are exact integers (``None`` where a code is not a number), so that integers, minifloats, powers of
two and codebooks are one kind of thing. Every width is derived from them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError

SIGNIFICAND_BITS = 53
"""Widest significand [bit] of a value, that of a float64 number."""

EXPONENT_LIMIT = 1000
"""Values are multiples of 2 to the power of minus this and below 2 to the power of this, well inside float64."""


def signed_bits(smallest: int, largest: int) -> int:
    """Width [bit] of the narrowest two's complement integer that holds every number from ``smallest`` to ``largest``."""
    return max((~smallest if smallest < 0 else smallest).bit_length(), (~largest if largest < 0 else largest).bit_length()) + 1


def significand_bits(integer: int) -> int:
    """Width [bit] of an integer's magnitude without its trailing zeros; 0 for zero."""
    magnitude = abs(integer)
    return (magnitude // (magnitude & -magnitude)).bit_length() if magnitude else 0


@dataclass(frozen=True, eq=False, repr=False)
class Format:
    """A number format of at most 16 bits.

    ``values[c]`` is the exact integer that code ``c`` stands for, in units of ``2**lsb``; ``special`` has the codes
    that an integer does not tell: NaN and the infinities, whose ``values`` are ``None``, and negative zero, whose value
    is 0; of several NaNs the first is the one that rounding gives. Raises ``InputError`` for a table that is no format.
    Two formats are equal when their names and tables are.
    """

    name: str
    values: tuple[int | None, ...]
    lsb: int = 0
    special: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        if len(self.values) not in {1 << bits for bits in range(1, 17)}:
            raise InputError(f"format {self.name} needs 2, 4, ... or 65536 codes, not {len(self.values)}")
        kinds = set(map(type, self.values)) - {int, type(None)}
        if kinds:
            raise InputError(f"values of format {self.name} are integers in units of 2**lsb, not {kinds.pop().__name__}")
        absent = {code for code, value in enumerate(self.values) if value is None} if None in self.values else set()
        named = {code for code, number in self.special if number != 0}
        if named != absent:
            raise InputError(
                f"format {self.name} names NaN or infinity for each code without a value, not {sorted(named ^ absent)}"
            )
        if len(absent) == len(self.values):
            raise InputError(f"format {self.name} needs a code that is a number, not {self.values}")
        if len({code for code, _ in self.special}) < len(self.special):
            raise InputError(f"format {self.name} names a special code once, not {sorted(code for code, _ in self.special)}")
        for code, number in self.special:
            zero = number == 0 and np.signbit(number) and code in range(len(self.values)) and self.values[code] == 0
            if np.isfinite(number) and not zero:
                raise InputError(f"special codes of format {self.name} are NaN, infinity or -0.0 for a value 0, not {number}")
        width = self.fixed_bits - 1
        if self.lsb < -EXPONENT_LIMIT or max(width, self.lsb + width) > EXPONENT_LIMIT:
            raise InputError(
                f"values of format {self.name} are multiples of 2**-{EXPONENT_LIMIT} below 2**{EXPONENT_LIMIT},"
                f" not {width} bits from 2**{self.lsb}"
            )
        if self.fixed_bits > SIGNIFICAND_BITS and self._numbers != tuple(map(float, self._numbers)):
            raise InputError(
                f"values of format {self.name} have at most {SIGNIFICAND_BITS} significant bits, not {self.significand_bits}"
            )

    def __reduce__(self) -> tuple[type["Format"], tuple[object, ...]]:
        return Format, (self.name, self.values, self.lsb, self.special)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Format):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def _identity(self) -> tuple[object, ...]:
        """Special numbers as they are written: NaN differs from itself."""
        return self.name, self.lsb, str(self.special), self.values

    def __repr__(self) -> str:
        return f"Format({self.name!r}, {self.bits} bit, {self.smallest} to {self.largest} times 2**{self.lsb})"

    def __hash__(self) -> int:
        return hash((self.name, self.lsb, len(self.values)))

    @cached_property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(v for v in self.values if v is not None)

    @property
    def bits(self) -> int:
        """Width of a code [bit]."""
        return len(self.values).bit_length() - 1

    @cached_property
    def smallest(self) -> int:
        """The least value, in units of ``2**lsb``."""
        return min(self._numbers)

    @cached_property
    def largest(self) -> int:
        """The greatest value, in units of ``2**lsb``."""
        return max(self._numbers)

    @cached_property
    def magnitude(self) -> int:
        """The greatest absolute value, in units of ``2**lsb``."""
        return max(-self.smallest, self.largest)

    @property
    def signed(self) -> bool:
        return self.smallest < 0

    @property
    def fixed_bits(self) -> int:
        """Width [bit] of the narrowest two's complement fixed-point number, ``2**lsb`` its unit, that holds every value."""
        return signed_bits(self.smallest, self.largest)

    @property
    def emax(self) -> int:
        """Exponent of the greatest value, which is positive: ``floor(log2(largest * 2**lsb))``; 6 of int8, as OCP has it."""
        return self.largest.bit_length() - 1 + self.lsb

    @cached_property
    def significand_bits(self) -> int:
        """Width [bit] of the widest significand: a value is an integer of so many bits times a power of two, and a sign."""
        return max(map(significand_bits, self._numbers))

    @cached_property
    def is_integer(self) -> bool:
        """Whether codes are plain binary numbers: unsigned, or two's complement."""
        size = len(self.values)
        half = size // 2 if self.signed else size
        return self.lsb == 0 and self.values == (*range(half), *range(half - size, 0))

    @property
    def has_special(self) -> bool:
        """Whether a code stands for NaN or an infinity."""
        return any(number != 0 for _, number in self.special)

    def special_code(self, number: float) -> int | None:
        """The first code of NaN, an infinity or negative zero; ``None`` where the format has none."""
        for code, other in self.special:
            if (number != number and other != other) or (number == other and np.signbit(number) == np.signbit(other)):
                return code
        return None

    @cached_property
    def _integers(self) -> NDArray[np.int64]:
        return np.array([0 if v is None else v for v in self.values], dtype=np.int64)

    @cached_property
    def _table(self) -> NDArray[np.int32] | NDArray[np.int64]:
        return self._integers.astype(np.int32) if self.fixed_bits <= 32 else self._integers

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.int32] | NDArray[np.int64]:
        """Exact integers, in units of ``2**lsb``, that an array of codes of any shape stands for; 0 for NaN and infinity.

        Raises ``InputError`` for a format whose values do not fit 64 bits.
        """
        if self.fixed_bits > 64:
            raise InputError(f"values decoded to integers have at most 64 bits, not the {self.fixed_bits} of {self.name}")
        integers: NDArray[np.int32] | NDArray[np.int64] = self._table[codes]
        return integers

    @cached_property
    def reals(self) -> NDArray[np.float64]:
        """The number of each code, exactly; NaN, infinities and negative zero included."""
        numbers = np.array([0.0 if v is None else float(v) * 2.0**self.lsb for v in self.values])
        for code, number in self.special:
            numbers[code] = number
        numbers.flags.writeable = False
        return numbers

    def to_real(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Exact float64 numbers that an array of codes of any shape stands for."""
        numbers: NDArray[np.float64] = self.reals[codes]
        return numbers

    def encode_integers(self, integers: ArrayLike) -> NDArray[np.uint16]:
        """Codes of integers, saturated at both ends; only for integer formats."""
        if not self.is_integer:
            raise InputError(f"integers are encoded only by integer formats, not by {self.name}")
        limited = np.clip(np.asarray(integers), self.smallest, self.largest).astype(np.int64)
        codes: NDArray[np.uint16] = (limited & (len(self.values) - 1)).astype(np.uint16)
        return codes
