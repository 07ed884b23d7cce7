"""RMSNorm and LayerNorm of rows, in fp32 between fp16 and fp16.

With ``1/n = fp32(1 / columns)``, a constant of the instruction, and every operation rounded to fp32::

    rms_norm    v = row_total(x * x) * 1/n + epsilon                  phase one
                y = fp16((x * inverse_root(v)) * weight)              phase two

    layer_norm  mean = row_total(x) * 1/n                             phase one, first pass
                v = row_total((x - mean) * (x - mean)) * 1/n + epsilon   phase one, second pass
                y = fp16(((x - mean) * inverse_root(v)) * weight + bias) phase two

(Zhang, Sennrich, arXiv 1910.07467; Ba, Kiros, Hinton, arXiv 1607.06450). The second pass over a row of LayerNorm avoids the
difference of two large sums. ``epsilon`` of the instruction is rounded to fp32.

Errors, beside the last rounding to fp16: of ``rms_norm``, relative, 2e-6 of the root, 5 roundings of ``2**-24`` and half the
error of the sum. Of ``layer_norm`` the same of ``y - bias``, a rounding of ``y``, and ``|weight|`` times what the mean is off
by, over the deviation: the error of the sum and two roundings, of the mean magnitude of ``x``. It is felt where a row's mean
is hundreds of times its deviation.
"""

import numpy as np

from sim.errors import InputError, demand
from sim.overlay.special.functions import Floats, inverse_root
from sim.overlay.special.numbers import Halves, check_rows, rounded
from sim.overlay.special.reduction import row_totals

LEAST_EPSILON = 2.0**-100
"""Far below what networks have; the root is of a normal number then, though a row be all zeros."""


def rms_norm(x: Halves, weight: Halves, epsilon: float, lanes: int) -> Halves:
    """Rows ``[rows, columns]`` over their root mean square, times ``weight [columns]``."""
    check_rows("rms_norm", x, weight)
    numbers = x.astype(np.float32)
    root = _inverse_deviation(numbers, epsilon, lanes)
    return rounded("rms_norm", numbers * root * weight.astype(np.float32))


def layer_norm(x: Halves, weight: Halves, bias: Halves, epsilon: float, lanes: int) -> Halves:
    """Rows ``[rows, columns]`` less their mean, over their deviation, times ``weight`` plus ``bias`` ``[columns]``."""
    check_rows("layer_norm", x, weight, bias)
    numbers = x.astype(np.float32)
    centered = numbers - _mean(numbers, lanes)
    root = _inverse_deviation(centered, epsilon, lanes)
    return rounded("layer_norm", centered * root * weight.astype(np.float32) + bias.astype(np.float32))


def _mean(numbers: Floats, lanes: int) -> Floats:
    return row_totals(numbers, lanes) * np.float32(1 / numbers.shape[1])


def _inverse_deviation(numbers: Floats, epsilon: float, lanes: int) -> Floats:
    demand("epsilon of a norm", epsilon, float)
    if not LEAST_EPSILON <= epsilon <= 1:
        raise InputError(f"epsilon of a norm is between 2**-100 and 1, not {epsilon}")
    return inverse_root(_mean(numbers * numbers, lanes) + np.float32(epsilon))
