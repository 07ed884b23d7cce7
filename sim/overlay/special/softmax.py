"""Softmax of rows of scores, masked entries left out.

For row ``x`` with ``seen`` entries, and ``scale`` of the instruction, rounded to fp32::

    u[k] = fixed(x[k], fp32(scale * fp32(LOG2E)))        units of 2**-18
    top  = the greatest u[k] >> 18 of seen entries       phase one, first pass
    e[k] = exp2(u[k] - top * 2**18), +0 where not seen   in [0, 2)
    r    = reciprocal(row_total(e))                      phase one, second pass
    p[k] = fp16(fp32(e[k] * r))                          phase two; +0 where not seen

``top`` is an integer, so ``e`` is exactly the exponential of ``u`` shifted: no difference of scores is rounded. The greatest
``e`` is in [1, 2), and what is beneath ``2**-63`` is 0. Entries that are not seen, and entries behind the row, change no bit.

Errors of a result, relative: twice 1.9e-6 of ``exp2``, 1.3e-6 of a rounded ``u`` and 2.4e-6 of the factor (differences
of scores beyond 18 end below fp16), once for the entry and once for the sum; 1.3e-6 of the reciprocal, and those of the sum's
additions. :func:`error_bound` puts them in units of a result's last fp16 place.
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, demand
from sim.overlay.special.functions import LOG2E, exp2, fixed, reciprocal
from sim.overlay.special.numbers import Halves, check_rows, rounded
from sim.overlay.special.reduction import row_totals, sum_error
from sim.overlay.special.tables import FRACTION_BITS

RELATIVE_ERROR = 1.25e-5
"""Of a probability before it is rounded to fp16, without the error of the sum."""

LOWEST = -1 << 40
"""For ``u`` where nothing is seen: an exponential of 0."""


def softmax(scores: Halves, scale: float, lanes: int, seen: NDArray[np.bool_] | None = None) -> Halves:
    """Probabilities ``[rows, columns]`` of scores times ``scale``, of those that are ``seen [rows, columns]`` (or all).

    Raises ``InputError`` for a scale beyond 1 or not positive, and for a row that sees nothing.
    """
    check_rows("softmax", scores)
    demand("scale of softmax", scale, float)
    if not 2.0**-24 <= scale <= 1:
        raise InputError(f"scale of softmax is between 2**-24 and 1, not {scale}")
    u = fixed(scores, np.float32(scale) * np.float32(LOG2E))
    if seen is not None:
        if seen.shape != scores.shape or not seen.any(axis=1).all():
            raise InputError(f"each row of softmax sees one of its {scores.shape[1]} scores at least, which is not so here")
        u = np.where(seen, u, LOWEST)
    top = u.max(axis=1, keepdims=True) >> FRACTION_BITS
    e = exp2(u - (top << FRACTION_BITS))
    return rounded("softmax", e * reciprocal(row_totals(e, lanes)))


def error_bound(columns: int, lanes: int) -> float:
    """How far a probability is from the exact one, in units of its last fp16 place, which is at least ``2**-11`` of it."""
    return 0.5 + (RELATIVE_ERROR + sum_error(columns, lanes)) * 2**11
