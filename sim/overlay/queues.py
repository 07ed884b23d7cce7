"""Units in order, their queues and tokens, in time.

A cycle dispatches one instruction, in the program's order, to the queue of its unit, when there is room. An instruction begins
when it is in its queue, the one before it in the unit has left it, and its tokens are there:

    dispatched = max(dispatched before + 1, begin of the instruction ``queue`` before it in its unit)
    begin      = max(dispatched + 1, free of the unit, every token)
    free       = begin + busy
    end        = begin + busy + latency       when its tokens are given, the cycle from which others may begin

A ``barrier`` and the ``end`` wait for all ends before them, and nothing is dispatched behind a barrier before. A store holds up
the load that is under way when it begins, or else the first one that begins before the store's unit is free, by its ``hold``:
that load is busy for so much longer. So instructions are looked at in the order of their begins.
"""

import numba
import numpy as np

from sim.overlay.isa.instructions import UNITS

KINDS = len(UNITS)
LOAD, STORE = UNITS.index("load"), UNITS.index("store")


@numba.njit(cache=True)
def run(units, waits, signals, busy, latency, hold, stops, queue):  # type: ignore[no-untyped-def]
    """Of each instruction when it is dispatched, when it begins and when its unit is free [cycle].

    ``units`` are numbers of :data:`sim.overlay.isa.UNITS`, ``waits`` and ``signals`` have a bit for each; ``stops`` are
    barriers and the end. The program is not malformed.
    """
    count = len(units)
    dispatched, begin, free = np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int64)
    # Numbers of each unit's instructions in order, how many of them are dispatched, and how many have begun.
    order, issued, begun = np.zeros((KINDS, count), np.int64), np.zeros(KINDS, np.int64), np.zeros(KINDS, np.int64)
    # Numbers of the instructions that give a unit's tokens to another, how many are given, and how many are taken.
    givers = np.zeros((KINDS, KINDS, count), np.int64)
    given, taken = np.zeros((KINDS, KINDS), np.int64), np.zeros((KINDS, KINDS), np.int64)
    clock, following, pending, until = -1, 0, 0, 0
    for past in range(count):
        clock, following = _dispatch(clock, following, past, units, stops, queue, dispatched, begin, order, issued, begun)
        start, u = -1, -1
        for v in range(KINDS):
            if begun[v] < issued[v]:
                at = _earliest(v, past, order, begun, dispatched, free, latency, waits, givers, given, taken, stops)
                if at >= 0 and (u < 0 or at < start):
                    start, u = at, v
        i = order[u, begun[u]]
        begin[i], free[i] = start, start + busy[i]
        for v in range(KINDS):
            taken[v, u] += waits[i] >> v & 1
            if signals[i] >> v & 1:
                givers[u, v, given[u, v]] = i
                given[u, v] += 1
        if stops[i]:
            clock = start
        if u == STORE:
            pending, until = hold[i], free[i]
        loading = order[LOAD, begun[LOAD] - (u != LOAD)]
        if start < until and begun[LOAD] + (u == LOAD) and free[loading] > start:
            free[loading] += pending
            pending = 0
        begun[u] += 1
    return dispatched, begin, free


@numba.njit(cache=True)
def _dispatch(clock, following, past, units, stops, queue, dispatched, begin, order, issued, begun):  # type: ignore[no-untyped-def]
    """What can be dispatched by what has begun; the last cycle of it, and the instruction that is next."""
    while following < len(units) and (past == following or not stops[following - 1]):
        u = units[following]
        if issued[u] - begun[u] >= queue:
            break
        clock += 1
        if issued[u] >= queue:
            clock = max(clock, begin[order[u, issued[u] - queue]])
        dispatched[following], order[u, issued[u]] = clock, following
        issued[u] += 1
        following += 1
    return clock, following


@numba.njit(cache=True)
def _earliest(u, past, order, begun, dispatched, free, latency, waits, givers, given, taken, stops):  # type: ignore[no-untyped-def]
    """When the instruction at the head of a unit's queue may begin, by what has begun; -1 where a token is not given."""
    i = order[u, begun[u]]
    at = dispatched[i] + 1
    if begun[u]:
        at = max(at, free[order[u, begun[u] - 1]])
    for v in range(KINDS):
        if waits[i] >> v & 1:
            if given[v, u] == taken[v, u]:
                return -1
            giver = givers[v, u, taken[v, u]]
            at = max(at, free[giver] + latency[giver])
        if stops[i] and begun[v]:
            last = order[v, begun[v] - 1]
            at = max(at, free[last] + latency[last])
    return at if past == i or not stops[i] else -1
