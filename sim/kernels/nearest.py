"""Codes of integer formats for scaled numbers, in one pass over them: no array of quotients or of steps is made."""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled


def nearest_codes(
    numbers: NDArray[np.float32],
    scales: NDArray[np.float32],
    zero: NDArray[np.float32] | None,
    group_size: int,
    limits: tuple[int, int],
    codes: NDArray[np.unsignedinteger],
) -> None:
    """Into ``codes [rows, columns]``: ``round(number / scale) + zero`` in fp32, ties to even, limited, in two's complement.

    Scales and zero points have, along each axis, one for all, one for each index, or one for each group; raises
    ``InputError`` for another shape. ``limits``, the least and the greatest integer, are those of all codes of a width.
    """
    spans = [_span(own, size, group_size) for own, size in zip(scales.shape, numbers.shape, strict=True)]
    offsets = np.zeros_like(scales) if zero is None else zero
    _codes(numbers, scales, offsets, *spans, np.array(limits, np.float32), np.int32(limits[1] - limits[0]), codes)


def _span(own: int, size: int, group_size: int) -> int:
    """Neighbours along an axis that share a scale."""
    span = size if own == 1 else 1 if own == size else group_size
    if span < 1 or -(-size // span) != own:
        raise InputError(f"scales of {size} numbers in groups of {group_size} are 1, {size} or one per group, not {own}")
    return span


@compiled
def _codes(numbers, scales, zero, high, wide, limits, mask, codes):  # type: ignore[no-untyped-def]
    least, greatest = limits
    for row in range(len(numbers)):
        for part in range(scales.shape[1]):
            scale, offset = scales[row // high, part], zero[row // high, part]
            # slices, as LLVM makes vectors of loops over all of an array
            some = numbers[row, part * wide : (part + 1) * wide]
            its_codes = codes[row, part * wide : (part + 1) * wide]
            for i in range(len(some)):
                steps = np.rint(some[i] / scale) + offset
                its_codes[i] = np.int32(min(max(steps, least), greatest)) & mask
