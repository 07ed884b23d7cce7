"""What a weight-stationary array is fed, fold after fold, and what must come out: every bit, in its exact cycle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdl.bench.vectors import Vectors
from hdl.foot import streamed_rows
from hdl.tools.verilator import Difference
from sim.array import group_lengths
from sim.design import DesignPoint
from sim.epilogue import LATENCY, SCALE_BITS
from sim.errors import InputError

Streams = dict[str, NDArray[np.int64]]


def stationary_vectors(
    design: DesignPoint,
    activations: NDArray[np.unsignedinteger],
    weights: NDArray[np.unsignedinteger],
    scale: NDArray[np.float16],
    zero_point: NDArray[np.unsignedinteger],
    token_scale: NDArray[np.float16],
    expected: NDArray[np.float32],
    seed: int = 0,
) -> Vectors:
    """What the array is fed and what must come out; operands as :func:`hdl.verify.array.verify_array` has them.

    Columns of the last strip that no weight reaches have noise for weights, and their results are ignored; so have rows that
    a fold leaves idle, whose activations are zero. Inputs that the array must not look at are noise from ``seed``.

    Raises ``InputError`` for a stream that is longer than the array's memories.
    """
    (m, k), n = activations.shape, weights.shape[1]
    if m > streamed_rows(design):
        raise InputError(f"rows of a product for {design.name} are at most {streamed_rows(design)}, not {m}")
    stimulus = _noise(design, m, k, n, seed)
    interval = design.array.work(m, 1, 1)
    folds = _folds(design, k)
    groups = folds[-1].group + 1
    for number in range(-(-n // design.columns) * len(folds)):
        strip, place = divmod(number, len(folds))
        fold, start = folds[place], design.rows + number * interval
        stream = slice(start, start + m)
        for r in range(design.rows):
            codes = activations[:, fold.reduction]
            stimulus[f"activation_{r}"][stream] = codes[:, r] if r < codes.shape[1] else 0
        stimulus["valid"][stream] = 1
        stimulus["first"][stream] = np.arange(m) == 0
        stimulus["group_begins"][stream], stimulus["group_ends"][stream] = fold.begins, fold.ends
        # The first fold is loaded before anything streams, every other one from the cycle in which the one before it does,
        # or, if nothing overlaps, when that is through.
        load = start - (interval if number and design.double_buffered else design.rows)
        stimulus["load"][load] = 1
        columns = [(c, strip * design.columns + c) for c in range(min(design.columns, n - strip * design.columns))]
        for c, column in columns:
            codes = weights[fold.reduction, column]
            stimulus[f"weight_{c}"][load : load + len(codes)] = codes
        if not fold.ends:
            continue
        stimulus["first_group"][start], stimulus["last_group"][start] = fold.group == 0, fold.group == groups - 1
        at_foot = start + design.rows - 1 + design.element.latency
        stimulus["token_scale"][at_foot + 1 : at_foot + 1 + m] = token_scale.view(np.uint16)
        for c, column in columns:
            stimulus[f"scale_{c}"][at_foot + c] = scale[fold.group, column].view(np.uint16)
            if design.has_zero_points:
                stimulus[f"zero_point_{c}"][at_foot + c] = zero_point[fold.group, column]
    return Vectors(stimulus, *_results(design, expected, k, len(stimulus["load"])))


@dataclass(frozen=True)
class _Fold:
    """The group of a fold, its part of the reduction, and whether it is the group's first and last one."""

    group: int
    reduction: slice
    begins: bool
    ends: bool


def _folds(design: DesignPoint, k: int) -> list[_Fold]:
    """Those of a strip of columns."""
    folds = []
    for group, length in enumerate(group_lengths(design.group_size, k)):
        end = group * design.group_size + length
        starts = range(end - length, end, design.rows)
        pieces = [slice(at, min(at + design.rows, end)) for at in starts]
        folds += [_Fold(group, piece, piece.start == starts[0], piece.stop == end) for piece in pieces]
    return folds


def _noise(design: DesignPoint, m: int, k: int, n: int, seed: int) -> Streams:
    """Every input at random, but for the two that say when it counts."""
    cycles = design.array.compute_cycles(m, k, n) + design.array.drain_cycles + LATENCY + 2 * (design.rows + design.columns)
    rng = np.random.default_rng(seed)
    limits = {"load": 1, "valid": 1, "token_scale": 1 << SCALE_BITS}
    limits |= dict.fromkeys(("first", "group_begins", "group_ends", "first_group", "last_group"), 2)
    limits |= {f"activation_{r}": 1 << design.activation.bits for r in range(design.rows)}
    for c in range(design.columns):
        limits |= {f"weight_{c}": 1 << design.weight.bits, f"scale_{c}": 1 << SCALE_BITS}
        limits |= {f"zero_point_{c}": 1 << design.zero_point_bits} if design.has_zero_points else {}
    return {name: rng.integers(limit, size=cycles) for name, limit in limits.items()}


def _results(
    design: DesignPoint, expected: NDArray[np.float32], k: int, cycles: int
) -> tuple[Streams, dict[str, NDArray[np.bool_]]]:
    """The results of each column in their cycles, and in which they are checked: those of padding are ignored."""
    m, n = expected.shape
    due = _due(design, m, k, n)
    bits = np.ascontiguousarray(expected, np.float32).view(np.uint32).astype(np.int64)
    outputs, checked = {}, {}
    for c in range(design.columns):
        outputs[f"result_valid_{c}"] = np.zeros(cycles, dtype=np.int64)
        outputs[f"result_valid_{c}"][due[:, c :: design.columns]] = 1
        outputs[f"result_{c}"], checked[f"result_{c}"] = np.zeros(cycles, dtype=np.int64), np.zeros(cycles, dtype=bool)
        cells = due[:, c : n : design.columns]
        outputs[f"result_{c}"][cells] = bits[:, c :: design.columns]
        checked[f"result_{c}"][cells] = True
    return outputs, checked


def _due(design: DesignPoint, m: int, k: int, n: int) -> NDArray[np.int64]:
    """The cycle ``[m, n]`` of each result, those of the last strip's padding too."""
    return design.array.result_cycles(m, k, -(-n // design.columns) * design.columns)


def place_of(design: DesignPoint, difference: Difference, m: int, k: int, n: int) -> str:
    """Which result it is that differs, if one is due in that cycle."""
    c = int(difference.port.rpartition("_")[2])
    found = np.argwhere(_due(design, m, k, n)[:, c :: design.columns] == difference.cycle)
    return f"row {found[0][0]}, column {found[0][1] * design.columns + c} is wrong: " if len(found) else ""
