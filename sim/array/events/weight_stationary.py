"""The weight-stationary array register by register, and the same machine with its operands exchanged.

A loader that takes one row a cycle, a feeder of streams, skew registers for both; in each PE a second register of the
operand that stays, the one in use, a pipeline and a sum that goes to the PE below; a foot for each lane of a column.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.array.events.run import Run, pieces
from sim.design import DesignPoint


def simulate(design: DesignPoint, activations: NDArray[np.int64], weights: NDArray[np.int64]) -> Run:
    """Weights stay, activations stream; strips of columns outermost."""
    return _simulate(design, activations, weights, design.element.lanes)


def simulate_exchanged(design: DesignPoint, activations: NDArray[np.int64], weights: NDArray[np.int64]) -> Run:
    """Activations stay, weights stream."""
    seen = _simulate(design, weights.T.copy(), activations.T.copy(), design.element.lanes[::-1])
    return Run(seen.group_sums.transpose(0, 2, 1), seen.sum_cycles.T, seen.busy, seen.last_accumulation, seen.hazards)


def _simulate(design: DesignPoint, streamed: NDArray[np.int64], held: NDArray[np.int64], lanes: tuple[int, int]) -> Run:
    sums, cycles, busy, last, overwritten, missing, early = run(
        streamed,
        held,
        (design.rows, design.columns),
        lanes,
        design.element.interval,
        design.element.latency,
        design.group_size,
        design.double_buffered,
    )
    hazards = {
        "a second register overwritten before its use": overwritten,
        "a pair of operands of different folds": missing,
        "a partial sum read before it was written": early,
    }
    return Run(sums, cycles, busy, last, hazards)


@njit(cache=True)
def run(  # type: ignore[no-untyped-def]  # noqa: C901 - one machine, one loop
    streamed, held, shape, lanes, interval, latency, group_size, double_buffered
):
    """Run ``streamed[m, k]`` against ``held[k, n]``; ``lanes`` are those of a streamed and of a held operand."""
    (m, k), n = streamed.shape, held.shape[1]
    rows, columns = shape
    m_lanes, n_lanes = lanes
    starts, lengths = pieces(k, group_size, rows)
    folds = len(starts)  # of a strip
    last_fold = folds * ((n + columns * n_lanes - 1) // (columns * n_lanes)) - 1
    pairs = (m + m_lanes - 1) // m_lanes
    sums = np.zeros(((k + group_size - 1) // group_size, m, n), np.int64)
    sum_cycle = np.full((m, n), -1, np.int64)
    busy = np.zeros((rows, columns), np.int64)
    last_accumulation, overwritten, missing, early = 0, 0, 0, 0
    # A row of held operands on its way is the number of its fold, -1 for a bubble. The port takes a row a cycle; row r
    # then waits as long as the stream needs more to get there, and passes the columns as the stream does.
    loads_wait = np.full((rows, rows * interval), -1, np.int64)
    loads = np.full((rows, columns), -1, np.int64)
    second = np.zeros((rows, columns, n_lanes), np.int64)
    second_fold = np.full((rows, columns), -1, np.int64)  # -1 when it has been used
    used = np.zeros((rows, columns, n_lanes), np.int64)
    used_fold = np.full((rows, columns), -1, np.int64)
    # A streamed operand is its fold, -1 for a bubble, its place in the stream, and how many cycles it has stayed.
    fed = np.full((rows * interval, 3), -1, np.int64)  # what left the feeder so many cycles ago: the skew registers
    at = np.full((rows, columns, 3), -1, np.int64)
    number = np.zeros((rows, columns, m_lanes), np.int64)
    # The pipeline's first stage is the product at the PE's inputs; after the last one comes the sum's register.
    product = np.zeros((latency, rows, columns, m_lanes, n_lanes), np.int64)
    product_at = np.full((latency, rows, columns, 2), -1, np.int64)
    total = np.zeros((rows, columns, m_lanes, n_lanes), np.int64)
    total_at = np.full((rows, columns, 2), -1, np.int64)
    partial = np.zeros((m, n), np.int64)
    partial_fold = np.full((m, n), -1, np.int64)
    load_fold, load_row = 0, -1  # the fold that is loaded, and the row that was loaded last
    fold, pair, stays = 0, 0, interval  # the next streamed operand, and how long the one at the inputs has been there
    drained, cycle = 0, 0
    while drained < (rows + 1) * interval + columns + latency:
        if not double_buffered and at[-1, -1, 1] == pairs - 1 and at[-1, -1, 2] == interval - 1 and load_fold < last_fold:
            load_fold, load_row = load_fold + 1, -1
        fed[1:] = fed[:-1].copy()
        if stays < interval - 1:
            stays += 1
            fed[0, 2] = stays
        elif fold > last_fold:
            drained += 1
            fed[0] = -1
        elif pair == 0 and not (load_fold == fold and load_row == rows - 1):
            fed[0] = -1
        else:
            if pair == 0 and double_buffered and fold < last_fold:
                load_fold, load_row = fold + 1, -1
            fed[0, 0], fed[0, 1], fed[0, 2] = fold, pair, 0
            stays = 0
            pair += 1
            if pair == pairs:
                fold, pair = fold + 1, 0
        loads_wait[:, 1:] = loads_wait[:, :-1].copy()
        loads_wait[:, 0] = -1
        if load_row < rows - 1:
            load_row += 1
            loads_wait[load_row, 0] = load_fold
        for r in range(rows - 1, -1, -1):
            for c in range(columns - 1, -1, -1):
                q, i = total_at[r, c]
                if r == rows - 1 and q >= 0:  # the foot, one register after the last sum; what it holds can be read at once
                    f = q % folds
                    group = starts[f] // group_size
                    for x in range(min(m_lanes, m - i * m_lanes)):
                        for y in range(n_lanes):
                            row, column = i * m_lanes + x, (q // folds * columns + c) * n_lanes + y
                            if column < n:
                                before = 0
                                if starts[f] % group_size > 0:
                                    early += partial_fold[row, column] != q - 1
                                    before = partial[row, column]
                                partial[row, column], partial_fold[row, column] = before + total[r, c, x, y], q
                                if f == folds - 1 or starts[f + 1] // group_size > group:
                                    sums[group, row, column] = partial[row, column]
                                    if f == folds - 1:
                                        sum_cycle[row, column] = cycle
                total_at[r, c] = product_at[-1, r, c]
                if product_at[-1, r, c, 0] >= 0:
                    total[r, c] = product[-1, r, c]
                    if r > 0:
                        total[r, c] += total[r - 1, c]
                for stage in range(latency - 1, 0, -1):
                    product[stage, r, c] = product[stage - 1, r, c]
                    product_at[stage, r, c] = product_at[stage - 1, r, c]
                if c > 0:
                    at[r, c], number[r, c] = at[r, c - 1], number[r, c - 1]
                else:
                    at[r, c] = fed[r * interval]
                    q, i, _ = at[r, c]
                    for x in range(m_lanes):
                        real = q >= 0 and r < lengths[q % folds] and i * m_lanes + x < m
                        number[r, c, x] = streamed[i * m_lanes + x, starts[q % folds] + r] if real else 0
                q, i, stayed = at[r, c]
                if q >= 0 and i == 0 and stayed == 0 and double_buffered:
                    used[r, c], used_fold[r, c] = second[r, c], second_fold[r, c]
                    second_fold[r, c] = -1
                missing += q >= 0 and used_fold[r, c] != q
                product_at[0, r, c, 0], product_at[0, r, c, 1] = q if stayed == 0 else -1, i
                for x in range(m_lanes):
                    for y in range(n_lanes):
                        product[0, r, c, x, y] = number[r, c, x] * used[r, c, y]
                        if q >= 0 and i * m_lanes + x < m and (q // folds * columns + c) * n_lanes + y < n:
                            busy[r, c] += stayed == 0 and r < lengths[q % folds]
                            last_accumulation = cycle + 1
                # Written at the end of the cycle: the flag that passes in this very cycle still finds what was there.
                q = loads[r, c - 1] if c > 0 else loads_wait[r, r * (interval - 1)]
                loads[r, c] = q
                for y in range(n_lanes if q >= 0 else 0):
                    column = (q // folds * columns + c) * n_lanes + y
                    real = r < lengths[q % folds] and column < n
                    second[r, c, y] = held[starts[q % folds] + r, column] if real else 0
                if q >= 0 and double_buffered:
                    overwritten += second_fold[r, c] >= 0
                    second_fold[r, c] = q
                elif q >= 0:  # there is no second register
                    used[r, c], used_fold[r, c] = second[r, c], q
        cycle += 1
    return sums, sum_cycle, busy, last_accumulation, overwritten, missing, early
