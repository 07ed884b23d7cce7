"""The arithmetic of a vector unit, beat by beat: what multipliers, cascades, reduction nodes and accumulators hold.

    beat of a block that keeps N:   multiplier d has the kept weight p = beat * D + d, of column p // N
    selected = activations[index]                                  of the block's 16; of each lane
    run      = sum of weight * selected along min(run, N, D) multipliers, both lanes packed in one number of 48 bits
    column   = sum of its runs, each after its lanes have been taken apart
    sum[c]   = ``Engine.accumulator_bits``: sum of column c over the beats of its group

Where the lanes are two columns (``mv`` of :attr:`sim.overlay.engine.Engine.two_columns`) a beat has ``2 * D`` weights, those
of lane 0 first, and multiplier d has an activation and the weights ``p`` and ``p + D``:

    beat:   p = beat * 2 * D + d,   run = sum of selected * weight of each lane

Packing and taking apart are those of :class:`sim.pe.dsp_packed.DspPacked`; the elements of shifts and additions have their
products (:class:`sim.pe.shift_add.ShiftAdd`) added as they are. The result is the exact sum of a dense product in which pruned
weights are 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, choose, demand
from sim.formats import FORMATS
from sim.overlay.dequantizer import expand
from sim.overlay.engine import BLOCK, LANES, MODES, Engine, check_group, check_tile
from sim.overlay.sparsity import SparseCodes
from sim.pe.dsp_packed import DspPacked
from sim.pe.shift_add import ShiftAdd

INT8 = FORMATS["int8"]
SLICE = DspPacked(INT8, INT8)
SHIFT_ADD = ShiftAdd(INT8, INT8)

Ints = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Kept:
    """Expanded weights in the order of storage: ``densities [k/16, n/16]``, 16 * N ``values`` and ``indices`` of each block."""

    densities: NDArray[np.uint8]
    values: Ints
    indices: NDArray[np.uint8]

    @staticmethod
    def of_sparse(weights: SparseCodes) -> "Kept":
        """What the dequantization unit makes of sparse weights."""
        return Kept(weights.densities, expand(weights.format, weights.codes), weights.indices)

    @staticmethod
    def of_dense(weights: Ints) -> "Kept":
        """All of ``[k, n]``, filled up with zeros to whole blocks."""
        demand("expanded weights", weights, np.ndarray)
        if weights.dtype != np.int8 or weights.ndim != 2 or 0 in weights.shape:
            raise InputError(f"expanded weights are int8 [k, n], not {weights.dtype} of shape {weights.shape}")
        padded = np.pad(weights, [(0, -size % BLOCK) for size in weights.shape])
        k, n = (size // BLOCK for size in padded.shape)
        values = padded.reshape(k, BLOCK, n, BLOCK).transpose(2, 0, 3, 1).reshape(-1)
        return Kept(np.full((k, n), BLOCK, np.uint8), values, np.tile(np.arange(BLOCK, dtype=np.uint8), k * n * BLOCK))

    def beats(self, engine: Engine, column_block: int, mode: str = "mm") -> Iterator["Beat"]:
        """What a vector unit takes for one column block and a pass of tokens, in order along ``k``; of empty blocks nothing."""
        ordered = self.densities.T.reshape(-1).astype(np.int64)
        starts, step = BLOCK * (np.cumsum(ordered) - ordered), engine.weights(mode)
        for k in range(len(self.densities)):
            place = column_block * len(self.densities) + k
            density = int(ordered[place])
            for first in range(0, BLOCK * density, step):
                taken = slice(int(starts[place]) + first, int(starts[place]) + first + step)
                yield Beat(k, density, first // density, self.values[taken], self.indices[taken])


@dataclass(frozen=True, eq=False)
class Beat:
    """A cycle's operands: the block along ``k``, its N, the first column that has one; weights and their indices, one of each
    multiplier, or two."""

    k: int
    density: int
    column: int
    weights: Ints
    indices: NDArray[np.uint8]


def column_sums(engine: Engine, beat: Beat, activations: Ints) -> NDArray[np.int64]:
    """What a beat adds to the columns from ``beat.column`` on ``[columns, tokens]``, for a block's activations ``[lanes, 16]``.

    With fewer multipliers than the block keeps of a column, a part of one column's sum. Where the lanes are two columns there
    is one token, the activations of lane 0.
    """
    selected = activations[:, beat.indices].T
    columns = len(beat.weights) // engine.multipliers
    shared, pairs = beat.weights, selected
    if columns == LANES:
        shared, pairs = selected[: engine.multipliers, 0], beat.weights.reshape(LANES, -1).T
    run = min(engine.run, beat.density)
    of_shared, of_pairs = (np.ascontiguousarray(operand).view(np.uint8).astype(np.int64) for operand in (shared, pairs))
    if engine.element == "dsp":
        runs = SLICE.run(of_shared.reshape(-1, run, 1).swapaxes(0, 1), of_pairs.reshape(-1, run, LANES).swapaxes(0, 1))[..., 0]
    else:
        runs = SHIFT_ADD.product(of_shared[:, None], of_pairs)
    segment = min(beat.density, engine.multipliers)
    sums: NDArray[np.int64] = runs.reshape(engine.multipliers // segment, -1, LANES).sum(axis=1)
    return sums.T.reshape(-1, 1) if columns == LANES else sums


def paired_columns(engine: Engine) -> NDArray[np.intp]:
    """Where the lanes are two columns, those of each sum that leaves a vector unit ``[8, lanes]``, in their order."""
    side = engine.multipliers // BLOCK
    return np.arange(BLOCK).reshape(-1, LANES, side).swapaxes(1, 2).reshape(-1, LANES)


def group_sums(engine: Engine, activations: Ints, weights: Kept, mode: str = "mm", group_size: int = 0) -> NDArray[np.int64]:
    """Exact sums ``[groups, m, n]`` of activations ``[m, k]`` and kept weights, as the engine forms them.

    Groups of ``group_size`` consecutive ``k``, 0 for one; ``k`` and ``n`` are filled up with zeros to whole blocks. Raises
    ``InputError`` for operands, a mode and a group size that the engine does not take.
    """
    choose("mode of an engine", mode, MODES)
    demand("activations", activations, np.ndarray)
    if activations.dtype != np.int8 or activations.ndim != 2 or 0 in activations.shape:
        raise InputError(f"activations of an engine are int8 [m, k], not {activations.dtype} of shape {activations.shape}")
    m, k = activations.shape
    check_tile(engine, m, weights.densities, mode, group_size)
    blocks_k, blocks_n = weights.densities.shape
    if -(-k // BLOCK) != blocks_k:
        raise InputError(f"activations have the k of {blocks_k} blocks of weights, not {k}")
    check_group(group_size, blocks_k, engine.longest_group)
    lanes = LANES if mode == "mm" else 1
    padded = np.pad(activations, ((0, -m % lanes), (0, -k % BLOCK)))
    per_group = group_size // BLOCK or blocks_k
    sums = np.zeros((-(-blocks_k // per_group), len(padded), blocks_n * BLOCK), np.int64)
    for column_block in range(blocks_n):
        for beat in weights.beats(engine, column_block, mode):
            for row in range(0, len(padded), lanes):
                pair = np.zeros((LANES, BLOCK), np.int8)
                pair[:lanes] = padded[row : row + lanes, beat.k * BLOCK : (beat.k + 1) * BLOCK]
                added = column_sums(engine, beat, pair)[:, :lanes]
                first = column_block * BLOCK + beat.column
                sums[beat.k // per_group, row : row + lanes, first : first + len(added)] += added.T
    return sums[:, :m]
