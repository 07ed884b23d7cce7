"""Operations of one number each: every elementary one is that of fp16 (or of fp32 where it says so), to nearest even.

Sums and products of fp16 numbers are computed in fp32 and rounded to fp16, which is the correctly rounded result, for fp32
has more than twice the significand's bits and two (S. Figueroa, "When is double rounding innocuous?", SIGNUM 1995).

With ``x >= 0`` told by ``x`` itself, so that a negative zero is not negative, and ``e``, ``1/d`` by :mod:`.functions`::

    silu       e = exp2(-fixed(|x|, LOG2E))
    gelu_tanh  e = exp2(-fixed(min(|x| * (C1 + C3 * (x*x)), 64)))          products and sum in fp32
               silu and gelu_tanh: d = fp32(1 + e), s = 1/d for x >= 0, fp32(e * (1/d)) for x < 0;  y = fp16(fp32(x * s))

    gelu       e = exp2(-GAUSS(fixed(|x|))) for |x| < 6, interpolated, and 0 from there on
               s = fp32(1 - e) for x >= 0, e for x < 0;  y = fp16(fp32(x * s))

``silu`` is ``x / (1 + exp(-x))``. ``gelu`` is ``x * (1 - Q(x))`` by the error function; ``gelu_tanh`` puts
``x / (1 + exp(-2 z))``, ``z = sqrt(2/pi) * (x + 0.044715 x**3)``, in its place (Hendrycks, Gimpel, arXiv 1606.08415).
The results of all three are within :data:`ULP` of the exact ones.
"""

import math

import numpy as np

from sim.errors import InputError
from sim.overlay.special.functions import LOG2E, Floats, exp2, fixed, interpolated, reciprocal
from sim.overlay.special.numbers import Halves, check_halves, rounded
from sim.overlay.special.tables import GAUSS, GAUSS_END

C1 = np.float32(2 * math.sqrt(2 / math.pi) * LOG2E)
C3 = np.float32(2 * math.sqrt(2 / math.pi) * 0.044715 * LOG2E)

LARGEST_POWER = np.float32(64)
"""Beyond, an exponential is 0."""

ULP = 0.504
"""Error of ``silu`` and both forms of ``gelu`` in units of the last fp16 place of the exact result."""


def add(a: Halves, b: Halves) -> Halves:
    """``a + b``: residuals, biases, learned positions. ``b`` may be one row for all."""
    check_halves("add", a, b)
    return rounded("add", a.astype(np.float32) + b.astype(np.float32))


def multiply(a: Halves, b: Halves) -> Halves:
    """``a * b``, each by each: a gate. ``b`` may be one row for all."""
    check_halves("multiply", a, b)
    return rounded("multiply", a.astype(np.float32) * b.astype(np.float32))


def relu(x: Halves) -> Halves:
    """``x`` where it is positive, else +0."""
    check_halves("relu", x)
    return np.where(x > 0, x, np.float16(0))


def rotary(x: Halves, cos: Halves, sin: Halves) -> Halves:
    """Pairs ``(i, i + d/2)`` of the last axis ``d`` turned by angles whose ``cos`` and ``sin`` ``[..., d]`` are given::

        y[i]       = fp16(fp16(x[i] * cos[i]) + fp16(-x[i + d/2] * sin[i]))
        y[i + d/2] = fp16(fp16(x[i + d/2] * cos[i + d/2]) + fp16(x[i] * sin[i + d/2]))

    as Hugging Face's networks have it. Raises ``InputError`` for an odd ``d``, or angles of another.
    """
    check_halves("rotary", x, cos, sin)
    if x.shape[-1] % 2 or {cos.shape[-1], sin.shape[-1]} != {x.shape[-1]}:
        raise InputError(f"rotary takes rows of one even length, not {x.shape[-1]}, {cos.shape[-1]} and {sin.shape[-1]}")
    half = x.shape[-1] // 2
    turned = np.concatenate([-x[..., half:], x[..., :half]], axis=-1)
    return add(multiply(x, cos), multiply(turned, sin))


def silu(x: Halves) -> Halves:
    """``x / (1 + exp(-x))``."""
    check_halves("silu", x)
    return rounded("silu", _gated(x, exp2(-fixed(np.abs(x), np.float32(LOG2E)))))


def gelu_tanh(x: Halves) -> Halves:
    """The Gaussian error linear unit in the form with the hyperbolic tangent."""
    check_halves("gelu_tanh", x)
    a = np.abs(x).astype(np.float32)
    w = a * (C1 + C3 * (a * a))
    return rounded("gelu_tanh", _gated(x, exp2(-fixed(np.minimum(w, LARGEST_POWER)))))


def gelu(x: Halves) -> Halves:
    """The Gaussian error linear unit in the form with the error function."""
    check_halves("gelu", x)
    a = np.abs(x)
    h = interpolated(GAUSS, fixed(np.minimum(a, np.nextafter(np.float16(GAUSS_END), np.float16(0)))))
    e = np.where(a < GAUSS_END, exp2(-h), np.float32(0))
    return rounded("gelu", x.astype(np.float32) * np.where(x >= 0, np.float32(1) - e, e))


def _gated(x: Halves, e: Floats) -> Floats:
    """``x / (1 + e)`` or, where ``x`` is negative, ``x * e / (1 + e)``."""
    r = reciprocal(np.float32(1) + e)
    return x.astype(np.float32) * np.where(x >= 0, r, e * r)
