"""N:M sparse weights: of 16 consecutive ``k`` each column keeps N, where N is chosen for each block of 16 x 16.

Weights ``w[k, n]``; M = 16 along ``k``, N in {0, 2, 4, 8, 16}, FlightLLM's choice (arXiv 2401.03868, section 3.1). A kept
weight is a code and, where not all are kept, the 4-bit index of its place among the 16. A column of a block that has fewer
weights than N is filled up with pruned ones, whose code is that of 0; so formats have one, and there are no zero points.

Order of all that is stored: column blocks outermost, then blocks along ``k``, then columns, then ``k`` upwards. In memory

    densities   3 bits for each block, its place in ``DENSITIES``, filled up to a byte with zeros
    of each block, 16 * N weights, each
        code        of the format's bits, lowest
        index       4 bits above it, where 0 < N < 16

each packed as :func:`sim.quantized.packing.pack_codes` does, so that a block of any density begins with a byte, and so does
what a vector unit of 8 multipliers or more takes in a cycle.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, demand
from sim.formats import Format
from sim.overlay.densities import (
    DENSITY_BITS,
    check_densities,
    check_divides,
    head_bytes,
    pack_densities,
    unpack_densities,
)
from sim.overlay.dequantizer import LONGEST_CODE, zero_code
from sim.overlay.engine import BLOCK, DENSITIES
from sim.quantized import QuantizedTensor
from sim.quantized.packing import pack_codes, unpack_codes

INDEX_BITS = (BLOCK - 1).bit_length()
"""[bit] The place of a kept weight among 16."""

Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SparseCodes:
    """Kept weights: ``densities [k/16, n/16]``, and in the order of storage ``codes`` and ``indices``, 16 * N of each block.

    Raises ``InputError`` for densities that there are not, another number of codes, a code out of range, indices that do not
    ascend in a column, and a format without zero.
    """

    format: Format
    densities: NDArray[np.uint8]
    codes: Codes
    indices: Codes

    def __post_init__(self) -> None:
        demand("format of sparse weights", self.format, Format)
        zero_code(self.format)
        if self.format.bits > LONGEST_CODE:
            raise InputError(
                f"sparse weights have at most {LONGEST_CODE} bits, not the {self.format.bits} of {self.format.name}"
            )
        for name in ("densities", "codes", "indices"):
            demand(name, getattr(self, name), np.ndarray)
        if self.densities.ndim != 2 or 0 in self.densities.shape:
            raise InputError(f"densities have two axes of at least 1, not shape {self.densities.shape}")
        check_densities(self.densities)
        for name, limit in (("codes", len(self.format.values)), ("indices", BLOCK)):
            given = getattr(self, name)
            if given.dtype != np.uint8 or given.shape != (self.kept,):
                raise InputError(f"{name} are {self.kept} numbers of type uint8, not {given.dtype} of shape {given.shape}")
            if given.size and given.max() >= limit:
                raise InputError(f"{name} are at most {limit - 1}, not {given.max()}")
        for density, blocks in self._of_each_density():
            places = self.indices[blocks].reshape(-1, density).astype(np.int64)
            if (np.diff(places, axis=1) <= 0).any():
                raise InputError(
                    f"indices of a column ascend, not {places[(np.diff(places, axis=1) <= 0).any(axis=1)][0].tolist()}"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """``(k, n)``."""
        return self.densities.shape[0] * BLOCK, self.densities.shape[1] * BLOCK

    @cached_property
    def _ordered(self) -> NDArray[np.int64]:
        """Densities in the order of storage."""
        return self.densities.T.reshape(-1).astype(np.int64)

    @property
    def kept(self) -> int:
        """Stored weights, filling included."""
        return int(self._ordered.sum()) * BLOCK

    @property
    def density(self) -> float:
        """Mean part of weights that is stored."""
        return self.kept / (self.shape[0] * self.shape[1])

    @property
    def bits(self) -> int:
        """Storage [bit]: densities, codes, indices; the filling of a byte behind densities is not counted."""
        return self._ordered.size * DENSITY_BITS + 8 * int(block_bytes(self._ordered, self.format).sum())

    def _of_each_density(self) -> list[tuple[int, NDArray[np.int64]]]:
        """Of each density of which anything is kept, where its weights are stored ``[blocks, 16 * N]``."""
        starts = BLOCK * (np.cumsum(self._ordered) - self._ordered)
        found = []
        for density in DENSITIES[1:]:
            at = starts[self._ordered == density]
            if at.size:
                found.append((density, at[:, None] + np.arange(BLOCK * density)))
        return found

    def dense(self) -> Codes:
        """Codes ``[k, n]``, pruned weights with that of 0."""
        blocks = np.full((self._ordered.size, BLOCK, BLOCK), zero_code(self.format), np.uint8)
        for density, where in self._of_each_density():
            chosen = blocks[self._ordered == density]
            shape = (len(where), BLOCK, density)
            np.put_along_axis(
                chosen, self.indices[where].reshape(shape).astype(np.int64), self.codes[where].reshape(shape), axis=2
            )
            blocks[self._ordered == density] = chosen
        return _whole(blocks, self.densities.shape)

    def part(self, k: slice, n: slice) -> "SparseCodes":
        """The weights of some blocks ``densities[k, n]``, as a tile has them."""
        chosen = np.zeros(self.densities.shape, bool)
        chosen[k, n] = True
        stored = np.repeat(chosen.T.reshape(-1), BLOCK * self._ordered)
        return SparseCodes(self.format, self.densities[k, n].copy(), self.codes[stored], self.indices[stored])

    def pack(self) -> Codes:
        """Bytes as the memory holds them."""
        head = pack_densities(self._ordered[None])[0]
        sizes = block_bytes(self._ordered, self.format)
        packed = np.empty(len(head) + int(sizes.sum()), np.uint8)
        packed[: len(head)] = head
        starts = len(head) + np.cumsum(sizes) - sizes
        for density, where in self._of_each_density():
            weights = self.codes[where].astype(np.uint16)
            if density < BLOCK:
                weights |= self.indices[where].astype(np.uint16) << self.format.bits
            rows = pack_codes(weights, _weight_bits(density, self.format)).reshape(len(where), -1)
            packed[starts[self._ordered == density][:, None] + np.arange(rows.shape[1])] = rows
        return packed


def sparse(
    codes: NDArray[np.integer],
    mask: NDArray[np.bool_],
    format_: Format,
    density: int | NDArray[np.integer] | None = None,
) -> SparseCodes:
    """Codes ``[k, n]`` of which ``mask`` says which are kept, each block by the least N that its columns need.

    With a ``density`` every block has that one, or its own of ``[k/16, n/16]``. Raises ``InputError`` for shapes that 16 does
    not divide, codes out of range, and a column of a block that keeps more.
    """
    if codes.shape != mask.shape or codes.ndim != 2:
        raise InputError(f"codes and mask have one shape [k, n], not {codes.shape} and {mask.shape}")
    check_divides(*codes.shape)
    _check_codes(codes, format_)
    masks = _blocks(mask)
    chosen = _least(masks)
    if density is not None:
        given = np.broadcast_to(density, (codes.shape[0] // BLOCK, codes.shape[1] // BLOCK)).T.reshape(-1).astype(np.int64)
        check_densities(given)
        if (over := chosen > given).any():
            most = int(masks.sum(axis=2).max(axis=1)[over][0])
            raise InputError(f"columns of blocks keep at most {given[over][0]} of {BLOCK}, not {most}")
        chosen = given
    of_blocks = _blocks(np.where(mask, codes, zero_code(format_)).astype(np.uint8))
    starts = BLOCK * (np.cumsum(chosen) - chosen)
    kept, indices = np.empty((2, BLOCK * int(chosen.sum())), np.uint8)
    for n in DENSITIES[1:]:
        at = chosen == n
        places = np.sort(np.argsort(~masks[at], axis=2, kind="stable")[..., :n], axis=2)
        where = starts[at][:, None] + np.arange(BLOCK * n)
        indices[where] = places.reshape(-1, BLOCK * n)
        kept[where] = np.take_along_axis(of_blocks[at], places, axis=2).reshape(-1, BLOCK * n)
    k, n = codes.shape
    return SparseCodes(format_, chosen.reshape(n // BLOCK, k // BLOCK).T.astype(np.uint8), kept, indices)


def sparse_of(weights: QuantizedTensor, density: int | None = None) -> SparseCodes:
    """The codes of weights ``[k, n]`` as :func:`sparse` stores them: those that are not 0.

    Raises ``InputError`` for zero points, beside which a pruned weight would not be nothing, and as :func:`sparse` does.
    """
    if weights.scheme.zero != "none":
        raise InputError(f"sparse weights have no zero points, not {weights.scheme.zero} ones")
    return sparse(weights.codes, weights.integers != 0, weights.format, density)


def least_densities(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The least N ``[k/16, n/16]`` of blocks of which ``mask [k, n]`` says which weights are kept."""
    check_divides(*mask.shape)
    k, n = (size // BLOCK for size in mask.shape)
    return _least(_blocks(mask)).reshape(n, k).T.astype(np.uint8)


def unpack(packed: Codes, format_: Format, k: int, n: int) -> SparseCodes:
    """The weights ``[k, n]`` that :meth:`SparseCodes.pack` wrote. Raises ``InputError`` for bytes that it does not write."""
    check_divides(k, n)
    blocks = (k // BLOCK) * (n // BLOCK)
    head = head_bytes(blocks)
    ordered = unpack_densities(packed[None, :head], blocks)[0].astype(np.int64)
    sizes = block_bytes(ordered, format_)
    if packed.shape != (head + sizes.sum(),):
        raise InputError(f"sparse weights of these densities take {head + sizes.sum()} bytes, not {packed.size}")
    starts = head + np.cumsum(sizes) - sizes
    stored = BLOCK * (np.cumsum(ordered) - ordered)
    codes, indices = np.empty((2, BLOCK * int(ordered.sum())), np.uint8)
    for density in DENSITIES[1:]:
        at = ordered == density
        count, weights = int(at.sum()), BLOCK * density
        if not count:
            continue
        rows = packed[starts[at][:, None] + np.arange(sizes[at][0])]
        found = unpack_codes(rows.reshape(-1), _weight_bits(density, format_), count * weights).astype(np.uint16)
        where = stored[at][:, None] + np.arange(weights)
        codes[where] = (found & ((1 << format_.bits) - 1)).reshape(where.shape)
        every = np.tile(np.arange(BLOCK, dtype=np.uint16), count * BLOCK)
        indices[where] = (found >> format_.bits if density < BLOCK else every).reshape(where.shape)
    return SparseCodes(format_, ordered.reshape(n // BLOCK, k // BLOCK).T.astype(np.uint8), codes, indices)


def _check_codes(codes: NDArray[np.integer], format_: Format) -> None:
    wrong = (codes < 0) | (codes >= len(format_.values))
    if wrong.any():
        raise InputError(f"codes of {format_.name} are 0 to {len(format_.values) - 1}, not {int(codes[wrong][0])}")


def _least(masks: NDArray[np.generic]) -> NDArray[np.int64]:
    """The least N of blocks ``[block, column, k]``."""
    chosen: NDArray[np.int64] = np.array(DENSITIES)[np.searchsorted(DENSITIES, np.count_nonzero(masks, axis=2).max(axis=1))]
    return chosen


def _weight_bits(density: int, format_: Format) -> int:
    """Width [bit] of a kept weight with its index, of blocks that have them."""
    return format_.bits + (INDEX_BITS if density < BLOCK else 0)


def block_bytes(densities: NDArray[np.integer], format_: Format) -> NDArray[np.int64]:
    """Size [byte] of the weights of blocks."""
    of_each = np.array([n * BLOCK * _weight_bits(n, format_) // 8 for n in range(BLOCK + 1)], np.int64)
    sizes: NDArray[np.int64] = of_each[densities]
    return sizes


def _blocks(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """``[k, n]`` as ``[block, column, k]`` in the order of storage."""
    k, n = array.shape
    return array.reshape(k // BLOCK, BLOCK, n // BLOCK, BLOCK).transpose(2, 0, 3, 1).reshape(-1, BLOCK, BLOCK)


def _whole(blocks: Codes, grid: tuple[int, ...]) -> Codes:
    """The inverse of :func:`_blocks` for blocks ``[k/16, n/16]``."""
    k, n = grid
    return blocks.reshape(n, k, BLOCK, BLOCK).transpose(1, 3, 0, 2).reshape(k * BLOCK, n * BLOCK)
