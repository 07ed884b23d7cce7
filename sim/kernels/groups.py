"""The sums of one group, a function for each path of :mod:`sim.kernels.paths`.

Integers in units of the products' least bit, or real numbers as a float accumulator leaves them; a sum of more than 64
bits is a real number rounded to fp32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accumulators import Products
from sim.formats import Format
from sim.kernels.aligned import aligned_group_sums
from sim.kernels.integer import integer_sums
from sim.kernels.ordered import ordered_sums
from sim.kernels.paths import INT32_BITS, Chain
from sim.kernels.saturating import saturating_sums
from sim.kernels.wide import exact_fixed_sums, rounded_fixed_sums
from sim.pe.fields import integer_fields, minifloat_fields
from sim.quantized import QuantizedTensor

INT64_BITS = 64

SMALLEST_EXACT = -126
"""Multiples of greater powers of two are no subnormal numbers of fp32, so scaling by a power of two does not round."""

BLOCK = 1 << 16
"""Products that the definition holds at once."""


@dataclass(frozen=True, eq=False)
class Tile:
    """The outputs of some rows and columns, and one group of their products: slices of ``m``, ``k`` and ``n``."""

    activations: QuantizedTensor
    weights: QuantizedTensor
    chain: Chain
    rows: slice
    group: slice
    columns: slice

    @property
    def a_codes(self) -> NDArray[Any]:
        return self.activations.codes[self.rows, self.group]

    @property
    def w_codes(self) -> NDArray[Any]:
        return self.weights.codes[self.group, self.columns]

    @property
    def a_numbers(self) -> NDArray[Any]:
        return numbers_of(self.activations, self.chain)[self.rows, self.group]

    @property
    def w_numbers(self) -> NDArray[Any]:
        return numbers_of(self.weights, self.chain)[self.group, self.columns]


Sums = Callable[[Tile], NDArray[Any]]


def numbers_of(tensor: QuantizedTensor, chain: Chain) -> NDArray[Any]:
    """Integers of the codes, less zero points where the accumulator is exact."""
    return tensor.centered if chain.is_exact else tensor.integers


def fp32_of(sums: NDArray[Any], lsb: int) -> NDArray[np.float32]:
    """Integers in units of ``2**lsb`` rounded once to fp32; real numbers as they are."""
    if sums.dtype.kind == "f":
        return sums.astype(np.float32, copy=False)
    if sums.dtype == np.int32 and lsb > SMALLEST_EXACT:
        rounded = sums.astype(np.float32)
        return np.ldexp(rounded, lsb, out=rounded) if lsb else rounded
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


def row_sums(tile: Tile) -> NDArray[Any]:
    """Sums ``[m, 1]`` of a group's activations: exact integers, or in order of ``k`` in fp32 beside floats and ``aligned``."""
    kept = tile.chain.accumulator
    if (kept.is_float or kept.family == "aligned") and not tile.chain.is_exact:
        rounded = np.zeros(tile.a_codes.shape[0], np.float32)
        for number in tile.activations.format.to_real(tile.a_codes).T:
            rounded += number.astype(np.float32)
        return rounded[:, None]
    exact: NDArray[np.int64] = tile.a_numbers.sum(axis=1, dtype=np.int64, keepdims=True)
    return exact


def wrapped(sums: NDArray[Any], chain: Chain) -> NDArray[Any]:
    """Exact sums in two's complement of the accumulator's width; as they are where it holds all of them."""
    if chain.is_exact:
        return sums
    if sums.dtype == np.int32:
        beyond = INT32_BITS - chain.accumulator.number
        return (sums << beyond) >> beyond if beyond > 0 else sums
    half = 1 << (chain.accumulator.number - 1)
    return ((sums.astype(np.int64) + half) & (2 * half - 1)) - half


def _integer(tile: Tile) -> NDArray[Any]:
    return wrapped(integer_sums(tile.a_numbers, tile.w_numbers), tile.chain)


