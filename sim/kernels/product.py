"""Whole products of quantized operands, with the bits of the processing elements and the group epilogue.

    S[m,n]  = the accumulator's sum over a group of activation times weight, in order of k
    total   = fp32(total + fp32(s_a[m,g] * s_w[g,n] * fp32(S - z_w[g,n] * R[m,g])))     groups in order of k, from +0
    total   = fp32(total + fp32(s_a[m,g] * fp32(minimum[g,n] * R[m,g])))                after it, where weights have minima
    y[m,n]  = total times the scales that are constant along k, each product rounded to fp32: first those of the
              weights, innermost first, then those of the activations

A group is what shares a scale along ``k``: the whole of ``k`` where no scale is per group. ``R`` is the sum of the group's
activations in the same accumulator. Where the accumulator is exact, zero points are subtracted from codes before the sum,
which gives the same integer, and ``S - z_w*R`` is rounded to fp32 once; so it is for ``wrap`` and ``saturate``. Of the float
accumulators and of ``aligned``, ``R`` is rounded to fp32, and so are ``z_w * R`` and the difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.accumulators import Accumulator, accumulator
from sim.errors import InputError
from sim.kernels.groups import SUMS, fp32_of, numbers_of, row_sums
from sim.kernels.integer import scaled_group_sums
from sim.kernels.paths import LARGEST_FLOAT32, Chain, Operand
from sim.quantized import QuantizedTensor


def matrix_product(activations: QuantizedTensor, weights: QuantizedTensor, accumulating: str = "exact") -> NDArray[np.float32]:
    """The accelerator's result ``[m, n]`` for activations ``[m, k]`` and weights ``[k, n]``, bit for bit.

    ``accumulating`` names an accumulator (:mod:`sim.accumulators`). Raises ``InputError`` for operands of different
    ``k``, groups of different size, and zero points that the accumulator does not take.
    """
    task = Task.of(activations, weights, accumulator(accumulating))
    total = _at_once(task) if task.fits_at_once else _group_by_group(task)
    for tensor in (weights, activations):
        for index in reversed(range(len(tensor.scales))):
            if tensor.scheme.levels[index].per != "group":
                total *= tensor.level_values(index)
    return total


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
        if activations.scheme.zero != "none" and not (kept.family == "exact" and activations.scheme.zero == "integer"):
            raise InputError(f"activations with zero points go with integer ones and an exact accumulator, not {kept.family}")
        return Task(activations, weights, size, chain)

    @property
    def fits_at_once(self) -> bool:
        """Whether one kernel does all groups: integers, whose sums are fp32 numbers, and scales that stay what they are."""
        exact = self.chain.is_exact and self.chain.path == "integer" and self.chain.bound <= LARGEST_FLOAT32
        scale = _group_scale(self.weights)
        unit = np.ldexp(scale, self.chain.lsb)
        return exact and self.weights.scheme.zero != "minimum" and bool((np.ldexp(unit, -self.chain.lsb) == scale).all())


def _operand(tensor: QuantizedTensor) -> Operand:
    return Operand(tensor.format, tensor.format.largest if tensor.scheme.zero == "integer" else 0)


def _group_scale(tensor: QuantizedTensor) -> NDArray[np.float32]:
    """Scales per group, of one group and shared by all where there are none."""
    levels = tensor.scheme.levels
    return tensor.level_values(len(levels) - 1) if tensor.group_size else np.ones((1, 1), np.float32)


def _at_once(task: Task) -> NDArray[np.float32]:
    a, w = task.activations, task.weights
    groups = -(-a.shape[1] // task.group_size)
    w_scale = np.ldexp(np.broadcast_to(_group_scale(w), (groups, w.shape[1])), task.chain.lsb)
    a_scale = _group_scale(a) if a.group_size else None
    return scaled_group_sums(numbers_of(a, task.chain), numbers_of(w, task.chain), task.group_size, w_scale, a_scale)


def _group_by_group(task: Task) -> NDArray[np.float32]:
    a, w = task.activations, task.weights
    a_scale, w_scale = _group_scale(a), _group_scale(w)
    total = np.zeros((a.shape[0], w.shape[1]), np.float32)
    for group, start in enumerate(range(0, a.shape[1], task.group_size)):
        part = slice(start, start + task.group_size)
        s_a = a_scale[:, min(group, a_scale.shape[1] - 1), None]
        s_w = w_scale[min(group, w_scale.shape[0] - 1)]
        total += _scaled(_corrected(task, part, group), s_a, s_w)
        if w.scheme.zero == "minimum":
            rows = fp32_of(row_sums(a, part, task.chain.accumulator), a.format.lsb)
            total += (_zero_of(w, group) * rows[:, None]) * s_a
    return total


def _scaled(sums: NDArray[np.float32], s_a: NDArray[np.float32], s_w: NDArray[np.float32]) -> NDArray[np.float32]:
    """The exact product of a sum and both scales, rounded once: in float64 it has at most 53 bits."""
    exact = s_a.astype(np.float64) * s_w.astype(np.float64)
    scaled: NDArray[np.float32] = (sums * exact).astype(np.float32)
    return scaled


def _zero_of(weights: QuantizedTensor, group: int) -> NDArray[np.float32]:
    assert weights.zero is not None
    zero: NDArray[np.float32] = weights.zero[min(group, weights.zero.shape[0] - 1)].astype(np.float32)
    return zero


def _corrected(task: Task, part: slice, group: int) -> NDArray[np.float32]:
    """The group's sums less zero points, as fp32 numbers."""
    a, w, chain = task.activations, task.weights, task.chain
    sums = SUMS[chain.path](a, w, part, chain)
    if chain.is_exact or w.scheme.zero != "integer":
        return fp32_of(sums, chain.lsb)
    rows, zero = row_sums(a, part, chain.accumulator)[:, None], _zero_of(w, group)
    if sums.dtype.kind == "f":
        corrected: NDArray[np.float32] = sums - zero * fp32_of(rows, a.format.lsb)
        return corrected
    return fp32_of(sums.astype(rows.dtype) - zero.astype(np.int64) * rows, chain.lsb)
