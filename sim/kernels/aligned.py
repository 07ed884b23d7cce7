"""An accumulator that aligns the products of a group to the largest exponent among them, and truncates."""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.kernels.compiled import compiled
from sim.kernels.operands import check_shapes
from sim.kernels.threads import share
from sim.kernels.tiles import COLUMNS, take

NOTHING = -(1 << 20)
"""Stands for the exponent of zero: no product of zero is as large as any other."""

SUM_BITS = 63


def aligned_group_sums(
    a_significand: NDArray[np.int32],
    a_exponent: NDArray[np.int16],
    w_codes: NDArray[np.unsignedinteger],
    w_significand: NDArray[np.int32],
    w_exponent: NDArray[np.int16],
    guard: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Integers and exponents, int64 and int32 ``[m, n]``, of one group: its value is ``sum * 2**(exponent - guard)``.

    Operands are ``significand * 2**exponent``: activations ``[m, k]``, weights by code from two tables, codes uint8 or
    uint16 ``[k, n]``. A product has the significands' product and the exponents' sum. The group's exponent is the
    largest among the products that are not zero (0 if all are), and each product contributes
    ``floor(significand * 2**(its exponent - exponent + guard))``: bits beyond the guard are cut off towards minus
    infinity. These integers are added exactly: ``k * max|a| * max|w| * 2**guard`` must be less than 2**63.

    One group a call: a caller takes the groups in order of ``k``. Raises ``InputError`` for that bound, types or shapes.
    """
    check_shapes(a_significand, w_codes)
    if a_exponent.shape != a_significand.shape or w_exponent.shape != w_significand.shape:
        raise InputError(f"each significand has one exponent, not {a_exponent.shape} and {w_exponent.shape} of them")
    if w_codes.dtype not in (np.uint8, np.uint16) or w_codes.max() >= len(w_significand):
        raise InputError(f"codes are uint8 or uint16 and less than {len(w_significand)}, not {w_codes.max()}")
    largest = len(w_codes)
    for significand in (a_significand, w_significand):
        largest *= max(int(significand.max()), -int(significand.min()))
    if guard < 0 or largest << max(guard, 0) >= 1 << SUM_BITS:
        raise InputError(f"guard bits are not negative and sums below 2**{SUM_BITS}, not {guard} bits, {largest} << {guard}")
    m, n = len(a_significand), w_codes.shape[1]
    sums, exponents = np.empty((m, n), np.int64), np.empty((m, n), np.int32)
    a_s, w_s = (np.ascontiguousarray(x, np.int64) for x in (a_significand, w_significand))
    a_e, w_e = (np.where(s == 0, np.int32(NOTHING), e) for s, e in ((a_significand, a_exponent), (w_significand, w_exponent)))
    share(_aligned, a_s, a_e, np.ascontiguousarray(w_codes), w_s, w_e, guard, sums, exponents, pieces=-(-n // COLUMNS))
    return sums, exponents


@compiled
def _aligned(counter, a_s, a_e, codes, w_s, w_e, guard, sums, exponents):  # type: ignore[no-untyped-def]  # noqa: C901 - one nest of loops
    m, k = a_s.shape
    n = codes.shape[1]
    significands = np.zeros((k, COLUMNS), np.int64)
    places = np.full((k, COLUMNS), NOTHING, np.int32)
    total, top = np.empty(COLUMNS, np.int64), np.empty(COLUMNS, np.int32)
    while True:
        left = take(counter) * COLUMNS
        if left >= n:
            return
        width = min(COLUMNS, n - left)
        for i in range(k):
            for x in range(width):
                code = codes[i, left + x]
                significands[i, x], places[i, x] = w_s[code], w_e[code]
        for row in range(m):
            top[:] = 2 * NOTHING
            for i in range(k):
                exponent, of_w = a_e[row, i], places[i]
                for x in range(COLUMNS):
                    top[x] = max(top[x], exponent + of_w[x])
            total[:] = 0
            for i in range(k):
                exponent, significand, of_w, numbers = a_e[row, i], a_s[row, i], places[i], significands[i]
                for x in range(COLUMNS):
                    # Up by the guard first, which the bound allows. A shift by 63 leaves the sign; 64 would be undefined.
                    down = min(top[x] - exponent - of_w[x], SUM_BITS)
                    total[x] += ((significand * numbers[x]) << guard) >> down
            for x in range(width):
                sums[row, left + x] = total[x]
                exponents[row, left + x] = top[x] if top[x] > NOTHING // 2 else 0
