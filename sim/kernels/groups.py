"""The sums of one group, a function for each path of :mod:`sim.kernels.paths`.

Integers in units of the products' least bit, or real numbers as a float accumulator leaves them; a sum of more than 64
bits is a real number rounded to fp32.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accumulators import Accumulator, Products
from sim.formats import Format
from sim.kernels.aligned import aligned_group_sums
from sim.kernels.integer import integer_sums
from sim.kernels.ordered import ordered_sums
from sim.kernels.paths import Chain
from sim.kernels.saturating import saturating_sums
from sim.kernels.wide import exact_fixed_sums, rounded_fixed_sums
from sim.pe.fields import integer_fields, minifloat_fields
from sim.quantized import QuantizedTensor

Sums = Callable[[QuantizedTensor, QuantizedTensor, slice, Chain], NDArray[Any]]

INT32_BITS, INT64_BITS = 32, 64

BLOCK = 1 << 20
"""Products that the definition holds at once."""


def fp32_of(sums: NDArray[Any], lsb: int) -> NDArray[np.float32]:
    """Integers in units of ``2**lsb`` rounded once to fp32; real numbers as they are."""
    if sums.dtype.kind == "f":
        return sums.astype(np.float32)
    with np.errstate(over="ignore"):
        return np.ldexp(odd_float64(sums), lsb).astype(np.float32)


def odd_float64(integers: NDArray[Any]) -> NDArray[np.float64]:
    """Integers of any size in float64, with the last bit set where bits are lost: rounding that to fp32 rounds once."""
    if integers.dtype == object:
        exact: NDArray[np.float64] = np.frompyfunc(_odd_float, 1, 1)(integers).astype(np.float64)
        return exact
    if integers.dtype.itemsize <= 4:
        return integers.astype(np.float64)
    wide = (integers > 1 << 53) | (integers < -(1 << 53))
    cut = (integers >> 11) | ((integers & 0x7FF) != 0)
    return np.where(wide, cut * 2.0**11, integers.astype(np.float64))


def _odd_float(integer: int) -> float:
    lost = max(abs(integer).bit_length() - 53, 0)
    return float((integer >> lost) | int(integer & ((1 << lost) - 1) != 0)) * 2.0**lost


def row_sums(activations: QuantizedTensor, part: slice, kept: Accumulator) -> NDArray[Any]:
    """Sums ``[m]`` of a group's activations: exact integers, or in order of ``k`` in fp32 beside a float accumulator."""
    if kept.is_float or kept.family == "aligned":
        rounded = np.zeros(activations.shape[0], np.float32)
        for number in activations.format.to_real(activations.codes[:, part]).T:
            rounded += number.astype(np.float32)
        return rounded
    exact: NDArray[np.int64] = activations.format.decode(activations.codes[:, part]).sum(axis=1, dtype=np.int64)
    return exact


def wrapped(sums: NDArray[Any], chain: Chain) -> NDArray[Any]:
    """Exact sums in two's complement of the accumulator's width; as they are where that is the exact one's."""
    if chain.accumulator.family != "wrap":
        return sums
    half = 1 << (chain.accumulator.number - 1)
    return ((sums.astype(np.int64) + half) & (2 * half - 1)) - half


def _integer(a: QuantizedTensor, w: QuantizedTensor, part: slice, chain: Chain) -> NDArray[Any]:
    return wrapped(integer_sums(numbers_of(a, chain)[:, part], numbers_of(w, chain)[part]), chain)


def numbers_of(tensor: QuantizedTensor, chain: Chain) -> NDArray[Any]:
    """Integers of the codes, less zero points where the accumulator is exact."""
    return tensor.centered if chain.is_exact else tensor.integers


