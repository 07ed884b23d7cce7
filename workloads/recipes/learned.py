"""Learned rounding: whether each weight goes to the nearer or the farther of its two neighbours is found by descent.

Nagel et al., "Up or down? Adaptive rounding for post-training quantization", ICML 2020 (AdaRound): the choice is
relaxed to ``h(V)`` in [0, 1], a rectified sigmoid, and a regularizer ``sum 1 - |2 h(V) - 1|**beta`` drives it to either end
while ``beta`` falls. The start is the float weights. Here neighbours are those of any format, and all calibration activations
are in every step, by their second moment. AIMET and Brevitas have it for integers in modules of torch.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.quantized import QuantizedTensor, Scheme
from workloads.recipes.calibration import Double, check_operands, output_errors, second_moment
from workloads.recipes.clipping import Start, by_mse
from workloads.recipes.compensation import better_outputs
from workloads.recipes.layer import QuantizedLayer

STRETCH = (-0.1, 1.1)
"""Ends of the sigmoid before it is cut to [0, 1]: the paper's gamma and zeta."""

WARM_UP = 0.2
"""Part of the steps without the regularizer, as AIMET has it."""

SHARPNESS = (20.0, 2.0)
"""Exponent of the regularizer, first and last, as AIMET has them: at first it moves only what is near an end."""

WEIGHT = 1.0
"""Of the regularizer, whose term of a weight is at most 1, where the error of rounding to nearest is 1 for a weight."""

LEAST_GAIN = 1e-9
"""Of an output's error when rounded to nearest: less is taken for rounding of float64, and would go round in circles."""

STEPS = 500
RATE = 0.05
"""Of Adam (Kingma and Ba, ICLR 2015), with its authors' other constants."""

Choice = NDArray[np.bool_]


def learned_rounding(
    weights: NDArray[np.float32], activations: NDArray[np.float32], scheme: Scheme, start: Start = by_mse, steps: int = STEPS
) -> QuantizedLayer:
    """Weights ``[k, n]`` rounded up or down so that outputs for activations ``[m, k]`` change little, by scales of ``start``.

    What descent leaves is settled: no weight that goes to its other neighbour lowers the error of its output. Of each output
    the better of this and rounding to nearest is kept.
    """
    check_operands(weights, activations)
    moment = second_moment(activations)
    nearer = start(weights, scheme)
    farther = replace(nearer, codes=codes_beyond(weights, nearer))
    near, far = (tensor.dequantize().astype(np.float64) for tensor in (nearer, farther))
    chosen = settled(near - weights, far - near, moment, descended(near - weights, far - near, moment, steps))
    learned = replace(nearer, codes=np.where(chosen, farther.codes, nearer.codes))
    return QuantizedLayer.of(better_outputs(weights, moment, nearer, learned))


def codes_beyond(weights: NDArray[np.float32], tensor: QuantizedTensor) -> NDArray[np.unsignedinteger]:
    """Of each weight the code next to its nearest one on the weight's other side; the same where there is none."""
    reals = tensor.format.reals
    finite = np.flatnonzero(np.isfinite(reals))
    numbers, first = np.unique(reals[finite] + 0.0, return_index=True)  # -0 + 0 is 0
    places = np.searchsorted(numbers, reals[tensor.codes])
    side = np.sign(weights - tensor.dequantize().astype(np.float64)).astype(np.intp)
    beyond = np.clip(places + side, 0, len(numbers) - 1)
    return np.where(beyond == places, tensor.codes, finite[first][beyond].astype(tensor.codes.dtype))


def descended(start: Double, gap: Double, moment: Double, steps: int) -> Choice:
    """Which weights ``[k, n]`` go to the farther neighbour, by ``steps`` of Adam from the float weights.

    ``start`` is the error of rounding to nearest, ``gap`` from there to the farther neighbour.
    """
    total = output_errors(moment, start).sum()
    if total == 0:
        return np.zeros(start.shape, bool)
    low, high = STRETCH
    fraction = np.clip(np.divide(-start, gap, out=np.zeros_like(gap), where=gap != 0), 0, 1)
    v = -np.log((high - low) / (fraction - low) - 1)
    mean, square = np.zeros_like(v), np.zeros_like(v)
    for step in range(1, steps + 1):
        sigmoid = 1 / (1 + np.exp(-v))
        h = np.clip(sigmoid * (high - low) + low, 0, 1)
        slope = 2 * (moment @ (start + h * gap)) * gap * (v.size / total)
        done = (step / steps - WARM_UP) / (1 - WARM_UP)
        if done > 0:
            sharpness = SHARPNESS[1] + (SHARPNESS[0] - SHARPNESS[1]) * (1 + np.cos(np.pi * done)) / 2
            slope -= WEIGHT * 2 * sharpness * np.sign(2 * h - 1) * np.abs(2 * h - 1) ** (sharpness - 1)
        slope *= (high - low) * sigmoid * (1 - sigmoid) * ((h > 0) & (h < 1))
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        v -= RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    chosen: Choice = (v > 0) & (gap != 0)
    return chosen


def settled(start: Double, gap: Double, moment: Double, chosen: Choice) -> Choice:
    """The choice after all changes of one weight, the best of each output first, that lower the output's error."""
    chosen, outputs, diagonal = chosen.copy(), np.arange(start.shape[1]), np.diagonal(moment)[:, None]
    slope = moment @ (start + chosen * gap)
    least_gain = LEAST_GAIN * output_errors(moment, start)
    while True:
        change = np.where(chosen, -gap, gap)
        gains = -change * (2 * slope + change * diagonal)
        best = gains.argmax(axis=0)
        n = outputs[gains[best, outputs] > least_gain]
        if not n.size:
            return chosen
        k = best[n]
        slope[:, n] += moment[:, k] * change[k, n]
        chosen[k, n] ^= True
