"""The tables of the special-function unit: integers, each the nearest to a real number, fixed when the hardware is built.

================ ======= ================================================ ================
table            entries entry ``i``, before it is rounded to an integer  width [bit]
================ ======= ================================================ ================
``EXP2``         257     ``2**20 * 2**(i/256)``                           22
``RECIPROCAL``   512     ``2**14 / (1 + (i + 1/2)/512)``                  14
``ROOT``         512     ``2**14 / sqrt(1 + (i + 1/2)/256)``, ``i < 256`` 14
                         ``2**14 / sqrt(2 * (1 + (i - 255.5)/256))``      14
``GAUSS``        1537    ``2**18 * -log2(Q(i/256))``                      23
================ ======= ================================================ ================

``Q(a)`` is the chance that a normal number exceeds ``a``: ``erfc(a / sqrt(2)) / 2``. ``EXP2`` and ``GAUSS`` are interpolated
between neighbours; the others are where Newton's steps begin. They are computed in float64, which decides every rounding:
no entry is within 1e-5 of a half.
"""

import math

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.int64]

FRACTION_BITS = 18
"""Bits behind the point of what goes into an interpolated table."""

STEP_BITS = 10
"""The last of those bits, between two entries; the others choose the entry, 256 to a unit."""

EXP2_BITS = 20
"""Bits behind the point of ``EXP2``."""

SEED_BITS = 14
"""Bits behind the point of ``RECIPROCAL`` and ``ROOT``."""

GAUSS_END = 6
"""Where ``GAUSS`` ends: an fp16 number of this size times ``Q`` is less than half the smallest fp16 number."""

_PER_UNIT = 1 << (FRACTION_BITS - STEP_BITS)


def _nearest(numbers: list[float]) -> Table:
    table: Table = np.rint(np.array(numbers)).astype(np.int64)
    table.flags.writeable = False
    return table


EXP2 = _nearest([2**EXP2_BITS * 2 ** (i / _PER_UNIT) for i in range(_PER_UNIT + 1)])
RECIPROCAL = _nearest([2**SEED_BITS / (1 + (i + 0.5) / 512) for i in range(512)])
ROOT = _nearest([2**SEED_BITS / math.sqrt(p * (1 + (i + 0.5) / 256)) for p in (1, 2) for i in range(256)])
GAUSS = _nearest(
    [-(2**FRACTION_BITS) * math.log2(math.erfc(i / _PER_UNIT / math.sqrt(2)) / 2) for i in range(GAUSS_END * _PER_UNIT + 1)]
)
