"""The output-stationary array register by register.

A feeder that waits until buses and scales are free, skew registers, operands that move right and down, a pipeline and a
sum in each PE, one bus for each lane of a column.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.array.events.run import Run
from sim.design import DesignPoint


def simulate(design: DesignPoint, activations: NDArray[np.int64], weights: NDArray[np.int64]) -> Run:
    """Tile after tile, columns of tiles outermost."""
    element = design.element
    sums, cycles, busy, last, bus, scales = run(
        activations,
        weights,
        (design.rows, design.columns),
        element.lanes,
        element.interval,
        element.sum_latency(design.group_size),
        design.group_size,
        max(design.rows, design.columns),
        design.double_buffered,
    )
    hazards = {"a sum that met another one on its bus": bus, "scales of two columns in one cycle": scales}
    return Run(sums, cycles, busy, last, hazards)


@njit(cache=True)
def run(  # type: ignore[no-untyped-def]  # noqa: C901 - one machine, one loop
    activations, weights, shape, lanes, interval, latency, group_size, distance, double_buffered
):
    """Run the machine; ``distance`` [cycle] is what the feeder keeps between the ends of two groups."""
    (m, k), n = activations.shape, weights.shape[1]
    rows, columns = shape
    a_lanes, w_lanes = lanes
    tile_rows = (m + rows * a_lanes - 1) // (rows * a_lanes)
    tiles = tile_rows * ((n + columns * w_lanes - 1) // (columns * w_lanes))
    sums = np.zeros(((k + group_size - 1) // group_size, m, n), np.int64)
    sum_cycle = np.full((m, n), -1, np.int64)
    busy = np.zeros((rows, columns), np.int64)
    last_accumulation, met_on_bus, met_scales = 0, 0, 0
    # A pair of operands is its place in the reduction, -1 for a bubble, its tile, and how many cycles it has stayed.
    fed = np.full((rows + columns, 3), -1, np.int64)  # what left the feeder so many cycles ago: the skew registers
    at = np.full((rows, columns, 3), -1, np.int64)
    a_number = np.zeros((rows, columns, a_lanes), np.int64)
    w_number = np.zeros((rows, columns, w_lanes), np.int64)
    # The pipeline's first stage is the product at the PE's inputs; after the last one comes the sum's register.
    product = np.zeros((latency, rows, columns, a_lanes, w_lanes), np.int64)
    product_at = np.full((latency, rows, columns, 2), -1, np.int64)
    total = np.zeros((rows, columns, a_lanes, w_lanes), np.int64)
    on_bus = np.zeros((columns, a_lanes, w_lanes), np.int64)
    tile, place, stays = 0, 0, interval  # the next pair, and how long the one at the inputs has been there
    array_is_free, drained, cycle = True, 0, 0
    last_end = -distance
    while drained < rows + columns + interval + latency:
        array_is_free |= at[-1, -1, 0] == k - 1 and at[-1, -1, 2] == interval - 1
        fed[1:] = fed[:-1].copy()
        begins_group = place % group_size == 0
        end = cycle + (min(group_size, k - place) - 1) * interval
        if stays < interval - 1:
            stays += 1
            fed[0, 2] = stays
        elif tile == tiles:
            drained += 1
            fed[0] = -1
        elif (begins_group and end - last_end < distance) or (place == 0 and not (double_buffered or array_is_free)):
            fed[0] = -1
        else:
            if begins_group:
                last_end = end
            fed[0, 0], fed[0, 1], fed[0, 2] = place, tile, 0
            stays, array_is_free = 0, False
            place += 1
            if place == k:
                tile, place = tile + 1, 0
        on_bus[:] = 0
        scales = 0
        for r in range(rows - 1, -1, -1):
            for c in range(columns - 1, -1, -1):
                p, t = product_at[-1, r, c]
                if p >= 0:
                    ends_group = p % group_size == group_size - 1 or p == k - 1
                    scales += ends_group and r == 0
                    for x in range(a_lanes):
                        for y in range(w_lanes):
                            if p % group_size == 0:
                                total[r, c, x, y] = 0
                            total[r, c, x, y] += product[-1, r, c, x, y]
                            if ends_group:
                                on_bus[c, x, y] += 1
                                met_on_bus += on_bus[c, x, y] > 1
                                row = (t % tile_rows * rows + r) * a_lanes + x
                                column = (t // tile_rows * columns + c) * w_lanes + y
                                if row < m and column < n:
                                    sums[p // group_size, row, column] = total[r, c, x, y]
                                    if p == k - 1:
                                        sum_cycle[row, column] = cycle
                for stage in range(latency - 1, 0, -1):
                    product[stage, r, c] = product[stage - 1, r, c]
                    product_at[stage, r, c] = product_at[stage - 1, r, c]
                if c > 0:
                    at[r, c], a_number[r, c] = at[r, c - 1], a_number[r, c - 1]
                else:
                    at[r, c] = fed[r]
                    for x in range(a_lanes):
                        row = (fed[r, 1] % tile_rows * rows + r) * a_lanes + x
                        a_number[r, c, x] = activations[row, fed[r, 0]] if fed[r, 0] >= 0 and row < m else 0
                if r > 0:
                    w_number[r, c] = w_number[r - 1, c]
                else:
                    for y in range(w_lanes):
                        column = (fed[c, 1] // tile_rows * columns + c) * w_lanes + y
                        w_number[r, c, y] = weights[fed[c, 0], column] if fed[c, 0] >= 0 and column < n else 0
                p, t, stayed = at[r, c]
                product_at[0, r, c, 0] = p if stayed == 0 else -1
                product_at[0, r, c, 1] = t
                for x in range(a_lanes):
                    for y in range(w_lanes):
                        product[0, r, c, x, y] = a_number[r, c, x] * w_number[r, c, y]
                        row = (t % tile_rows * rows + r) * a_lanes + x
                        column = (t // tile_rows * columns + c) * w_lanes + y
                        if p >= 0 and row < m and column < n:
                            busy[r, c] += stayed == 0
                            last_accumulation = cycle + 1
        met_scales += max(scales - 1, 0)
        cycle += 1
    return sums, sum_cycle, busy, last_accumulation, met_on_bus, met_scales
