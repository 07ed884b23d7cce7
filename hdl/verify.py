"""Exported Verilog against expected numbers: every bit, and the cycle in which it appears."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hdl.bench.player import RESET
from hdl.export import components
from hdl.pe import PES
from hdl.verilator import Bench
from sim.array import compute_cycles, feed_cycles, group_lengths, result_cycles, tile_counts, tile_interval
from sim.design import DesignPoint
from sim.errors import Failure

Streams = dict[str, NDArray[np.int64]]

BATCH = 1 << 18
"""Cycles a simulation, so that the bits of all of them fit into memory."""

ONE = int(np.float16(1).view(np.uint16))


class VerificationError(Failure):
    """The Verilog differs from what was expected; the message names the first difference."""


@dataclass(frozen=True)
class PEVerdict:
    """What was found equal: operand pairs, group sums (the pairs included), cycles compared."""

    design: str
    pairs: int
    groups: int
    cycles: int


@dataclass(frozen=True)
class ArrayVerdict:
    """What was found equal: fp32 results, tiles and groups they came from, cycles compared."""

    design: str
    results: int
    tiles: int
    groups: int
    cycles: int


def verify_pe(design: DesignPoint, build_dir: Path, seed: int = 0) -> PEVerdict:
    """Every pair of operands through the design's PE, then chains of groups; each sum in its exact cycle.

    A pair is a group of its own, back to back with its neighbours. Chains have groups of lengths 1, 2, the group size
    and random ones, with and without bubbles, all extremes, and a reset in the middle of a group.

    Raises :class:`VerificationError` at the first difference.
    """
    bench = Bench([PES[design.pe](design)], build_dir)
    pairs = 1 << (design.weight.bits + design.activation.bits)
    chains = _chains(design, np.random.default_rng(seed))
    cycles = 0
    for start in range(0, pairs, BATCH):
        stop = min(start + BATCH, pairs)
        pair = np.arange(start, stop)
        stream = _operands(pair & (len(design.weight.values) - 1), pair >> design.weight.bits)
        stream["last"][:] = 1
        cycles += _play_pe(design, bench, [stream, *chains] if stop == pairs else [stream])
    groups = pairs + sum(int((chain["last"] & chain["valid"]).sum()) for chain in chains if not chain[RESET].any())
    return PEVerdict(design.name, pairs, groups, cycles)


def _operands(weight: ArrayLike, activation: ArrayLike) -> Streams:
    """Operands back to back; ``last`` is for the caller to set."""
    weights, activations = np.asarray(weight, dtype=np.int64), np.asarray(activation, dtype=np.int64)
    flags = {"valid": np.ones_like(weights), "last": np.zeros_like(weights), RESET: np.zeros_like(weights)}
    return {"weight": weights, "activation": activations, **flags}


def _chains(design: DesignPoint, rng: np.random.Generator) -> list[Streams]:
    """Groups that follow each other directly, one stream each; a reset one is abandoned before it ends."""
    weight_codes, activation_codes = len(design.weight.values), len(design.activation.values)

    def group(length: int, bubbles: int = 0) -> Streams:
        stream = _operands(rng.integers(weight_codes, size=length), rng.integers(activation_codes, size=length))
        stream["last"][-1] = 1
        places = np.sort(rng.integers(length + 1, size=bubbles))
        noise = {"weight": weight_codes, "activation": activation_codes, "valid": 1, "last": 2, RESET: 1}
        return {name: np.insert(values, places, rng.integers(noise[name], size=bubbles)) for name, values in stream.items()}

    def extreme(weight: int, activation: int) -> Streams:
        stream = _operands(*(np.full(design.group_size, code) for code in (weight, activation)))
        stream["last"][-1] = 1
        return stream

    def interrupted(ends: int) -> Streams:
        """Reset falls on the last operand: a group is abandoned, or none of the sums that just ended may appear."""
        stream = group(max(3, design.group_size))
        stream["last"][-2:] = ends
        stream[RESET][-1] = 1
        return stream

    size = design.group_size
    lengths = [1, 1, 1, 2, size, size, 1, *rng.integers(1, size + 1, size=12).tolist()]
    weights = [design.weight.values.index(v) for v in (design.weight.smallest, design.weight.largest)]
    activations = [design.activation.values.index(v) for v in (design.activation.smallest, design.activation.largest)]
    return [
        *(group(length) for length in lengths),
        *(extreme(w, a) for w in weights for a in activations),
        *(group(length, bubbles=int(rng.integers(1, 9))) for length in lengths),
        interrupted(ends=1),
        *(group(length) for length in lengths),
        interrupted(ends=0),
        *(group(length) for length in lengths),
    ]


def _play_pe(design: DesignPoint, bench: Bench, chain: list[Streams]) -> int:
    """Play groups, compare all outputs in all cycles, return how many cycles."""
    latency = design.element.latency
    drain = {name: np.zeros(latency + 2, dtype=np.int64) for name in chain[0]}
    stimulus = {name: np.concatenate([*(group[name] for group in chain), drain[name]]) for name in drain}
    valid, reset = stimulus["valid"].astype(bool), stimulus[RESET].astype(bool)
    products = design.weight.decode(stimulus["weight"].astype(np.uint16)).astype(np.int64)
    products = np.where(valid, products * design.activation.decode(stimulus["activation"].astype(np.uint16)), 0)
    ends = np.flatnonzero(valid & stimulus["last"].astype(bool))
    # What a reset finds in the registers is lost: sums that are due after it, operands that no sum has taken.
    killed = np.zeros(len(ends), dtype=bool)
    for cycle in np.flatnonzero(reset):
        killed |= (ends <= cycle) & (ends + latency > cycle)
        products[ends[ends <= cycle].max(initial=-1) + 1 : cycle + 1] = 0
    running = np.concatenate([[0], np.cumsum(products)])
    starts = np.concatenate([[0], ends[:-1] + 1])
    sums = running[ends + 1] - running[starts]

    outputs = bench.play(stimulus)
    due = np.zeros_like(valid)
    due[ends[~killed] + latency] = True
    _compare("sum_valid", outputs["sum_valid"], due.astype(np.int64))
    expected = np.zeros(len(valid), dtype=np.int64)
    expected[ends[~killed] + latency] = sums[~killed] & ((1 << design.accumulator_bits) - 1)
    _compare("sum", np.where(due, outputs["sum"], 0), expected)
    for name in ("weight", "activation", "valid", "last"):
        forwarded = np.where(reset, 0, stimulus[name])[:-1]
        _compare(f"{name}_out", outputs[f"{name}_out"], np.concatenate([[0], forwarded]))
    return len(valid)


def _compare(port: str, got: NDArray[np.int64], expected: NDArray[np.int64]) -> None:
    wrong = np.flatnonzero(got != expected)
    if len(wrong):
        cycle = wrong[0]
        raise VerificationError(
            f"PE: {port} in cycle {cycle} is {got[cycle]:#x}, expected {expected[cycle]:#x}; "
            f"{len(wrong)} of {len(got)} cycles differ"
        )


def verify_array(
    design: DesignPoint,
    activations: NDArray[np.unsignedinteger],
    weights: NDArray[np.unsignedinteger],
    scale: NDArray[np.float16],
    zero_point: NDArray[np.unsignedinteger],
    token_scale: NDArray[np.float16],
    expected: NDArray[np.float32],
    build_dir: Path,
    seed: int = 0,
) -> ArrayVerdict:
    """A whole product through the design's array, tile after tile, each result's bits in its exact cycle.

    Codes ``activations[m, k]`` and ``weights[k, n]``; ``scale[g, n]``, ``zero_point[g, n]``; ``token_scale[m]``;
    ``expected[m, n]``. Rows and columns of an edge tile that no operand reaches are fed zero codes and their results
    ignored. Inputs that the array must not look at are noise from ``seed``.

    Raises :class:`VerificationError` at the first wrong or missing result, or a result that is nobody's.
    """
    (m, k), n = activations.shape, weights.shape[1]
    tile_rows, tile_columns = tile_counts(design, m, n)
    shape = (tile_rows * design.rows, tile_columns * design.columns)
    stimulus = _array_stimulus(design, _padded(activations, shape[0], 0), _padded(weights.T, shape[1], 0).T, seed)
    _feed_scales(
        design,
        stimulus,
        k,
        _padded(scale.view(np.uint16).T, shape[1], ONE).T,
        _padded(zero_point.T, shape[1], 0).T,
        _padded(token_scale.view(np.uint16)[:, None], shape[0], ONE)[:, 0],
    )
    outputs = Bench(components(design), build_dir).play(stimulus)

    due = result_cycles(design, shape[0], k, shape[1])
    bits = np.ascontiguousarray(expected, dtype=np.float32).view(np.uint32).astype(np.int64)
    names = range(design.columns)
    got = np.stack([outputs[f"result_{c}"] for c in names], axis=1)[due, np.arange(shape[1]) % design.columns]
    valid = np.stack([outputs[f"result_valid_{c}"] for c in names], axis=1)
    expected_valid = np.zeros_like(valid)
    expected_valid[due, np.arange(shape[1]) % design.columns] = 1
    _check_valid(valid, expected_valid)
    wrong = np.argwhere(got[:m, :n] != bits)
    if len(wrong):
        row, column = wrong[np.argmin(due[wrong[:, 0], wrong[:, 1]])]
        raise VerificationError(
            f"array: result of row {row}, column {column} in cycle {due[row, column]} is {got[row, column]:#010x}, "
            f"expected {bits[row, column]:#010x} ({expected[row, column]:.9g}); {len(wrong)} of {m * n} results differ"
        )
    tiles = tile_rows * tile_columns
    return ArrayVerdict(design.name, m * n, tiles, tiles * len(group_lengths(design.group_size, k)), len(valid))


def _padded(values: NDArray[np.generic], length: int, fill: int) -> NDArray[np.int64]:
    """Integers with rows of ``fill`` appended."""
    rows = np.full((length - len(values), values.shape[1]), fill)
    return np.concatenate([values.astype(np.int64), rows])


def _array_stimulus(design: DesignPoint, activations: NDArray[np.int64], weights: NDArray[np.int64], seed: int) -> Streams:
    """Operands of all tiles and their flags; noise where no operand is valid."""
    (m, k), n = activations.shape, weights.shape[1]
    cycles = compute_cycles(design, m, k, n) + 2 * max(design.rows, design.columns)
    rng = np.random.default_rng(seed)
    limits = {f"activation_{r}": len(design.activation.values) for r in range(design.rows)}
    limits |= {f"weight_{c}": len(design.weight.values) for c in range(design.columns)}
    limits |= {"valid": 1, "last": 2, "first_group": 2, "last_group": 2}
    limits |= {"scale": 1 << 16, "zero_point": 1 << design.zero_point_bits, "token_scale": 1 << 16}
    stimulus = {name: rng.integers(limit, size=cycles) for name, limit in limits.items()}

    ends = _last_operands(design, k)
    tile_rows, tile_columns = tile_counts(design, m, n)
    for tile in range(tile_rows * tile_columns):
        column, row = divmod(tile, tile_rows)
        feed = tile * tile_interval(design, k) + feed_cycles(design, k)
        for r in range(design.rows):
            stimulus[f"activation_{r}"][feed] = activations[row * design.rows + r]
        for c in range(design.columns):
            stimulus[f"weight_{c}"][feed] = weights[:, column * design.columns + c]
        stimulus["valid"][feed] = 1
        stimulus["last"][feed] = 0
        stimulus["last"][feed[ends]] = 1
        stimulus["first_group"][feed[ends]] = np.arange(len(ends)) == 0
        stimulus["last_group"][feed[ends]] = np.arange(len(ends)) == len(ends) - 1
    return stimulus


def _last_operands(design: DesignPoint, k: int) -> NDArray[np.int64]:
    return np.cumsum(group_lengths(design.group_size, k)) - 1


def _feed_scales(
    design: DesignPoint,
    stimulus: Streams,
    k: int,
    scale: NDArray[np.int64],
    zero_point: NDArray[np.int64],
    token_scale: NDArray[np.int64],
) -> None:
    """Put the constants of columns and rows into the cycles in which the epilogues expect them."""
    ends = feed_cycles(design, k)[_last_operands(design, k)]
    tile_rows = len(token_scale) // design.rows
    for tile in range(tile_rows * (scale.shape[1] // design.columns)):
        column, row = divmod(tile, tile_rows)
        last = tile * tile_interval(design, k) + ends
        for c in range(design.columns):
            stimulus["scale"][last + 1 + c] = scale[:, column * design.columns + c]
            stimulus["zero_point"][last + 1 + c] = zero_point[:, column * design.columns + c]
        for r in range(design.rows):
            stimulus["token_scale"][last + 2 + r] = token_scale[row * design.rows + r]


def _check_valid(valid: NDArray[np.int64], expected: NDArray[np.int64]) -> None:
    wrong = np.argwhere(valid != expected)
    if len(wrong):
        cycle, column = wrong[0]
        raise VerificationError(
            f"array: result_valid_{column} in cycle {cycle} is {valid[cycle, column]}, expected {expected[cycle, column]}; "
            f"{len(wrong)} of {valid.size} differ"
        )
