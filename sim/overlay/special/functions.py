"""Exponential, reciprocal and inverse root: what the operations of the special-function unit are made of.

Numbers in fixed point are integers; ``>>`` rounds down. fp32 is rounded to nearest even.

``exp2`` of ``u`` in units of ``2**-18``::

    n = u >> 18,  i = (u >> 10) % 256,  j = u % 1024
    t = EXP2[i] + (((EXP2[i+1] - EXP2[i]) * j + 512) >> 10)         21 bits; the product has 23
    result = t * 2**(n - 20), exact in fp32; 0 where n < -63

``reciprocal`` of a normal fp32 number ``m * 2**(e - 23)`` with ``2**23 <= m < 2**24``::

    y = RECIPROCAL[(m >> 14) - 512]                                 14 bits
    d = (2**38 - m * y) >> 14                                       the product has 38 bits, d has 24
    r = (y * d + 2**12) >> 13                                       the product has 38 bits
    result = r * 2**(-24 - e), r at most 2**24

``inverse_root`` of a normal fp32 number, with ``e`` even, and ``m`` doubled (``p = 1``) where it was odd (else ``p = 0``)::

    y = ROOT[256*p + ((m >> (15 + p)) - 256)]                       14 bits
    d = (3 * 2**51 - m * (y * y)) >> 28                             the products have 28 and 53 bits, d has 25
    r = (y * d + 2**13) >> 14                                       the product has 39 bits
    result = r * 2**(-24 - e/2), r at most 2**24

Relative errors are at most ``EXP2_ERROR``, ``RECIPROCAL_ERROR`` and ``ROOT_ERROR``.
"""

import numpy as np
from numpy.typing import NDArray

from sim.overlay.special.tables import EXP2, EXP2_BITS, FRACTION_BITS, RECIPROCAL, ROOT, SEED_BITS, STEP_BITS, Table

Floats = NDArray[np.float32]

LOG2E = 1.4426950408889634
"""Base-2 logarithm of e, in float64."""

LEAST_POWER = -63
"""Exponentials whose integer part is beneath this are 0: a shift has six bits."""

EXP2_ERROR = 1.9e-6
"""A chord above the curve, ``(ln 2 / 256)**2 / 8``, and two roundings of half a unit of ``2**-20`` each."""

RECIPROCAL_ERROR = 1.3e-6
"""The square of the seed's error ``2**-10 + 2**-14``, and a rounding down by ``2**-23`` and one by ``2**-24``."""

ROOT_ERROR = 2.0e-6
"""One and a half times the square of the seed's error ``2**-10 + 2**-14``, a rounding down by ``2**-23``, one by ``2**-24``."""

_STEPS = 1 << STEP_BITS
_ENTRIES = 1 << (FRACTION_BITS - STEP_BITS)


def fixed(numbers: NDArray[np.float16] | Floats, factor: np.float32 | float = 1.0) -> Table:
    """Numbers times ``factor`` (fp32) in units of ``2**-18``, exact but for one rounding to nearest, halves up.

    The product of two significands, of 11 and 24 bits or less, is exact; so it is here in float64.
    """
    products = numbers.astype(np.float64) * (float(factor) * 2.0**FRACTION_BITS)
    return np.floor(products + 0.5).astype(np.int64)


def interpolated(table: Table, u: Table) -> Table:
    """Between the entries of a table at ``u`` in units of ``2**-18``, 256 entries to 1; halves are rounded up."""
    i, j = u >> STEP_BITS, u & (_STEPS - 1)
    low = table[i]
    between: Table = low + (((table[i + 1] - low) * j + _STEPS // 2) >> STEP_BITS)
    return between


def exp2(u: Table) -> Floats:
    """Two to the power ``u * 2**-18``."""
    n = u >> FRACTION_BITS
    t = interpolated(EXP2, u & ((1 << FRACTION_BITS) - 1)).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        powers = np.ldexp(t, np.maximum(n, LEAST_POWER).astype(np.int32) - EXP2_BITS)
    return np.where(n < LEAST_POWER, np.float32(0), powers)


def reciprocal(numbers: Floats) -> Floats:
    """One over positive normal fp32 numbers."""
    m, e = _parts(numbers)
    y = RECIPROCAL[(m >> 14) - 512]
    d = ((1 << 38) - m * y) >> SEED_BITS
    r = (y * d + (1 << 12)) >> 13
    return _scaled(r, -24 - e)


def inverse_root(numbers: Floats) -> Floats:
    """One over the square root of positive normal fp32 numbers."""
    m, e = _parts(numbers)
    odd = e & 1
    y = ROOT[256 * odd + (m >> 15) - 256]
    d = ((3 << 51) - (m << odd) * (y * y)) >> 28
    r = (y * d + (1 << 13)) >> 14
    return _scaled(r, -24 - ((e - odd) >> 1))


def _scaled(r: Table, exponents: NDArray[np.int32]) -> Floats:
    found: Floats = np.ldexp(r.astype(np.float32), exponents)
    return found


def _parts(numbers: Floats) -> tuple[Table, NDArray[np.int32]]:
    """Significands of 24 bits and exponents: ``m * 2**(e - 23)``."""
    fractions, exponents = np.frexp(numbers)
    return np.ldexp(fractions, 24).astype(np.int64), exponents - 1