def _definition(a: QuantizedTensor, w: QuantizedTensor, part: slice, chain: Chain) -> NDArray[Any]:
    """The accumulator's definition, a few rows of outputs at a time."""
    x, y = significands(a.format, a.codes[:, part]), significands(w.format, w.codes[part])
    rows = max(1, BLOCK // y[0].size)
    sums = []
    for top in range(0, a.shape[0], rows):
        s, e = (part_of[top : top + rows].T[:, :, None] for part_of in x)
        products = Products(s * y[0][:, None, :], e + y[1][:, None, :], chain.lsb, chain.product_bits)
        sums.append(chain.accumulator.sum(products))
    return np.concatenate(sums)


def significands(format_: Format, codes: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes as ``significand * 2**exponent``: with an exponent of their own for minifloats, ``lsb`` for all others."""
    table, exponents = significand_tables(format_)
    return table[codes], exponents[codes]


def significand_tables(format_: Format) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Significand and exponent of each code."""
    codes = np.arange(len(format_.values), dtype=np.int64)
    fields = integer_fields(format_) or minifloat_fields(format_)
    if fields is None:
        return format_.decode(codes).astype(np.int64), np.full(len(codes), format_.lsb)
    negative, significand, exponent = fields.split(codes)
    return np.where(negative, -significand, significand), exponent


def _float(a: QuantizedTensor, w: QuantizedTensor, part: slice, chain: Chain) -> NDArray[Any]:
    sums = exact_fixed_sums(_float64(a, chain)[:, part], *_codes(w, part, chain), bound=chain.bound)
    return wrapped(sums.astype(np.int64), chain)


def _limbs(a: QuantizedTensor, w: QuantizedTensor, part: slice, chain: Chain) -> NDArray[Any]:
    return rounded_fixed_sums(_float64(a, chain)[:, part], *_codes(w, part, chain), exponent=chain.lsb)


def _float64(tensor: QuantizedTensor, chain: Chain) -> NDArray[np.float64]:
    return numbers_of(tensor, chain).astype(np.float64)


def _codes(weights: QuantizedTensor, part: slice, chain: Chain) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float64]]:
    """Codes of a group's weights and the integer of each code; less zero points where the accumulator is exact."""
    if weights.scheme.zero != "integer" or not chain.is_exact:
        codes = np.arange(len(weights.format.values))
        return weights.codes[part], weights.format.decode(codes).astype(np.float64)
    largest = weights.format.largest
    shifted = (weights.centered[part] + largest).astype(np.uint16)
    return shifted, np.arange(-largest, largest + 1, dtype=np.float64)


def _saturating(a: QuantizedTensor, w: QuantizedTensor, part: slice, chain: Chain) -> NDArray[Any]:
    return saturating_sums(numbers_of(a, chain)[:, part], numbers_of(w, chain)[part], chain.accumulator.number)


def _ordered(a: QuantizedTensor, w: QuantizedTensor, part: slice, chain: Chain) -> NDArray[Any]:
    """Numbers of formats of up to 24 significant bits, of which each is one of fp32."""
    numbers, table = a.format.to_real(a.codes[:, part]).astype(np.float32), w.format.reals.astype(np.float32)
    return ordered_sums(numbers, w.codes[part], table, chain.accumulator.family, chain.significand_bits)


def _aligned(a: QuantizedTensor, w: QuantizedTensor, part: slice, chain: Chain) -> NDArray[Any]:
    """64-bit sums where no aligned significand can exceed them, and the definition otherwise; rounded to fp32."""
    a_table, w_table = significand_tables(a.format), significand_tables(w.format)
    guard, bits = chain.accumulator.number, [int(np.abs(table[0]).max()).bit_length() for table in (a_table, w_table)]
    if max(bits) > INT32_BITS - 1 or sum(bits) + chain.terms.bit_length() + guard >= INT64_BITS:
        return _definition(a, w, part, chain)
    codes = a.codes[:, part]
    sums, exponents = aligned_group_sums(
        a_table[0].astype(np.int32)[codes],
        a_table[1].astype(np.int16)[codes],
        w.codes[part],
        w_table[0].astype(np.int32),
        w_table[1].astype(np.int16),
        guard,
    )
    with np.errstate(over="ignore"):
        return np.ldexp(odd_float64(sums), exponents - guard).astype(np.float32)


SUMS: dict[str, Sums] = {
    "integer": _integer,
    "float": _float,
    "limbs": _limbs,
    "saturating": _saturating,
    "ordered": _ordered,
    "aligned": _aligned,
    "definition": _definition,
}