def _definition(tile: Tile) -> NDArray[Any]:
    """The accumulator's definition, as many outputs at a time as ``BLOCK`` products allow."""
    a, w, chain = tile.activations.format, tile.weights.format, tile.chain
    x, y = significands(a, tile.a_codes), significands(w, tile.w_codes)
    k, n = y[0].shape
    wide = min(n, max(1, BLOCK // k))
    high = max(1, BLOCK // (k * wide))

    def sums(top: int, left: int) -> NDArray[Any]:
        s_a, e_a = (part[top : top + high].T[:, :, None] for part in x)
        s_w, e_w = (part[:, None, left : left + wide] for part in y)
        return chain.accumulator.sum(Products(s_a * s_w, e_a + e_w, chain.lsb, chain.product_bits))

    return np.concatenate(
        [np.concatenate([sums(top, left) for left in range(0, n, wide)], axis=1) for top in range(0, len(x[0]), high)]
    )


def significands(format_: Format, codes: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes as ``significand * 2**exponent``: an exponent of their own for minifloats and powers of two, else ``lsb``."""
    table, exponents = significand_tables(format_)
    return table[codes], exponents[codes]


def significand_tables(format_: Format) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Significand and exponent of each code."""
    codes = np.arange(len(format_.values), dtype=np.int64)
    fields = integer_fields(format_) or minifloat_fields(format_)
    if fields is None and format_.significand_bits == 1:
        mantissas, powers = np.frexp(np.where(np.isfinite(format_.reals), format_.reals, 0))
        return (2 * mantissas).astype(np.int64), powers.astype(np.int64) - 1
    if fields is None:
        return format_.decode(codes).astype(np.int64), np.full(len(codes), format_.lsb)
    negative, significand, exponent = fields.split(codes)
    return np.where(negative, -significand, significand), exponent


def _float(tile: Tile) -> NDArray[Any]:
    sums = exact_fixed_sums(tile.a_numbers.astype(np.float64), *_codes(tile), bound=tile.chain.bound)
    if tile.chain.is_exact:
        return np.ldexp(sums, tile.chain.lsb, out=sums)
    return wrapped(sums.astype(np.int64), tile.chain)


def _limbs(tile: Tile) -> NDArray[Any]:
    return rounded_fixed_sums(tile.a_numbers.astype(np.float64), *_codes(tile), exponent=tile.chain.lsb)


def table_of(weights: QuantizedTensor, chain: Chain) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float64]]:
    """Codes of weights and the integer of each code; less zero points where the accumulator is exact."""
    if weights.scheme.zero != "integer" or not chain.is_exact:
        codes = np.arange(len(weights.format.values))
        return weights.codes, weights.format.decode(codes).astype(np.float64)
    largest = weights.format.largest
    above = weights.centered.astype(np.int32) + largest
    return above.astype(np.min_scalar_type(2 * largest)), np.arange(-largest, largest + 1, dtype=np.float64)


def _codes(tile: Tile) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float64]]:
    """Those of a tile."""
    codes, table = table_of(tile.weights, tile.chain)
    return codes[tile.group, tile.columns], table


def _saturating(tile: Tile) -> NDArray[Any]:
    return saturating_sums(tile.a_numbers, tile.w_numbers, tile.chain.accumulator.number)


def _ordered(tile: Tile) -> NDArray[Any]:
    """Numbers of formats of up to 24 significant bits, of which each is one of fp32."""
    numbers, table = tile.activations.format.to_real(tile.a_codes), tile.weights.format.reals
    family, bits = tile.chain.accumulator.family, tile.chain.significand_bits
    return ordered_sums(numbers.astype(np.float32), tile.w_codes, table.astype(np.float32), family, bits)


def _aligned(tile: Tile) -> NDArray[Any]:
    """64-bit sums where no aligned significand can exceed them, and the definition otherwise; rounded to fp32."""
    a_table, w_table = significand_tables(tile.activations.format), significand_tables(tile.weights.format)
    guard, bits = tile.chain.accumulator.number, [int(np.abs(table[0]).max()).bit_length() for table in (a_table, w_table)]
    if max(bits) > INT32_BITS - 1 or sum(bits) + tile.chain.terms.bit_length() + guard >= INT64_BITS:
        return fp32_of(_definition(tile), tile.chain.lsb)
    codes = tile.a_codes
    sums, exponents = aligned_group_sums(
        a_table[0].astype(np.int32)[codes],
        a_table[1].astype(np.int16)[codes],
        tile.w_codes,
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
