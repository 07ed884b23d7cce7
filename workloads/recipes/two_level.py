"""Two levels of scales: int8 ones per group below an fp16 one per channel, as QServe and as DGQ find them.

What is left of a group after its int8 scale is an integer of 8 bits, ``scale * (code - zero)``, so that an int8 array takes
expanded weights and applies nothing but the channel's scale. Neither paper's code is a library; both are for integers alone.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme, codes_of, quantize
from sim.quantized.blocks import extremes
from sim.quantized.scales import SCALE_FORMATS
from workloads.recipes.calibration import check_operands, output_errors, second_moment
from workloads.recipes.clipping import Start, by_mse
from workloads.recipes.layer import QuantizedLayer

LEVELS = (ScaleLevel("channel", "fp16"), ScaleLevel("group", "int8"))
FP16 = SCALE_FORMATS["fp16"]
INT8 = np.iinfo(np.int8)

STEPS: Sequence[int] = (1, 2, 4, *range(8, 25), 32, 48, 64, 96, 127)
"""What the largest scale of a channel's groups becomes, tried one after the other."""


def progressive(weights: NDArray[np.float32], activations: NDArray[np.float32], scheme: Scheme) -> QuantizedLayer:
    """Rounded to int8 per channel first, and that rounded again per group, with a scale that is an integer.

    Lin et al., "QServe: W4A8KV4 quantization and system co-design for efficient LLM serving", MLSys 2025, progressive group
    quantization. The first rounding stays inside :func:`protective_range`. Raises ``InputError`` for a scheme without scales
    per group.
    """
    check_operands(weights, activations)
    one_level = _of_groups(scheme)
    channel = FP16.round_scale(
        np.abs(weights).max(axis=0, keepdims=True).astype(np.float64) / protective_range(scheme), FP16.of_zeros
    )
    wide = channel.astype(np.float32)
    eight = np.clip(np.rint(weights / wide), INT8.min, INT8.max).astype(np.float32)
    fine = quantize(eight, one_level, axis=0)
    group = np.clip(np.rint(fine.level_values(0)), 1, INT8.max)
    zero = None
    if scheme.zero != "none":
        low = np.minimum(extremes(eight, fine.scales[0].shape, 0, scheme.group_size)[0], 0)
        zero = (low * wide).astype(np.float16) if scheme.zero == "minimum" else _points(low, group, scheme)
    target = replace(fine.scheme, levels=LEVELS)
    return QuantizedLayer.of(_rounded(eight * wide, target, channel, group, zero))


def protective_range(scheme: Scheme) -> int:
    """The largest magnitude of the first rounding that the second, half a step off at most, leaves within 127: 119 of uint4."""
    numbers = np.unique(scheme.format.reals[np.isfinite(scheme.format.reals)])
    half_step = (numbers[-1] - numbers[-2]) / 2 / numbers[-1]
    return int(INT8.max / (1 + (half_step if scheme.zero == "none" else 2 * half_step)))


def dual_grained(
    weights: NDArray[np.float32], activations: NDArray[np.float32], scheme: Scheme, start: Start = by_mse
) -> QuantizedLayer:
    """Scales of ``start`` per group, and the channel's scale of which their nearest multiples err least for the outputs.

    Zhang et al., "Dual grained quantization: efficient fine-grained quantization for LLM", arXiv 2310.04836, the two-phase grid
    search. A channel's scale by which an integer format would expand beyond int8 is left out. Raises ``InputError`` for a
    scheme without scales per group.
    """
    check_operands(weights, activations)
    moment = second_moment(activations)
    fine = start(weights, _of_groups(scheme))
    exact = fine.level_values(0).astype(np.float64)
    target = replace(fine.scheme, levels=LEVELS)
    best, least = None, np.full(weights.shape[1], np.inf)
    for steps in STEPS:
        channel = FP16.round_scale(exact.max(axis=0, keepdims=True) / steps, FP16.of_zeros)
        group = np.clip(np.rint(exact / channel.astype(np.float64)), 1, INT8.max)
        tried = _rounded(weights, target, channel, group, fine.zero)
        errors = output_errors(moment, tried.dequantize() - weights.astype(np.float64))
        better = (errors < least) & fits_int8(tried)
        least = np.where(better, errors, least)
        if best is not None:
            scales = tuple(np.where(better, ours, theirs) for ours, theirs in zip(tried.scales, best.scales, strict=True))
            tried = replace(tried, codes=np.where(better, tried.codes, best.codes), scales=scales)
        best = tried
    assert best is not None
    return QuantizedLayer.of(best)


def fits_int8(tensor: QuantizedTensor) -> NDArray[np.bool_]:
    """Whether all weights of an output ``[n]``, expanded by their groups' scales, are integers of 8 bits."""
    if not tensor.format.is_integer:
        return np.ones(tensor.shape[1], bool)
    expanded = tensor.centered * np.repeat(tensor.scales[1].astype(np.int64), tensor.group_size, axis=0)[: tensor.shape[0]]
    fits: NDArray[np.bool_] = np.all((expanded >= INT8.min) & (expanded <= INT8.max), axis=0)
    return fits


def _of_groups(scheme: Scheme) -> Scheme:
    if not scheme.group_size:
        per = ", ".join(level.per for level in scheme.levels)
        raise InputError(f"two levels of scales are made from a scheme with scales per group, not with {per or 'none'}")
    return replace(scheme, levels=(ScaleLevel("group", "fp16"),))


def _points(low: NDArray[np.float32], group: NDArray[np.floating], scheme: Scheme) -> NDArray[np.generic]:
    return np.clip(np.rint(-low / group), 0, scheme.format.largest).astype(scheme.code_dtype)


def _rounded(
    weights: NDArray[np.float32],
    target: Scheme,
    channel: NDArray[np.generic],
    group: NDArray[np.floating],
    zero: NDArray[np.generic] | None,
) -> QuantizedTensor:
    scales = (channel, group.astype(np.uint8))
    return QuantizedTensor(codes_of(weights, target, 0, scales, zero), target, 0, scales, zero)
