"""How real numbers become a quantized tensor. Here, and only here, reals are rounded to codes.

What a scale is the rounding of, with ``amax`` the greatest magnitude of what shares the scale:

    symmetric integer   amax / largest            code = round(x / scale)
    integer zero        (high - low) / largest    zero = round(-low / scale), code = round(x / scale) + zero,
                                                  with low = min(0, least number), high = max(0, greatest number)
    float minimum       (high - low) / largest    minimum = fp16(low), code = round((x - minimum) / scale)
    any other format    amax / largest number     code = the format's rounding of x / scale
    fitted code book    amax                      code = nearest entry to x / scale
    E8M0 scales         2**(floor(log2(amax)) - emax), limited to the scales there are (OCP Microscaling v1.0, 6.3)

An outer level takes the greatest of the scales below it, divided by the largest number of their format if that is
narrow (448 of E4M3, 127 of int8), and the inner level what then remains: so the fp32 scale of NVFP4 is amax / (6 * 448).
Zeros alone have scale 1, or the least scale of a narrow format, and codes of zero; a format without zero gets the least.

Integer formats are computed in fp32, as runtimes do that quantize while they run; all others in float64, where no quotient
is taken for a midpoint that it is not: an fp32 number and the product of a midpoint and a scale, if different, differ by more
than 2**-50 of themselves, as that product has at most 50 significant bits in every scheme of the registry (those of NF4).

Quantizing again what was dequantized gives the same tensor where no scale is subnormal, except with zero points or minima,
for MXINT8 (-1.999 becomes -2, and the exponent rises), int8 scales (the small ones are coarse) and fitted code books. With
the same scales, :func:`codes_of` always gives the same codes.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, choose, demand
from sim.formats import ROUNDINGS, encode
from sim.formats.encoding import ladder
from sim.kernels.ladder import ladder_codes
from sim.kernels.rows import nearest_codes
from sim.quantized.blocks import extremes, row_blocks, spread
from sim.quantized.codebooks import fit_codebook
from sim.quantized.scales import LEAST
from sim.quantized.scheme import OPERANDS, Axis, Scheme, table_format
from sim.quantized.tensor import QuantizedTensor

Scales = tuple[NDArray[np.generic], ...]
Reals = NDArray[np.floating]
LARGEST_FP16 = float(np.finfo(np.float16).max)


def quantize(
    x: ArrayLike, scheme: Scheme, axis: Axis, rounding: str = "nearest_even", seed: int | None = None
) -> QuantizedTensor:
    """Round weights ``[k, n]`` (``axis`` 0) or activations ``[m, k]`` (``axis`` 1), taken as fp32, to a scheme.

    ``rounding`` is that of the codes; scales are always rounded to nearest even. Stochastic rounding needs a seed. Raises
    ``InputError`` for NaN or infinity, and for negative numbers where the scheme has none.
    """
    demand("scheme", scheme, Scheme)
    scheme.check_axis(axis)
    numbers = _fp32(x, axis)
    shape = numbers.shape
    low, high = extremes(numbers, scheme.finest_shape(shape, axis), axis, scheme.group_size)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        bad = numbers[~np.isfinite(numbers)][0]
        raise InputError(f"{OPERANDS[axis]} to quantize are finite numbers, not {bad}")
    if scheme.zero == "none" and scheme.format.smallest >= 0 and low.min() < 0:
        raise InputError(f"numbers of {scheme.format.name} without a zero point are not negative, unlike {low.min()}")
    scales = fit_scales(low, high, scheme, shape, axis)
    zero = _fit_zero(low, scheme, scales)
    if scheme.fitted:
        blocks = (scaled for _, scaled in _scaled_blocks(numbers, scheme, axis, scales, zero))
        table = fit_codebook(blocks, len(scheme.format.values))
        scheme = replace(scheme, format=table_format(scheme.format.name, table))
    codes = codes_of(numbers, scheme, axis, scales, zero, rounding, seed)
    return QuantizedTensor(codes, scheme, axis, scales, zero)


def codes_of(
    x: ArrayLike,
    scheme: Scheme,
    axis: Axis,
    scales: Scales,
    zero: NDArray[np.generic] | None = None,
    rounding: str = "nearest_even",
    seed: int | None = None,
) -> NDArray[np.unsignedinteger]:
    """Codes of numbers by scales and zero points that are given, as a :class:`QuantizedTensor` has them.

    Stochastic rounding draws afresh for every block of rows, from the seed and the block's number.
    """
    choose("rounding", rounding, ROUNDINGS)
    _check_given(scheme, scales)
    numbers = _fp32(x, axis)
    codes = np.empty(numbers.shape, dtype=scheme.code_dtype)
    offset = zero.astype(np.float32) if zero is not None and scheme.zero == "integer" else None
    if in_fp32(scheme) and rounding == "nearest_even":
        ends = scheme.format.smallest, scheme.format.largest
        nearest_codes(numbers, _total(scheme, scales), offset, scheme.group_size, ends, codes)
        return codes
    if rounding == "nearest_even":
        of_format = ladder(scheme.format)
        if ladder_codes(numbers, _total(scheme, scales), _minimum(scheme, zero), scheme.group_size, of_format, codes):
            return codes
    for index, (rows, scaled) in enumerate(_scaled_blocks(numbers, scheme, axis, scales, zero)):
        draws = _block_seed(seed, index) if rounding == "stochastic" else None
        if not scheme.format.is_integer:
            codes[rows] = encode(scheme.format, scaled, rounding, seed=draws)
            continue
        steps = _round_to_integers(scaled, rounding, draws)
        if offset is not None:
            steps += spread(offset, rows, numbers.shape, axis, scheme.group_size)
        codes[rows] = scheme.format.encode_integers(steps)
    return codes


def fit_scales(
    low: NDArray[np.float32], high: NDArray[np.float32], scheme: Scheme, shape: tuple[int, int], axis: Axis
) -> Scales:
    """What is stored for the scales of each level; ``low`` and ``high`` are the extremes of what shares an innermost scale."""
    if scheme.zero == "integer":
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    with np.errstate(over="ignore"):
        span = np.maximum(-low, high) if scheme.zero == "none" else high - low
    exact = _divided_by_largest(span, scheme)
    has_zero = scheme.zero != "none" or (not scheme.fitted and 0 in scheme.format.values)
    scales: list[NDArray[np.generic]] = []
    for index, level in enumerate(scheme.levels):
        coarse = scheme.level_shape(level.per, shape, axis)
        shared = tuple(a for a in (0, 1) if coarse[a] == 1)
        inner = np.prod([other.scale_format.full_scale for other in scheme.levels[index + 1 :]])
        format_ = level.scale_format
        scales.append(
            format_.round_scale(exact.max(axis=shared, keepdims=True) / inner, format_.of_zeros if has_zero else LEAST)
        )
        exact = exact / format_.to_real(scales[-1])
    return tuple(scales)


def _divided_by_largest(span: NDArray[np.float32], scheme: Scheme) -> NDArray[np.float64]:
    """The scales that would bring the spans to the largest number of the format, before they are rounded."""
    if scheme.levels and scheme.levels[-1].format == "e8m0":
        return span.astype(np.float64) / 2.0**scheme.format.emax
    if scheme.format.is_integer:
        return (span / np.float32(scheme.format.largest)).astype(np.float64)
    return span.astype(np.float64) / (1.0 if scheme.fitted else scheme.format.largest * 2.0**scheme.format.lsb)


def _fit_zero(low: NDArray[np.float32], scheme: Scheme, scales: Scales) -> NDArray[np.generic] | None:
    if scheme.zero == "none":
        return None
    if scheme.zero == "minimum":
        return np.clip(low, -LARGEST_FP16, LARGEST_FP16).astype(np.float16)
    steps = np.rint(-np.minimum(low, 0) / _total(scheme, scales))
    return np.clip(steps, 0, scheme.format.largest).astype(scheme.code_dtype)


def _total(scheme: Scheme, scales: Scales) -> Reals:
    """The scale of each code, all levels together, shaped like the innermost one: exact, or in fp32 for integer formats."""
    total = np.ones((1, 1))
    for level, stored in zip(scheme.levels, scales, strict=True):
        total = total * level.scale_format.to_real(stored)
    return total.astype(np.float32) if in_fp32(scheme) else total


def _minimum(scheme: Scheme, zero: NDArray[np.generic] | None) -> NDArray[np.float64] | None:
    return zero.astype(np.float64) if zero is not None and scheme.zero == "minimum" else None


def in_fp32(scheme: Scheme) -> bool:
    """Whether quotients by a scale are fp32 numbers, as of plain integers."""
    return scheme.format.is_integer and scheme.zero != "minimum"


def _scaled_blocks(
    numbers: NDArray[np.float32], scheme: Scheme, axis: Axis, scales: Scales, zero: NDArray[np.generic] | None
) -> Iterator[tuple[slice, Reals]]:
    """Blocks of rows, and their numbers less the minimum, if there is one, divided by their scales."""
    total = _total(scheme, scales)
    minimum = _minimum(scheme, zero)
    for rows in row_blocks(numbers.shape):
        block: Reals = numbers[rows].astype(total.dtype, copy=False)
        if minimum is not None:
            subtracted = spread(minimum, rows, numbers.shape, axis, scheme.group_size)
            block = block - subtracted
        divisor = spread(total, rows, numbers.shape, axis, scheme.group_size)
        yield rows, block / divisor


def _round_to_integers(numbers: Reals, rounding: str, seed: int | None) -> Reals:
    if rounding == "nearest_even":
        return np.rint(numbers)
    if rounding == "toward_zero":
        return np.trunc(numbers)
    below = np.floor(numbers)
    draws = np.random.default_rng(seed).random(numbers.shape)
    return below + (draws < numbers - below)


def _block_seed(seed: int | None, index: int) -> int:
    if seed is None or seed < 0:
        raise InputError(f"stochastic rounding needs the seed of its draws, an integer that is not negative, not {seed}")
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def _check_given(scheme: Scheme, scales: Scales) -> None:
    if len(scales) != len(scheme.levels):
        raise InputError(f"scales of {len(scheme.levels)} levels are needed, not of {len(scales)}")
    for level, given in zip(scheme.levels, scales, strict=True):
        values = level.scale_format.to_real(given)
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError(f"scales to quantize by are positive finite numbers, not {values.min()}")


def _fp32(x: ArrayLike, axis: Axis) -> NDArray[np.float32]:
    given = np.asarray(x)
    if given.dtype.kind not in "fiub":
        raise InputError(f"{OPERANDS[axis]} to quantize are real numbers, not of type {given.dtype}")
    with np.errstate(over="ignore"):
        numbers = given.astype(np.float32, copy=False)
    beyond = np.isinf(numbers) & np.isfinite(given) if given.dtype.itemsize > 4 else np.zeros(0, bool)
    if beyond.any():
        raise InputError(f"{OPERANDS[axis]} to quantize are fp32 numbers, not {given[beyond][0]}")
    if numbers.ndim != 2 or 0 in numbers.shape:
        raise InputError(f"{OPERANDS[axis]} to quantize have two axes of at least 1, not shape {numbers.shape}")
    return numbers
