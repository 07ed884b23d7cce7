"""What goes into the special-function unit and what comes out: finite fp16 numbers."""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, demand

Halves = NDArray[np.float16]


def check_halves(operation: str, *operands: Halves) -> None:
    """Raise ``TypeError`` for operands that are no fp16 arrays, ``InputError`` for infinities and NaN."""
    for operand in operands:
        demand(f"operand of {operation}", operand, np.ndarray)
        if operand.dtype != np.float16:
            raise TypeError(f"operand of {operation} is of type float16, not {operand.dtype}")
        finite = np.isfinite(operand)
        if not finite.all():
            raise InputError(f"operands of {operation} are finite numbers, not {operand[~finite][0]}")


def check_rows(operation: str, rows: Halves, *vectors: Halves) -> None:
    """As :func:`check_halves`, and ``InputError`` unless there are ``rows [m, n]`` and vectors ``[n]``."""
    check_halves(operation, rows, *vectors)
    if rows.ndim != 2 or 0 in rows.shape:
        raise InputError(f"rows of {operation} have two axes of at least 1, not shape {rows.shape}")
    for vector in vectors:
        if vector.shape != rows.shape[1:]:
            raise InputError(f"rows of {operation} have {rows.shape[1]} numbers, and so have their weights, not {vector.shape}")


def rounded(operation: str, results: NDArray[np.float32]) -> Halves:
    """fp32 results as fp16, to nearest even; ``InputError`` for one that does not fit."""
    with np.errstate(over="ignore"):
        halves = results.astype(np.float16)
    finite = np.isfinite(halves)
    if not finite.all():
        raise InputError(f"results of {operation} are fp16 numbers, at most 65504 in size, not {results[~finite][0]}")
    return halves
