"""Sums of rows in fp32, in an order that the unit's ``lanes`` decide.

A row comes in blocks of ``lanes`` numbers, the last one filled up with +0. A tree adds a block: neighbours in pairs, the sums
of pairs in pairs, and so on. Block ``b`` is then added to accumulator ``b % 4``, four of them in turn, because an adder takes
four cycles (:data:`~sim.overlay.special.cycles.ADD`) before its sum can be added to. They begin at +0. At the end:
``(a0 + a1) + (a2 + a3)``.

To add +0 changes no sum that begins at +0. So zeros behind a row, or in the place of entries that are left out, however many
they are, do not change its sum.
"""

import numpy as np

from sim.errors import InputError, demand
from sim.overlay.special.functions import Floats

ACCUMULATORS = 4

MOST_LANES = 1 << 12
"""Far beyond what is built."""


def check_lanes(lanes: int) -> None:
    """Raise ``InputError`` for lanes of which no tree can be made."""
    demand("lanes", lanes, int)
    if not 1 <= lanes <= MOST_LANES or lanes & (lanes - 1):
        raise InputError(f"lanes of the special-function unit are a power of two, at most {MOST_LANES}, not {lanes}")


def row_totals(numbers: Floats, lanes: int) -> Floats:
    """Sums ``[rows, 1]`` of ``[rows, columns]``."""
    check_lanes(lanes)
    rows, columns = numbers.shape
    steps = -(-columns // (lanes * ACCUMULATORS))
    padded = np.zeros((rows, steps * ACCUMULATORS * lanes), np.float32)
    padded[:, :columns] = numbers
    tree = padded.reshape(rows, steps, ACCUMULATORS, lanes)
    while tree.shape[-1] > 1:
        tree = tree[..., 0::2] + tree[..., 1::2]
    accumulators = np.zeros((rows, ACCUMULATORS), np.float32)
    for step in range(steps):
        accumulators += tree[:, step, :, 0]
    pairs: Floats = accumulators[:, 0::2] + accumulators[:, 1::2]
    return pairs[:, :1] + pairs[:, 1:]


def sum_error(columns: int, lanes: int) -> float:
    """Relative error of a sum of so many numbers of one sign: the additions that a number passes, ``2**-24`` each."""
    return (lanes.bit_length() - 1 + -(-columns // (lanes * ACCUMULATORS)) + 2) * 2.0**-24
