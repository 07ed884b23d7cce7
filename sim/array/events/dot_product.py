"""The dot-product array register by register.

A feeder of steps, the same operands for all units; in each PE a pipeline for the product; for each lane of a unit an adder
tree with a register after each level, and a sum.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.array.events.run import Run, pieces
from sim.design import DesignPoint


def simulate(design: DesignPoint, activations: NDArray[np.int64], weights: NDArray[np.int64]) -> Run:
    """Result after result, strips of columns outermost."""
    element = design.element
    sums, cycles, busy, last = run(
        activations,
        weights,
        (design.rows, design.columns),
        element.lanes,
        element.interval,
        element.latency,
        design.group_size,
        design.double_buffered,
    )
    return Run(sums, cycles, busy, last, {})


@njit(cache=True)
def run(  # type: ignore[no-untyped-def]  # noqa: C901 - one machine, one loop
    activations, weights, shape, lanes, interval, latency, group_size, double_buffered
):
    """Run the machine. Nothing is shared between units but activations, so there is no hazard to count."""
    (m, k), n = activations.shape, weights.shape[1]
    rows, columns = shape
    a_lanes, w_lanes = lanes
    starts, lengths = pieces(k, group_size, rows)
    steps = len(starts)
    levels, nodes = 0, rows
    while nodes > 1:
        levels, nodes = levels + 1, (nodes + 1) // 2
    row_sets = (m + a_lanes - 1) // a_lanes
    results = row_sets * ((n + columns * w_lanes - 1) // (columns * w_lanes))
    sums = np.zeros(((k + group_size - 1) // group_size, m, n), np.int64)
    sum_cycle = np.full((m, n), -1, np.int64)
    busy = np.zeros((rows, columns), np.int64)
    last_accumulation = 0
    # Stages of the PEs, of which the first is the product at the inputs, then levels of the tree: each level has half of
    # the nodes of the one before it, and a node without a neighbour is passed on. After the last one comes the sum.
    stages = latency + levels
    node = np.zeros((stages, columns, rows, a_lanes, w_lanes), np.int64)
    node_at = np.full((stages, 2), -1, np.int64)  # result, -1 for a bubble, and step
    total = np.zeros((columns, a_lanes, w_lanes), np.int64)
    passed = np.zeros(levels + 1, np.bool_)  # a token that a result's last step sends along the tree
    result, step, stays = 0, 0, interval  # the next pairs, and how long those at the inputs have been there
    tree_is_free, drained, cycle = True, 0, 0
    while drained < interval + stages:
        tree_is_free |= passed[levels]
        passed[1:] = passed[:-1].copy()
        q, s = node_at[-1]
        if q >= 0:
            ends_group = s == steps - 1 or starts[s + 1] // group_size > starts[s] // group_size
            for c in range(columns):
                for x in range(a_lanes):
                    for y in range(w_lanes):
                        if starts[s] % group_size == 0:
                            total[c, x, y] = 0
                        total[c, x, y] += node[-1, c, 0, x, y]
                        row, column = q % row_sets * a_lanes + x, (q // row_sets * columns + c) * w_lanes + y
                        if ends_group and row < m and column < n:
                            sums[starts[s] // group_size, row, column] = total[c, x, y]
                            if s == steps - 1:
                                sum_cycle[row, column] = cycle
        for stage in range(stages - 1, 0, -1):
            node_at[stage] = node_at[stage - 1]
            if stage < latency:
                node[stage] = node[stage - 1]
            else:
                for c in range(columns):
                    for r in range((rows + 1) // 2):
                        node[stage, c, r] = node[stage - 1, c, 2 * r]
                        if 2 * r + 1 < rows:
                            node[stage, c, r] += node[stage - 1, c, 2 * r + 1]
                    node[stage, c, (rows + 1) // 2 :] = 0
        node_at[0] = -1
        if stays < interval - 1:
            stays += 1
        elif result == results:
            drained += 1
            stays = interval
        elif step == 0 and not (double_buffered or tree_is_free):
            stays = interval
        else:
            node_at[0, 0], node_at[0, 1] = result, step
            stays, tree_is_free = 0, False
            step += 1
            if step == steps:
                result, step = result + 1, 0
        # The pairs at the inputs are those before the next ones; they stay until the feeder has others.
        q, s = (result, step - 1) if step > 0 else (result - 1, steps - 1)
        passed[0] = s == steps - 1 and stays == interval - 1
        for c in range(columns):
            for r in range(rows):
                for x in range(a_lanes):
                    for y in range(w_lanes):
                        row, column = q % row_sets * a_lanes + x, (q // row_sets * columns + c) * w_lanes + y
                        node[0, c, r, x, y] = 0
                        if stays < interval and r < lengths[s] and row < m and column < n:
                            node[0, c, r, x, y] = activations[row, starts[s] + r] * weights[starts[s] + r, column]
                            busy[r, c] += stays == 0
                            last_accumulation = cycle + 1
        cycle += 1
    return sums, sum_cycle, busy, last_accumulation
