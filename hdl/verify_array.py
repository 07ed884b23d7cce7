"""The Verilog of an array against expected numbers: every bit, and the cycle in which it appears."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdl.bench.vectors import Vectors
from hdl.export import components
from hdl.ieee import FP32
from hdl.verdict import ArrayVerdict, VerificationError
from hdl.verilator import Bench, Difference
from sim.array import OutputStationary, group_lengths
from sim.design import DesignPoint

Streams = dict[str, NDArray[np.int64]]

ONE = int(np.float16(1).view(np.uint16))


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
    vectors = array_vectors(design, activations, weights, scale, zero_point, token_scale, expected, seed)
    differences = Bench.of(components(design), build_dir).run(vectors)
    if differences:
        place = _place(design, differences[0], m, k, n)
        raise VerificationError(f"array: {place}{differences[0]}; {len(differences)} outputs differ")
    tiles = math.prod(_array(design).tile_counts(m, n))
    return ArrayVerdict(design.name, m * n, tiles, tiles * len(group_lengths(design.group_size, k)), vectors.cycles)


def array_vectors(
    design: DesignPoint,
    activations: NDArray[np.unsignedinteger],
    weights: NDArray[np.unsignedinteger],
    scale: NDArray[np.float16],
    zero_point: NDArray[np.unsignedinteger],
    token_scale: NDArray[np.float16],
    expected: NDArray[np.float32],
    seed: int = 0,
) -> Vectors:
    """What the array is fed and what must come out; see :func:`verify_array`."""
    (m, k), n = activations.shape, weights.shape[1]
    shape = _whole_tiles(design, m, n)
    stimulus = _array_stimulus(design, _padded(activations, shape[0], 0), _padded(weights.T, shape[1], 0).T, seed)
    _feed_scales(
        design,
        stimulus,
        k,
        _padded(scale.view(np.uint16).T, shape[1], ONE).T,
        _padded(zero_point.T, shape[1], 0).T,
        _padded(token_scale.view(np.uint16)[:, None], shape[0], ONE)[:, 0],
    )
    return Vectors(stimulus, *_results(design, expected, shape, k, len(stimulus["valid"])))


def _whole_tiles(design: DesignPoint, m: int, n: int) -> tuple[int, int]:
    """Rows and columns of results with the edge tiles filled up."""
    rows, columns = _array(design).tile_counts(m, n)
    return rows * design.rows, columns * design.columns


def _place(design: DesignPoint, difference: Difference, m: int, k: int, n: int) -> str:
    """Which result it is that differs, if one is due in that cycle."""
    _, _, column = difference.port.rpartition("_")
    rows, columns = _whole_tiles(design, m, n)
    due = design.array.result_cycles(rows, k, columns)[:, int(column) :: design.columns]
    found = np.argwhere(due == difference.cycle)
    return f"row {found[0][0]}, column {found[0][1] * design.columns + int(column)} is wrong: " if len(found) else ""


def _array(design: DesignPoint) -> OutputStationary:
    """The dataflow that there is hardware of."""
    assert isinstance(design.array, OutputStationary)
    return design.array


def _padded(values: NDArray[np.generic], length: int, fill: int) -> NDArray[np.int64]:
    """Integers with rows of ``fill`` appended."""
    rows = np.full((length - len(values), values.shape[1]), fill)
    return np.concatenate([values.astype(np.int64), rows])


def _array_stimulus(design: DesignPoint, activations: NDArray[np.int64], weights: NDArray[np.int64], seed: int) -> Streams:
    """Operands of all tiles and their flags; noise where no operand is valid."""
    (m, k), n = activations.shape, weights.shape[1]
    cycles = design.array.compute_cycles(m, k, n) + design.array.drain_cycles + 2 * max(design.rows, design.columns)
    rng = np.random.default_rng(seed)
    limits = {f"activation_{r}": len(design.activation.values) for r in range(design.rows)}
    limits |= {f"weight_{c}": len(design.weight.values) for c in range(design.columns)}
    limits |= {"valid": 1, "last": 2, "first_group": 2, "last_group": 2}
    limits |= {"scale": 1 << 16, "zero_point": 1 << design.zero_point_bits, "token_scale": 1 << 16}
    stimulus = {name: rng.integers(limit, size=cycles) for name, limit in limits.items()}

    ends = _last_operands(design, k)
    tile_rows, tile_columns = _array(design).tile_counts(m, n)
    for tile in range(tile_rows * tile_columns):
        column, row = divmod(tile, tile_rows)
        feed = tile * _array(design).tile_interval(k) + _array(design).feed_cycles(k)
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
    ends = _array(design).feed_cycles(k)[_last_operands(design, k)]
    tile_rows = len(token_scale) // design.rows
    for tile in range(tile_rows * (scale.shape[1] // design.columns)):
        column, row = divmod(tile, tile_rows)
        last = tile * _array(design).tile_interval(k) + ends + design.element.latency
        for c in range(design.columns):
            stimulus["scale"][last - 1 + c] = scale[:, column * design.columns + c]
            stimulus["zero_point"][last - 1 + c] = zero_point[:, column * design.columns + c]
        for r in range(design.rows):
            stimulus["token_scale"][last + r] = token_scale[row * design.rows + r]


def _results(
    design: DesignPoint, expected: NDArray[np.float32], shape: tuple[int, int], k: int, cycles: int
) -> tuple[Streams, dict[str, NDArray[np.bool_]]]:
    """The results of each column in their cycles, and in which they are checked: those of padding are ignored."""
    due = design.array.result_cycles(shape[0], k, shape[1])
    bits = np.ascontiguousarray(expected, dtype=np.float32).view(np.uint32).astype(np.int64)
    # IEEE 754 leaves the bits of NaN open: numpy's are the machine's.
    bits = np.where(np.isnan(expected), FP32.nan, bits)
    outputs: Streams = {}
    checked = {}
    for c in range(design.columns):
        outputs[f"result_valid_{c}"] = np.zeros(cycles, dtype=np.int64)
        outputs[f"result_valid_{c}"][due[:, c :: design.columns]] = 1
        outputs[f"result_{c}"], checked[f"result_{c}"] = np.zeros(cycles, dtype=np.int64), np.zeros(cycles, dtype=bool)
        of_column = due[: len(bits), c : bits.shape[1] : design.columns]
        outputs[f"result_{c}"][of_column] = bits[:, c :: design.columns]
        checked[f"result_{c}"][of_column] = True
    return outputs, checked
