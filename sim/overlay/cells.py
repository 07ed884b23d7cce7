"""How weights lie in bytes: cells of so much of ``k`` and 16 columns, each with all that belongs to it.

In order

    codes     of an N:M sparse cell :meth:`sim.overlay.sparsity.SparseCodes.pack`; of a dense one, packed: blocks along ``k``,
              columns, ``k`` upwards
    scales    fp16 [groups, 16]
    zeros     of unsigned integers alone, uint8 [groups, 16]: zero points
    biases    where the product has them, fp16 [16]

filled up with zeros to whole words, one behind the other without a gap before. Numbers are little-endian.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import Format
from sim.overlay.dequantizer import expand, zero_code
from sim.overlay.engine import BLOCK, DENSITIES
from sim.overlay.sparsity import DENSITY_BITS, INDEX_BITS, sparse, unpack
from sim.quantized.packing import pack_codes, unpack_codes

WORD = 32
"""[byte] Of a port of the memory."""

FP16_BYTES = 2

Bytes = NDArray[np.uint8]


def aligned(size: int) -> int:
    """The next multiple of a word."""
    return -(-size // WORD) * WORD


def has_zeros(format_: Format) -> bool:
    """Whether weights of a format have zero points."""
    return format_.is_integer and not format_.signed


@dataclass(frozen=True)
class CellLayout:
    """Of cells of ``part`` along ``k``, a multiple of 16, whose blocks keep ``kept`` of 16, with scales for ``group_size``."""

    format: Format
    part: int
    kept: int
    group_size: int
    biased: bool

    def __post_init__(self) -> None:
        if self.part < BLOCK or self.part % BLOCK:
            raise InputError(f"k of a cell is a multiple of {BLOCK}, not {self.part}")
        if self.kept < BLOCK:
            zero_code(self.format)
            if has_zeros(self.format):
                raise InputError(f"sparse weights have no zero points, as {self.format.name} has")

    @property
    def code_bytes(self) -> int:
        """Of codes and what belongs to them alone."""
        if self.kept == BLOCK:
            return self.format.bits * self.part * BLOCK // 8
        head = -(-DENSITY_BITS * (self.part // BLOCK) // 8)
        return head + (self.format.bits + INDEX_BITS) * self.part * self.kept // 8

    @property
    def groups(self) -> int:
        return -(-self.part // self.group_size)

    @property
    def _ends(self) -> tuple[int, int, int, int]:
        """Of codes, scales, zero points and biases."""
        scales = self.code_bytes + self.groups * BLOCK * FP16_BYTES
        zeros = scales + self.groups * BLOCK * has_zeros(self.format)
        return self.code_bytes, scales, zeros, zeros + BLOCK * FP16_BYTES * self.biased

    @property
    def size(self) -> int:
        """Of a cell [byte]."""
        return aligned(self._ends[-1])

    def pack(self, contents: "Contents") -> Bytes:
        """Bytes ``[cells, size]``. Raises ``InputError`` for blocks that keep more than ``kept``."""
        packed = np.zeros((len(contents.codes), self.size), np.uint8)
        codes, scales, zeros, biases = self._ends
        packed[:, :codes] = self._packed(contents.codes)
        packed[:, codes:scales] = _bytes_of(contents.scales)
        packed[:, scales:zeros] = _bytes_of(contents.zeros)
        packed[:, zeros:biases] = _bytes_of(contents.biases)
        return packed

    def unpack(self, packed: Bytes) -> "Contents":
        """What :meth:`pack` wrote ``[cells, size]``. Raises ``InputError`` for bytes that it does not write."""
        codes, scales, zeros, biases = self._ends
        count, shape = len(packed), (len(packed), self.groups * has_zeros(self.format), BLOCK)
        return Contents(
            self._unpacked(packed[:, :codes]),
            _numbers_of(packed[:, codes:scales], (count, self.groups, BLOCK)),
            np.ascontiguousarray(packed[:, scales:zeros]).reshape(shape),
            _numbers_of(packed[:, zeros:biases], (count, int(self.biased), BLOCK)),
        )

    def integers(self, contents: "Contents") -> NDArray[np.int8]:
        """What the dequantization unit makes of codes ``[cells, part, 16]``."""
        if not has_zeros(self.format):
            return expand(self.format, contents.codes)
        zeros = np.repeat(contents.zeros, self.group_size, axis=1)[:, : self.part]
        return expand(self.format, contents.codes, zeros)

    def _head(self, cells: int) -> Bytes:
        """What :meth:`SparseCodes.pack` writes before the blocks of so many cells: N of each."""
        return pack_codes(np.full(cells * self.part // BLOCK, DENSITIES.index(self.kept), np.uint8), DENSITY_BITS)

    def _packed(self, codes: Bytes) -> Bytes:
        """The cells as column blocks of one matrix, which lie one behind the other; then each gets a head of its own."""
        cells = len(codes)
        if self.kept == BLOCK:
            return pack_codes(codes.reshape(-1, BLOCK, BLOCK).swapaxes(1, 2), self.format.bits).reshape(cells, -1)
        matrix = codes.swapaxes(0, 1).reshape(self.part, -1)
        packed = sparse(matrix, self.format.decode(matrix) != 0, self.format, self.kept).pack()
        blocks = packed[len(self._head(cells)) :].reshape(cells, -1)
        return np.concatenate([np.broadcast_to(self._head(1), (cells, len(self._head(1)))), blocks], axis=1)

    def _unpacked(self, packed: Bytes) -> Bytes:
        cells = len(packed)
        if self.kept == BLOCK:
            codes = unpack_codes(packed.reshape(-1), self.format.bits, cells * self.part * BLOCK)
            return codes.reshape(-1, BLOCK, BLOCK).swapaxes(1, 2).reshape(cells, self.part, BLOCK)
        head = self._head(1)
        if (packed[:, : len(head)] != head).any():
            raise InputError(
                f"blocks of a cell keep {self.kept} of {BLOCK}, so it begins with {head.tobytes().hex()}, unlike this one"
            )
        blocks = packed[:, len(head) :].reshape(-1)
        matrix = unpack(np.concatenate([self._head(cells), blocks]), self.format, self.part, cells * BLOCK).dense()
        return matrix.reshape(self.part, cells, BLOCK).swapaxes(0, 1)


@dataclass(frozen=True, eq=False)
class Contents:
    """``codes [cells, part, 16]``, fp16 ``scales [cells, groups, 16]``, ``zeros`` like them or ``[cells, 0, 16]``, and fp16
    ``biases [cells, 1 or 0, 16]``."""

    codes: Bytes
    scales: NDArray[np.float16]
    zeros: Bytes
    biases: NDArray[np.float16]


def _bytes_of(numbers: NDArray[np.generic]) -> Bytes:
    return np.ascontiguousarray(numbers).reshape(len(numbers), -1).view(np.uint8)


def _numbers_of(packed: Bytes, shape: tuple[int, ...]) -> NDArray[np.float16]:
    return np.ascontiguousarray(packed).view("<f2").reshape(shape)
