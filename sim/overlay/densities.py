"""N of blocks of 16 x 16: which there are, how many blocks weights have, and how N lies in memory.

Of a row of blocks ``DENSITY_BITS`` each, its place in :data:`sim.overlay.engine.DENSITIES`, filled up to a byte with zeros.
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.engine import BLOCK, DENSITIES
from sim.quantized.packing import pack_codes, unpack_codes

DENSITY_BITS = (len(DENSITIES) - 1).bit_length()
"""[bit] The place of N in :data:`sim.overlay.engine.DENSITIES`."""

Codes = NDArray[np.uint8]


def pack_densities(densities: NDArray[np.integer]) -> Codes:
    """Rows of N ``[rows, blocks]`` as the memory holds them, each from a byte on ``[rows, bytes]``."""
    places = np.searchsorted(DENSITIES, densities).astype(np.uint8)
    whole = np.pad(places, ((0, 0), (0, -places.shape[1] % 8)))  # eight are whole bytes
    packed: Codes = pack_codes(whole.reshape(-1), DENSITY_BITS).reshape(len(whole), -1)
    return packed[:, : head_bytes(places.shape[1])]


def unpack_densities(packed: Codes, blocks: int) -> NDArray[np.uint8]:
    """The rows of N ``[rows, blocks]`` that :func:`pack_densities` wrote. Raises ``InputError`` for what is none."""
    if packed.shape[1] != head_bytes(blocks):
        raise InputError(f"densities of {blocks} blocks take {head_bytes(blocks)} bytes, not {packed.shape[1]}")
    whole = np.pad(packed, ((0, 0), (0, -packed.shape[1] % DENSITY_BITS)))
    places = unpack_codes(whole.reshape(-1), DENSITY_BITS, 8 * whole.size // DENSITY_BITS).reshape(len(whole), -1)
    if places.max() >= len(DENSITIES):
        raise InputError(f"places of densities are at most {len(DENSITIES) - 1}, not {places.max()}")
    if places[:, blocks:].any():
        raise InputError(f"bits behind the densities of {blocks} blocks are 0, not those of {places[:, blocks:].max()}")
    densities: NDArray[np.uint8] = np.array(DENSITIES, np.uint8)[places[:, :blocks]]
    return densities


def head_bytes(blocks: int) -> int:
    """Of the densities of so many blocks."""
    return -(-blocks * DENSITY_BITS // 8)


def check_divides(k: int, n: int) -> None:
    """Raise ``InputError``, with the number that would do, for weights ``[k, n]`` that blocks do not divide."""
    for name, size in (("k", k), ("n", n)):
        if size < 1 or size % BLOCK:
            above = max(1, -(-size // BLOCK)) * BLOCK
            raise InputError(f"{name} of N:{BLOCK} sparse weights is a multiple of {BLOCK} such as {above}, not {size}")


def check_densities(densities: NDArray[np.integer]) -> None:
    """Raise ``InputError``, with the number that would do, for N of N:16 that there are not."""
    wrong = ~np.isin(densities, DENSITIES)
    if wrong.any():
        value = int(densities[wrong][0])
        above = next((n for n in DENSITIES if n >= value), BLOCK)
        raise InputError(f"N of N:{BLOCK} is {', '.join(map(str, DENSITIES))}, such as {above}, not {value}")
