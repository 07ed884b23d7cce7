"""The output-stationary array cycle by cycle, every register of it: the judge of the closed form in ``sim.array``.

Slow on purpose and written from the machine's description, not from the formulas: a feeder that waits until the
column buses are free, registers that hand operands from PE to PE, a product register and a sum register in each PE,
one bus per column.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim import epilogue
from sim.design import DesignPoint
from sim.errors import InputError


@dataclass(frozen=True)
class ArrayEvents:
    """Group sums ``[groups, m, n]``, the cycle ``[m, n]`` of each result, MACs done by each PE ``[rows, columns]``."""

    group_sums: NDArray[np.int64]
    result_cycles: NDArray[np.int64]
    busy: NDArray[np.int64]


def simulate_events(design: DesignPoint, activations: NDArray[np.integer], weights: NDArray[np.integer]) -> ArrayEvents:
    """Run integers ``activations[m, k]`` and ``weights[k, n]`` through the array, tile after tile.

    Raises ``RuntimeError`` if two sums ever meet on one bus, ``InputError`` for operands that differ in ``k``.
    """
    if activations.shape[1] != weights.shape[0]:
        raise InputError(f"operands of one product have the same k, not {activations.shape[1]} and {weights.shape[0]}")
    sums, cycles, busy, collisions = _run(
        activations.astype(np.int64), weights.astype(np.int64), design.rows, design.columns, design.group_size
    )
    if collisions:
        raise RuntimeError(f"{collisions} sums met another one on their column's bus")
    return ArrayEvents(sums, cycles + epilogue.LATENCY, busy)


@njit(cache=True)
def _run(activations, weights, rows, columns, group_size):  # type: ignore[no-untyped-def]  # noqa: C901 - one machine, one loop
    m, k = activations.shape
    n = weights.shape[1]
    tile_rows = (m + rows - 1) // rows
    tile_columns = (n + columns - 1) // columns
    groups = (k + group_size - 1) // group_size
    sums = np.zeros((groups, m, n), np.int64)
    result_cycle = np.full((m, n), -1, np.int64)
    busy = np.zeros((rows, columns), np.int64)
    collisions = 0
    # An operand in flight is its place in the reduction, -1 for a bubble, beside its tile and its number.
    a_place = np.full((rows, columns), -1, np.int64)
    a_tile = np.zeros((rows, columns), np.int64)
    a_number = np.zeros((rows, columns), np.int64)
    w_number = np.zeros((rows, columns), np.int64)
    product = np.zeros((rows, columns), np.int64)
    product_place = np.full((rows, columns), -1, np.int64)
    product_tile = np.zeros((rows, columns), np.int64)
    total = np.zeros((rows, columns), np.int64)
    depth = rows + columns
    fed_place = np.full(depth, -1, np.int64)  # the last `depth` cycles of the feeder: the skew registers' content
    fed_tile = np.zeros(depth, np.int64)
    on_bus = np.zeros(columns, np.int64)
    tile, place, drained, cycle = 0, 0, 0, 0
    last_end = -rows - columns
    while drained < depth + 4:
        for i in range(depth - 1, 0, -1):
            fed_place[i] = fed_place[i - 1]
            fed_tile[i] = fed_tile[i - 1]
        fed_place[0] = -1
        begins_group = place % group_size == 0
        end = cycle + min(group_size, k - place) - 1
        waits = begins_group and end - last_end < max(rows, columns)
        if tile == tile_rows * tile_columns:
            drained += 1
        elif not waits:
            if begins_group:
                last_end = end
            fed_place[0], fed_tile[0] = place, tile
            place += 1
            if place == k:
                tile, place = tile + 1, 0
        on_bus[:] = 0
        for r in range(rows - 1, -1, -1):
            for c in range(columns - 1, -1, -1):
                # Registers at the end of the previous cycle: sum <- product <- the operands that were at the inputs.
                p = product_place[r, c]
                if p >= 0:
                    total[r, c] = product[r, c] if p % group_size == 0 else total[r, c] + product[r, c]
                    if p % group_size == group_size - 1 or p == k - 1:
                        on_bus[c] += 1
                        collisions += on_bus[c] > 1
                        row = product_tile[r, c] % tile_rows * rows + r
                        column = product_tile[r, c] // tile_rows * columns + c
                        if row < m and column < n:
                            sums[p // group_size, row, column] = total[r, c]
                            if p == k - 1:
                                result_cycle[row, column] = cycle
                product[r, c] = a_number[r, c] * w_number[r, c]
                product_place[r, c] = a_place[r, c]
                product_tile[r, c] = a_tile[r, c]
                mine = a_tile[r, c] % tile_rows * rows + r < m and a_tile[r, c] // tile_rows * columns + c < n
                if a_place[r, c] >= 0 and mine:
                    busy[r, c] += 1
                if c > 0:
                    a_place[r, c], a_tile[r, c], a_number[r, c] = a_place[r, c - 1], a_tile[r, c - 1], a_number[r, c - 1]
                else:
                    t, p = fed_tile[r], fed_place[r]
                    row = t % tile_rows * rows + r
                    a_place[r, c], a_tile[r, c] = p, t
                    a_number[r, c] = activations[row, p] if p >= 0 and row < m else 0
                if r > 0:
                    w_number[r, c] = w_number[r - 1, c]
                else:
                    t, p = fed_tile[c], fed_place[c]
                    column = t // tile_rows * columns + c
                    w_number[r, c] = weights[p, column] if p >= 0 and column < n else 0
        cycle += 1
    return sums, result_cycle, busy, collisions
