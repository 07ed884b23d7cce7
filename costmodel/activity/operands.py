"""What one PE of an array is fed while the array computes products: operands in the order in which it would see them.

Output-stationary, PE ``(r, c)`` sees along ``k`` its row of activations and its column of weights, group after group and
tile after tile. Weight-stationary, its weight stays while the activations of all rows of the product pass, then that of the
next fold; on the port of weights are all those of its column, one a cycle, and the sum of the rows above comes in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.bench.vectors import RESET, Vectors
from hdl.verify.pe import with_sums
from hdl.verify.stationary_pe import with_sums_below
from sim.accumulators import Products
from sim.array import group_lengths
from sim.design import DesignPoint
from sim.quantized import Scheme, quantize

Codes = NDArray[np.int64]

Product = tuple[Codes, Codes]
"""Codes of activations ``[m, k]`` and weights ``[k, n]``."""

PIECES = 64
"""Places of products from which a stream is taken."""


@dataclass(frozen=True)
class Run:
    """Operands that belong together: a group of a PE that adds up, or a fold of one that holds a weight.

    Codes ``activations[i, lane]`` and ``weights[i, lane]``. Of a fold, ``weights`` are those in use, ``column`` all weights
    that are loaded for it, of which the PE takes that of its ``row``, and ``above`` the sums ``[i]`` of the rows above; in
    its last ``idle`` cycles operands stay as they are while weights are loaded.
    """

    activations: Codes
    weights: Codes
    row: int = 0
    column: Codes | None = None
    above: NDArray[Any] | None = None
    idle: int = 0

    @property
    def macs(self) -> int:
        return int(self.activations.size * self.weights.shape[1]) - self.idle


Piece = list[Run]


@dataclass(frozen=True)
class Stream:
    """What a PE is fed and what must come out, and where pieces begin and end: cycles ``[piece + 1]``, ``macs[piece]``."""

    vectors: Vectors
    bounds: NDArray[np.int64]
    macs: NDArray[np.int64]


def activation_codes(scheme: Scheme, activations: NDArray[np.floating]) -> Codes:
    """Codes of activations ``[m, k]``."""
    return quantize(activations, scheme, axis=1).codes.astype(np.int64)


def weight_codes(scheme: Scheme, weights: NDArray[np.floating]) -> Codes:
    """Codes of weights ``[k, n]``."""
    return quantize(weights, scheme, axis=0).codes.astype(np.int64)


def pieces_of(design: DesignPoint, products: Sequence[Product], macs: int, seed: int = 0) -> list[Piece]:
    """At least so many MACs in :data:`PIECES`, spread evenly over all MACs of the products, in their order.

    Within its part of the products a piece begins anywhere. It is of one PE, drawn too, and goes on to the next tiles of its
    product, or folds.
    """
    rng = np.random.default_rng(seed)
    runs = _folds if design.dataflow == "weight_stationary" else _groups
    work = np.cumsum([a.size * w.shape[1] for a, w in products])
    places = (np.arange(PIECES) + rng.random(PIECES)) / PIECES * work[-1]
    pieces = []
    for index in np.searchsorted(work, places, side="right"):
        all_runs = runs(design, rng, *products[index])
        piece: Piece = []
        start = int(rng.integers(len(all_runs)))
        while sum(run.macs for run in piece) * PIECES < macs:
            piece.append(all_runs[(start + len(piece)) % len(all_runs)])
        pieces.append(piece)
    return pieces


def _groups(design: DesignPoint, rng: np.random.Generator, a: Codes, w: Codes) -> list[Run]:
    """Groups of a PE of an output-stationary array; tiles in which it has no result are left out, lanes without one zero."""
    (of_row, of_column), (m, k), n = design.element.lanes, a.shape, w.shape[1]
    if m % of_row or n % of_column:
        a, w = np.pad(a, ((0, -m % of_row), (0, 0))), np.pad(w, ((0, 0), (0, -n % of_column)))
    rows, columns = len(a) // of_row, w.shape[1] // of_column
    r, c = rng.integers(min(rows, design.rows)), rng.integers(min(columns, design.columns))
    lengths = np.array(group_lengths(design.group_size, k))
    along = [slice(end - length, end) for end, length in zip(np.cumsum(lengths), lengths, strict=True)]
    return [
        Run(a[row * of_row : (row + 1) * of_row, group].T, w[group, column * of_column : (column + 1) * of_column])
        for column in range(c, columns, design.columns)
        for row in range(r, rows, design.rows)
        for group in along
    ]


def _folds(design: DesignPoint, rng: np.random.Generator, a: Codes, w: Codes) -> list[Run]:
    """Folds of a PE of a weight-stationary array; those of which it has no weight are left out."""
    (m, k), n = a.shape, w.shape[1]
    pieces = []
    for group, length in enumerate(group_lengths(design.group_size, k)):
        start = group * design.group_size
        pieces += [slice(at, min(at + design.rows, start + length)) for at in range(start, start + length, design.rows)]
    r = int(rng.integers(max(piece.stop - piece.start for piece in pieces)))
    c = rng.integers(min(n, design.columns))
    # The next fold begins when its weights are there.
    streamed = np.minimum(np.arange(max(m, design.rows)), m - 1)
    runs = []
    for column in range(c, n, design.columns):
        for piece in pieces:
            codes, operands = w[piece, column], a[streamed, piece]
            if r >= len(codes):
                continue
            above = _sums_above(design, codes[:r], operands[:, :r]) if r else np.zeros(len(operands), dtype=np.int64)
            held = np.full((len(operands), 1), codes[r])
            runs.append(Run(operands[:, r : r + 1], held, r, codes, above, len(operands) - m))
    return runs


def _sums_above(design: DesignPoint, weights: Codes, activations: Codes) -> NDArray[Any]:
    """Sums ``[m]`` of products of ``weights[row]`` and ``activations[m, row]``."""
    element = design.element
    significands, exponents = element.multiply(weights[:, None], activations.T)
    return element.accumulation.sum(Products(significands, exponents, element.product_lsb, element.product_bits))


def pe_stream(design: DesignPoint, pieces: Sequence[Piece]) -> Stream:
    """Pieces one after the other without a gap, after a reset; what a PE that takes several cycles reads stays that long."""
    held = design.dataflow == "weight_stationary"
    vectors, start = (_held_vectors if held else _passing_vectors)(design, [run for piece in pieces for run in piece])
    cycles = np.array([sum(len(run.activations) for run in piece) for piece in pieces]) * design.element.interval
    return Stream(
        vectors, start + np.concatenate([[0], np.cumsum(cycles)]), np.array([sum(run.macs for run in p) for p in pieces])
    )


def _passing_vectors(design: DesignPoint, runs: Sequence[Run]) -> tuple[Vectors, int]:
    """Vectors, in whose first cycle is a reset, and the cycle of the first operands."""
    interval = design.element.interval
    stimulus = {
        "activation": _side_by_side([run.activations for run in runs], design.activation.bits),
        "weight": _side_by_side([run.weights for run in runs], design.weight.bits),
        "last": np.concatenate([np.arange(len(run.activations)) == len(run.activations) - 1 for run in runs]).astype(np.int64),
    }
    stimulus = {name: np.repeat(values, interval) for name, values in stimulus.items()}
    stimulus["valid"] = (np.arange(len(stimulus["last"])) % interval == 0).astype(np.int64)
    stimulus = {name: np.pad(values, (1, 0)) for name, values in stimulus.items()}
    drained = {name: np.pad(values, (0, design.pe_latency + 1), mode="edge") for name, values in stimulus.items()}
    drained["valid"][len(stimulus["valid"]) :] = 0
    drained[RESET] = (np.arange(len(drained["valid"])) == 0).astype(np.int64)
    return _after_reset(with_sums(design, drained)[0]), 1


def _held_vectors(design: DesignPoint, folds: Sequence[Run]) -> tuple[Vectors, int]:
    """As :func:`_passing_vectors`; the first weight is loaded in the cycle after the reset, others as in an array."""
    lengths = np.array([len(fold.activations) for fold in folds])
    starts = 1 + design.rows + np.cumsum(lengths) - lengths
    latency = design.element.latency
    cycles = int(starts[-1] + lengths[-1]) + latency + 1
    stimulus = {name: np.zeros(cycles, dtype=np.int64) for name in ("activation", "weight", "load", "first", RESET)}
    stimulus["sum_above"] = np.zeros(cycles, dtype=object if design.accumulator_bits > 62 else np.int64)
    used = np.zeros(cycles, dtype=np.int64)
    stimulus[RESET][0] = 1
    loads = np.concatenate([[1], starts[:-1]])
    for fold, start, load in zip(folds, starts, loads, strict=True):
        assert fold.column is not None and fold.above is not None
        there = slice(start, start + len(fold.activations))
        stimulus["activation"][there], used[there] = fold.activations[:, 0], fold.weights[:, 0]
        stimulus["sum_above"][start + latency - 1 : start + latency - 1 + len(fold.above)] = fold.above
        stimulus["first"][start], stimulus["load"][load] = 1, 1
        first = max(1, load - fold.row)
        stimulus["weight"][first:] = fold.column[-1]
        last = load - fold.row + len(fold.column)
        stimulus["weight"][first:last] = fold.column[first - load + fold.row :]
    operands = np.arange(starts[0], starts[-1] + lengths[-1])
    return _after_reset(with_sums_below(design, stimulus, operands, used[operands])), int(starts[0])


def _after_reset(vectors: Vectors) -> Vectors:
    """The same, checked from the cycle after the reset on: standard cells start without a state."""
    later = np.arange(vectors.cycles) > 0
    return Vectors(
        vectors.inputs, vectors.outputs, {name: later & vectors.checked.get(name, later) for name in vectors.outputs}
    )


def _side_by_side(codes: Sequence[Codes], bits: int) -> NDArray[Any]:
    """Codes ``[i, lane]`` of runs as their port has them."""
    lanes = np.concatenate(codes)
    port: NDArray[Any] = (lanes << np.arange(lanes.shape[1]) * bits).sum(axis=1)
    return port
