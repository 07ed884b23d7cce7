"""Whole products of quantized operands, with the bits of the processing elements and the group epilogue.

    S[m,n]  = the accumulator's sum over a group of activation times weight, in order of k
    total   = fp32(total + fp32(s_a[m,g] * s_w[g,n] * fp32(S - z_w[g,n] * R[m,g])))     groups in order of k, from +0
    y[m,n]  = total times the weights' scales that are constant along k, innermost first
    offset  = fp32(offset + fp32(s_a[m,g] * fp32(minimum[g,n] * fp32(R[m,g]))))         where weights have minima
    y[m,n]  = fp32(y + offset), and then times the activations' scales that are constant along k, innermost first

each product with a scale rounded to fp32. A group is what shares a scale along ``k``: the whole of ``k`` where no scale is
per group. ``R`` is the exact sum of the group's activations. Where the accumulator is exact, zero points are subtracted
from codes before the sum, which gives the same integer, and ``S - z_w*R`` is rounded to fp32 once; so it is for ``wrap``
and ``saturate``. Beside the float accumulators and ``aligned``, ``R`` is added up in fp32 in order of ``k``, and ``z_w * R``
and the difference are rounded to fp32.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.accumulators import Accumulator
from sim.accumulators import accumulator as parse
from sim.errors import InputError, demand
from sim.kernels.groups import INT64_BITS, SMALLEST_EXACT, SUMS, Tile, fp32_of, numbers_of, row_sums, table_of
from sim.kernels.integer import scaled_group_sums
from sim.kernels.paths import Chain, Operand
from sim.kernels.wide_groups import scaled_fixed_sums
from sim.quantized import QuantizedTensor

Scalar = TypeVar("Scalar", bound=np.generic)

TILE = 1 << 20
"""Activations of a tile of outputs that is computed group by group; twice its outputs at the most."""

OUTPUT_BYTES = 36
"""[byte] What is held on the way of an output; so a tile takes about as much memory as operands and result."""

SCALE_BITS = 29
"""[bit] Significands of two scales that, with the 24 of a sum, fit the 53 of float64."""


def matrix_product(activations: QuantizedTensor, weights: QuantizedTensor, accumulator: str = "exact") -> NDArray[np.float32]:
    """The accelerator's result ``[m, n]`` for activations ``[m, k]`` and weights ``[k, n]``, bit for bit.

    ``accumulator`` is the name of one (:mod:`sim.accumulators`). Raises ``InputError`` for an accumulator that there is
    not or that is narrower than a product, operands of different ``k``, groups of different size, scales per group of
    more than 29 significant bits together, and zero points that the accumulator does not take.
    """
    task = Task.of(activations, weights, parse(accumulator))
    total = _at_once(task) if task.fits_at_once else np.empty((activations.shape[0], weights.shape[1]), np.float32)
    offset = np.zeros_like(total) if weights.scheme.zero == "minimum" else None
    with np.errstate(over="ignore", invalid="ignore"):
        if not task.fits_at_once:
            for rows, columns in _tiles(activations.shape, weights.shape):
                part = None if offset is None else offset[rows, columns]
                _group_by_group(task, rows, columns, total[rows, columns], part)
        _scale_outer(total, weights)
        if offset is not None:
            total += offset
        _scale_outer(total, activations)
    return total


def _scale_outer(total: NDArray[np.float32], tensor: QuantizedTensor) -> None:
    for index in reversed(range(len(tensor.scales))):
        if tensor.scheme.levels[index].per != "group":
            total *= tensor.level_values(index)


def _tiles(activations: tuple[int, int], weights: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of outputs such that neither they nor their activations in float64 take much memory."""
    (m, k), n = activations, weights[1]
    outputs = min(TILE // 2, max(TILE >> 8, (m * k + k * n + 4 * m * n) // OUTPUT_BYTES))
    high = min(m, max(64, TILE // k))
    wide = max(64, outputs // high)
    for top in range(0, m, high):
        for left in range(0, n, wide):
            yield slice(top, min(top + high, m)), slice(left, min(left + wide, n))


@dataclass(frozen=True, eq=False)
class Task:
    """A product: its operands, its groups along ``k``, and the chain of additions of the longest one."""

    activations: QuantizedTensor
    weights: QuantizedTensor
    group_size: int
    chain: Chain

    @staticmethod
    def of(activations: QuantizedTensor, weights: QuantizedTensor, kept: Accumulator) -> "Task":
        """Raises ``InputError`` for operands that make no product."""
        demand("activations", activations, QuantizedTensor)
        demand("weights", weights, QuantizedTensor)
        if (activations.axis, weights.axis) != (1, 0):
            axes = f"{activations.axis} and {weights.axis}"
            raise InputError(f"a product takes activations and weights, reduced along axes 1 and 0, not {axes}")
        k, k_weights = activations.shape[1], weights.shape[0]
        if k != k_weights:
            raise InputError(f"activations and weights of one product have the same k, not {k} and {k_weights}")
        sizes = [size for size in (activations.group_size, weights.group_size) if size]
        if len(set(sizes)) > 1:
            raise InputError(f"activations and weights of one product have groups of one size, not {sizes[0]} and {sizes[1]}")
        size = min([k, *sizes])
        chain = Chain(_operand(activations), _operand(weights), kept, size)
        if kept.is_bounded and kept.number < chain.raw_product_bits:
            raise InputError(
                f"an accumulator of {activations.format.name} x {weights.format.name} has at least the "
                f"{chain.raw_product_bits} bits of a product, not {kept.number}"
            )
        bits = [t.scheme.levels[-1].scale_format.significand_bits for t in (activations, weights) if t.group_size]
        if len(bits) == 2 and sum(bits) > SCALE_BITS:
            raise InputError(
                f"scales per group have at most {SCALE_BITS} significant bits together, not {bits[0]} and {bits[1]}"
            )
        if activations.scheme.zero != "none" and not (kept.family == "exact" and activations.scheme.zero == "integer"):
            raise InputError(f"activations with zero points go with integer ones and an exact accumulator, not {kept.family}")
        return Task(activations, weights, size, chain)

    @cached_property
    def fits_at_once(self) -> bool:
        """Whether one kernel does all groups: exact sums without minima, whose unit is an fp32 number as scales with it are."""
        if not self.chain.is_exact or self.weights.scheme.zero == "minimum" or self.chain.lsb <= SMALLEST_EXACT:
            return False
        return self.chain.path != "integer" or _stays_exact(_group_scale(self.weights), self.chain.lsb)


def _stays_exact(scale: NDArray[np.float32], lsb: int) -> bool:
    """Whether every scale times ``2**lsb`` is an fp32 number: none becomes infinite, or a subnormal that loses bits."""
    smallest, largest = (float(end) * 2.0**lsb for end in (scale.min(), scale.max()))
    limits = np.finfo(np.float32)
    if smallest < limits.tiny:
        return bool((np.ldexp(np.ldexp(scale, lsb), -lsb) == scale).all())
    return largest <= float(limits.max)


def _operand(tensor: QuantizedTensor) -> Operand:
    return Operand(tensor.format, tensor.format.largest if tensor.scheme.zero == "integer" else 0)


def _group_scale(tensor: QuantizedTensor) -> NDArray[np.float32]:
    """Scales per group, of one group and shared by all where there are none."""
    levels = tensor.scheme.levels
    return tensor.level_values(len(levels) - 1) if tensor.group_size else np.ones((1, 1), np.float32)


def _at_once(task: Task) -> NDArray[np.float32]:
    a, w, chain = task.activations, task.weights, task.chain
    groups = -(-a.shape[1] // task.group_size)
    w_scale = np.broadcast_to(_group_scale(w), (groups, w.shape[1]))
    a_scale = _group_scale(a) if a.group_size else None
    if chain.path == "integer":
        scaled = np.ldexp(w_scale, chain.lsb)
        return scaled_group_sums(numbers_of(a, chain), numbers_of(w, chain), task.group_size, scaled, a_scale)
    result = np.empty((a.shape[0], w.shape[1]), np.float32)
    codes, table = table_of(w, chain)
    high = max(64, TILE // a.shape[1])
    for rows in (slice(top, top + high) for top in range(0, len(result), high)):
        numbers = numbers_of(a, chain)[rows].astype(np.float64)
        its_scale = None if a_scale is None else a_scale[rows]
        result[rows] = scaled_fixed_sums(numbers, codes, table, chain.bound, chain.lsb, task.group_size, w_scale, its_scale)
    return result


def _group_by_group(
    task: Task, rows: slice, columns: slice, total: NDArray[np.float32], offset: NDArray[np.float32] | None
) -> None:
    """The sums of all groups into ``total``, and what minima add into ``offset``."""
    a_scale, w_scale = _group_scale(task.activations), _group_scale(task.weights)
    total[:] = 0
    for group, start in enumerate(range(0, task.activations.shape[1], task.group_size)):
        tile = Tile(task.activations, task.weights, task.chain, rows, slice(start, start + task.group_size), columns)
        s_a = a_scale[rows if len(a_scale) > 1 else slice(None), min(group, a_scale.shape[1] - 1), None]
        s_w = _at(w_scale, group, columns)
        total += _scaled(_corrected(tile, group), s_a, s_w)
        if offset is not None:
            sums = fp32_of(row_sums(tile), task.activations.format.lsb)
            offset += (_zero_of(tile, group) * sums) * s_a


def _at(values: NDArray[Scalar], group: int, columns: slice) -> NDArray[Scalar]:
    """The values of a group and columns, of an array that may have one for all groups or all columns."""
    row: NDArray[Scalar] = values[min(group, values.shape[0] - 1)]
    return row[columns] if len(row) > 1 else row


def _scaled(sums: NDArray[np.float32], s_a: NDArray[np.float32], s_w: NDArray[np.float32]) -> NDArray[np.float32]:
    """The exact product of a sum and both scales, rounded once: in float64 it has at most 53 bits.

    An operand without scales per group has one scale, 1; then one fp32 multiplication rounds as often.
    """
    for one, other in ((s_a, s_w), (s_w, s_a)):
        if one.size == 1 and one.flat[0] == 1:
            return sums if other.size == 1 and other.flat[0] == 1 else sums * other
    exact = s_a.astype(np.float64) * s_w.astype(np.float64)
    scaled: NDArray[np.float32] = (sums * exact).astype(np.float32)
    return scaled


def _zero_of(tile: Tile, group: int) -> NDArray[np.float32]:
    assert tile.weights.zero is not None
    return _at(tile.weights.zero, group, tile.columns).astype(np.float32)


def _corrected(tile: Tile, group: int) -> NDArray[np.float32]:
    """The group's sums less zero points, as fp32 numbers."""
    chain, weights = tile.chain, tile.weights
    sums = SUMS[chain.path](tile)
    if chain.is_exact or weights.scheme.zero != "integer":
        return fp32_of(sums, chain.lsb)
    rows, zero = row_sums(tile), _zero_of(tile, group)
    if sums.dtype.kind == "f":
        corrected: NDArray[np.float32] = sums - zero * fp32_of(rows, tile.activations.format.lsb)
        return corrected
    kind = object if chain.corrected_bits > INT64_BITS else np.int64
    return fp32_of(sums.astype(kind) - zero.astype(np.int64).astype(kind) * rows.astype(kind), chain.lsb)
