"""Number formats: a code ``c`` stands for the number ``values[c] * 2**lsb``.

``values`` are exact integers (``None`` where a code is not a number), so that integers, minifloats, powers of
two and codebooks are one kind of thing. Every width is derived from them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError


def signed_bits(smallest: int, largest: int) -> int:
    """Width [bit] of the narrowest two's complement integer that holds every number from ``smallest`` to ``largest``."""
    return max((~smallest if smallest < 0 else smallest).bit_length(), (~largest if largest < 0 else largest).bit_length()) + 1


@dataclass(frozen=True)
class Format:
    """A number format of at most 16 bits.

    ``values[c]`` is the exact integer that code ``c`` stands for, in units of ``2**lsb``.
    """

    name: str
    values: tuple[int | None, ...]
    lsb: int = 0

    def __post_init__(self) -> None:
        if len(self.values) not in {1 << bits for bits in range(1, 17)}:
            raise InputError(f"format {self.name} needs 2, 4, ... or 65536 codes, not {len(self.values)}")

    @property
    def bits(self) -> int:
        """Width of a code [bit]."""
        return len(self.values).bit_length() - 1

    @cached_property
    def smallest(self) -> int:
        return min(v for v in self.values if v is not None)

    @cached_property
    def largest(self) -> int:
        return max(v for v in self.values if v is not None)

    @property
    def signed(self) -> bool:
        return self.smallest < 0

    @property
    def is_integer(self) -> bool:
        """Whether codes are plain binary numbers: unsigned, or two's complement."""
        size = len(self.values)
        half = size // 2 if self.signed else size
        return self.lsb == 0 and self.values == (*range(half), *range(half - size, 0))

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        return np.array([0 if v is None else v for v in self.values], dtype=np.int32)

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.int32]:
        """Exact integers, in units of ``2**lsb``, that an array of codes of any shape stands for."""
        numbers: NDArray[np.int32] = self._table[codes]
        return numbers

    def encode_integers(self, integers: ArrayLike) -> NDArray[np.uint16]:
        """Codes of integers, saturated at both ends; only for integer formats."""
        if not self.is_integer:
            raise InputError(f"integers are encoded only by integer formats, not by {self.name}")
        limited = np.clip(np.asarray(integers), self.smallest, self.largest).astype(np.int64)
        codes: NDArray[np.uint16] = (limited & (len(self.values) - 1)).astype(np.uint16)
        return codes


def _unsigned(bits: int) -> Format:
    return Format(f"uint{bits}", tuple(range(1 << bits)))


def _signed(bits: int) -> Format:
    half = 1 << (bits - 1)
    return Format(f"int{bits}", (*range(half), *range(-half, 0)))


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        *(_unsigned(bits) for bits in range(1, 9)),
        *(_signed(bits) for bits in (2, 3, 4, 5, 6, 7, 8, 16)),
    )
}
