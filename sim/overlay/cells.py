"""How weights lie in bytes: cells of so much of ``k`` and 16 columns, each with all that belongs to it.

In order

    codes     of an N:M sparse cell :meth:`sim.overlay.sparsity.SparseCodes.pack`, filled up with zeros to what blocks with
              indices take; of a dense one, packed: blocks along ``k``, columns, ``k`` upwards
    scales    fp16 [groups, 16]; not of fp16 numbers
    zeros     of unsigned integers alone, uint8 [groups, 16]: zero points
    biases    where the product has them, fp16 [16]

filled up with zeros to whole words, one behind the other without a gap before. Numbers are little-endian.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import Format
from sim.overlay.densities import head_bytes, pack_densities, unpack_densities
from sim.overlay.dequantizer import HALVES, STORED, expand, zero_code
from sim.overlay.engine import BLOCK, Engine
from sim.overlay.sparsity import INDEX_BITS, block_bytes, sparse, unpack
from sim.quantized.packing import pack_codes, unpack_codes

WORD = 32
"""[byte] Of a port of the memory."""

FP16_BYTES = 2

Bytes = NDArray[np.uint8]


def aligned(size: int) -> int:
    """The next multiple of a word."""
    return -(-size // WORD) * WORD


def weight_windows(engine: Engine) -> int:
    """Words beside one another that hold the weights of a vector unit's cycle, with their indices, in the longest format."""
    longest = max(STORED[name].bits for name in engine.weight_formats) + (INDEX_BITS if engine.sparse else 0)
    return -(-engine.weights("mv") * longest // (8 * WORD))


def has_zeros(format_: Format) -> bool:
    """Whether weights of a format have zero points."""
    return format_.is_integer and not format_.signed


@dataclass(frozen=True)
class CellLayout:
    """Of cells of ``part`` along ``k``, a multiple of 16, with scales for ``group_size``.

    Blocks keep at most ``kept`` of 16 in the mean of a cell (:mod:`sim.overlay.budget`), for which there is room; 16 are dense.
    """

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
        return head_bytes(self.part // BLOCK) + (self.format.bits + INDEX_BITS) * self.part * self.kept // 8

    @property
    def groups(self) -> int:
        """That have a scale."""
        return 0 if self.format.name in HALVES else -(-self.part // self.group_size)

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
        """Bytes ``[cells, size]``. Raises ``InputError`` for columns that keep more than their N, and N with no room."""
        packed = np.zeros((len(contents.codes), self.size), np.uint8)
        codes, scales, zeros, biases = self._ends
        packed[:, :codes] = self._packed(contents)
        packed[:, codes:scales] = _bytes_of(contents.scales)
        packed[:, scales:zeros] = _bytes_of(contents.zeros)
        packed[:, zeros:biases] = _bytes_of(contents.biases)
        return packed

    def unpack(self, packed: Bytes) -> "Contents":
        """What :meth:`pack` wrote ``[cells, size]``. Raises ``InputError`` for bytes that it does not write."""
        codes, scales, zeros, biases = self._ends
        count, shape = len(packed), (len(packed), self.groups * has_zeros(self.format), BLOCK)
        found, densities = self._unpacked(packed[:, :codes])
        return Contents(
            found,
            densities,
            _numbers_of(packed[:, codes:scales], (count, self.groups, BLOCK)),
            np.ascontiguousarray(packed[:, scales:zeros]).reshape(shape),
            _numbers_of(packed[:, zeros:biases], (count, int(self.biased), BLOCK)),
        )

    def numbers(self, contents: "Contents") -> NDArray[np.int8] | NDArray[np.float16]:
        """What is multiplied of codes ``[cells, part, 16]``: what the dequantization unit makes of them, or fp16 numbers."""
        if self.format.name in HALVES:
            return contents.codes.view(np.float16)
        if not has_zeros(self.format):
            return expand(self.format, contents.codes)
        zeros = np.repeat(contents.zeros, self.group_size, axis=1)[:, : self.part]
        return expand(self.format, contents.codes, zeros)

    def _packed(self, contents: "Contents") -> Bytes:
        """The cells as column blocks of one matrix, which lie one behind the other; then each gets a head of its own."""
        cells, codes = len(contents.codes), contents.codes
        if self.kept == BLOCK:
            return pack_codes(codes.reshape(-1, BLOCK, BLOCK).swapaxes(1, 2), self.format.bits).reshape(cells, -1)
        filled = self._filled(contents.densities)
        matrix = codes.swapaxes(0, 1).reshape(self.part, -1)
        made = sparse(matrix, self.format.decode(matrix) != 0, self.format, contents.densities.T).pack()
        packed = np.zeros((cells, self.code_bytes), np.uint8)
        packed[:, : self._head] = pack_densities(contents.densities)
        packed[:, self._head :][filled] = made[head_bytes(contents.densities.size) :]
        return packed

    def _unpacked(self, packed: Bytes) -> tuple[NDArray[np.unsignedinteger], Bytes]:
        """Codes and densities."""
        cells, blocks = len(packed), self.part // BLOCK
        if self.kept == BLOCK:
            codes = unpack_codes(packed.reshape(-1), self.format.bits, cells * self.part * BLOCK)
            codes = codes.reshape(-1, BLOCK, BLOCK).swapaxes(1, 2).reshape(cells, self.part, BLOCK)
            return codes, np.full((cells, blocks), BLOCK, np.uint8)
        densities = unpack_densities(packed[:, : self._head], blocks)
        head = pack_densities(densities.reshape(1, -1))[0]
        given = packed[:, self._head :][self._filled(densities)]
        matrix = unpack(np.concatenate([head, given]), self.format, self.part, cells * BLOCK).dense()
        return matrix.reshape(self.part, cells, BLOCK).swapaxes(0, 1), densities

    @property
    def _head(self) -> int:
        """Bytes of the N of a cell's blocks."""
        return head_bytes(self.part // BLOCK)

    def _filled(self, densities: Bytes) -> NDArray[np.bool_]:
        """Which bytes behind heads are of blocks of these N ``[cells, bytes]``: those that keep all have no indices."""
        sizes, room = block_bytes(densities, self.format).sum(axis=1), self.code_bytes - self._head
        if sizes.max() > room:
            found = densities[sizes.argmax()].tolist()
            raise InputError(f"blocks of a cell keep {self.kept} of {BLOCK} in the mean, not {found}")
        filled: NDArray[np.bool_] = np.arange(room) < sizes[:, None]
        return filled


@dataclass(frozen=True, eq=False)
class Contents:
    """``codes [cells, part, 16]``, of fp16 numbers their bits, ``densities [cells, part / 16]`` of their blocks, fp16 ``scales
    [cells, groups, 16]``, ``zeros`` like them or ``[cells, 0, 16]``, and fp16 ``biases [cells, 1 or 0, 16]``."""

    codes: NDArray[np.unsignedinteger]
    densities: Bytes
    scales: NDArray[np.float16]
    zeros: Bytes
    biases: NDArray[np.float16]


def _bytes_of(numbers: NDArray[np.generic]) -> Bytes:
    return np.ascontiguousarray(numbers).reshape(len(numbers), -1).view(np.uint8)


def _numbers_of(packed: Bytes, shape: tuple[int, ...]) -> NDArray[np.float16]:
    return np.ascontiguousarray(packed).view("<f2").reshape(shape)
