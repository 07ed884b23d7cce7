"""The Verilog of an array against expected numbers: every bit, and the cycle in which it appears."""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.bench.vectors import Vectors, fp32_bits, noise, restarted
from hdl.export import array_parts
from hdl.tools.verilator import Bench, Difference
from hdl.verify.stationary import place_of, stationary_vectors
from hdl.verify.verdict import ArrayVerdict, VerificationError
from sim.array import OutputStationary, group_lengths
from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS, SCALE_BITS

Streams = dict[str, NDArray[np.int64]]

INT64_BITS = 64

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
    ignored. Inputs that the array must not look at are noise from ``seed``. How an array is fed in which weights stay is
    said in :mod:`hdl.verify.stationary`; a strip of its columns counts as a tile. After the product it begins once more,
    is reset when the first results have come, and begins anew.

    Raises :class:`VerificationError` at the first wrong or missing result, or a result that is nobody's.
    """
    (m, k), n = activations.shape, weights.shape[1]
    vectors = array_vectors(design, activations, weights, scale, zero_point, token_scale, expected, seed)
    bench = Bench.of(array_parts(design), build_dir)
    given = reset_among_results(design, vectors)
    differences = bench.run(given)
    if differences:
        place = (place_of if _weights_stay(design) else _place)(design, differences[0], m, k, n)
        message = f"array: {place}{differences[0]}; {len(differences)} outputs differ"
        raise VerificationError(message, partial(bench.keep_wave, differences[0].cycle, given))
    tiles = -(-n // design.columns) if _weights_stay(design) else math.prod(_array(design).tile_counts(m, n))
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
    if _weights_stay(design):
        return stationary_vectors(design, activations, weights, scale, zero_point, token_scale, expected, seed)
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


def reset_among_results(design: DesignPoint, vectors: Vectors) -> Vectors:
    """The same, and then the first results again, between which the array is reset: it begins with the first one anew."""
    valid = [values for name, values in vectors.outputs.items() if name.startswith("result_valid")]
    second = int(np.flatnonzero(np.any(valid, axis=0))[0]) + 1
    return restarted(vectors, second, second + design.rows + design.columns)


def _whole_tiles(design: DesignPoint, m: int, n: int) -> tuple[int, int]:
    """Rows and columns of results with the edge tiles filled up."""
    rows, columns = design.array.granule
    tile_rows, tile_columns = _array(design).tile_counts(m, n)
    return tile_rows * rows, tile_columns * columns


def _place(design: DesignPoint, difference: Difference, m: int, k: int, n: int) -> str:
    """Which result it is that differs, if one is due in that cycle."""
    _, _, place = difference.port.rpartition("_")
    activations, weights = design.element.lanes
    rows, columns = _whole_tiles(design, m, n)
    due = design.array.result_cycles(rows, k, columns)[::activations, ::weights][:, int(place) :: design.columns]
    found = np.argwhere(due == difference.cycle)
    if not len(found):
        return ""
    wrong = difference.got ^ difference.expected
    x, y = divmod(((wrong & -wrong).bit_length() - 1) // OUTPUT_BITS, weights)
    row, column = found[0][0] * activations + x, (found[0][1] * design.columns + int(place)) * weights + y
    return f"row {row}, column {column} is wrong: "


def _weights_stay(design: DesignPoint) -> bool:
    """Whether the array is fed folds of weights instead of tiles of results."""
    return design.dataflow == "weight_stationary"


def _array(design: DesignPoint) -> OutputStationary:
    """How the array computes a tile of results."""
    assert isinstance(design.array, OutputStationary)
    return design.array


def _padded(values: NDArray[np.generic], length: int, fill: int) -> NDArray[np.int64]:
    """Integers with rows of ``fill`` appended."""
    rows = np.full((length - len(values), values.shape[1]), fill)
    return np.concatenate([values.astype(np.int64), rows])


def _side_by_side(numbers: NDArray[np.int64], bits: int) -> NDArray[Any]:
    """Numbers ``[lane, ...]`` in one, the first lowest; Python's integers where 64 bits are too narrow."""
    kind = np.int64 if len(numbers) * bits < INT64_BITS else object
    packed: NDArray[Any] = numbers[0].astype(kind)
    for lane in range(1, len(numbers)):
        packed |= numbers[lane].astype(kind) << lane * bits
    return packed


def _array_stimulus(design: DesignPoint, activations: NDArray[np.int64], weights: NDArray[np.int64], seed: int) -> Streams:
    """Operands of all tiles and their flags; noise where no operand is valid."""
    (m, k), n = activations.shape, weights.shape[1]
    cycles = design.array.compute_cycles(m, k, n) + design.array.drain_cycles + 2 * max(design.rows, design.columns)
    rng = np.random.default_rng(seed)
    of_row, of_column = design.element.lanes
    widths = {f"activation_{r}": design.activation.bits * of_row for r in range(design.rows)}
    widths |= {f"weight_{c}": design.weight.bits * of_column for c in range(design.columns)}
    widths |= {"valid": 0, "last": 1, "first_group": 1, "last_group": 1, "scale": SCALE_BITS * of_column}
    widths |= {"zero_point": design.zero_point_bits * of_column, "token_scale": SCALE_BITS * of_row}
    stimulus = {name: noise(rng, bits, cycles) for name, bits in widths.items()}

    ends = _last_operands(design, k)
    tile_rows, tile_columns = _array(design).tile_counts(m, n)
    for tile in range(tile_rows * tile_columns):
        column, row = divmod(tile, tile_rows)
        feed = tile * design.array.work(1, k, 1) + _array(design).feed_cycles(k)
        for r in range(design.rows):
            first = (row * design.rows + r) * of_row
            stimulus[f"activation_{r}"][feed] = _side_by_side(activations[first : first + of_row], design.activation.bits)
        for c in range(design.columns):
            first = (column * design.columns + c) * of_column
            stimulus[f"weight_{c}"][feed] = _side_by_side(weights[:, first : first + of_column].T, design.weight.bits)
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
    (rows, columns), (of_row, of_column) = design.array.granule, design.element.lanes
    tile_rows = len(token_scale) // rows
    for tile in range(tile_rows * (scale.shape[1] // columns)):
        column, row = divmod(tile, tile_rows)
        last = tile * design.array.work(1, k, 1) + ends + design.pe_latency
        for c in range(design.columns):
            of = slice(column * columns + c * of_column, column * columns + (c + 1) * of_column)
            stimulus["scale"][last - 1 + c] = _side_by_side(scale[:, of].T, SCALE_BITS)
            stimulus["zero_point"][last - 1 + c] = _side_by_side(zero_point[:, of].T, design.zero_point_bits)
        for r in range(design.rows):
            of = slice(row * rows + r * of_row, row * rows + (r + 1) * of_row)
            stimulus["token_scale"][last + r] = _side_by_side(token_scale[of], SCALE_BITS)


def _results(
    design: DesignPoint, expected: NDArray[np.float32], shape: tuple[int, int], k: int, cycles: int
) -> tuple[Mapping[str, NDArray[Any]], dict[str, NDArray[np.bool_]]]:
    """The results of each column in their cycles, and in which they are checked: those of padding are ignored.

    Padding beside a result, in another lane of its PE, is zero: only integers have lanes, and their code 0 is a zero.
    """
    of_row, of_column = design.element.lanes
    due = design.array.result_cycles(shape[0], k, shape[1])[::of_row, ::of_column]
    bits = fp32_bits(expected)
    filled = np.pad(bits, ((0, -len(bits) % of_row), (0, -bits.shape[1] % of_column)))
    lanes = np.stack([filled[x::of_row, y::of_column] for x in range(of_row) for y in range(of_column)])
    results = _side_by_side(lanes, OUTPUT_BITS)
    outputs: dict[str, NDArray[Any]] = {}
    checked = {}
    for c in range(design.columns):
        outputs[f"result_valid_{c}"] = np.zeros(cycles, dtype=np.int64)
        outputs[f"result_valid_{c}"][due[:, c :: design.columns]] = 1
        outputs[f"result_{c}"], checked[f"result_{c}"] = np.zeros(cycles, dtype=results.dtype), np.zeros(cycles, dtype=bool)
        cells = due[: len(results), c : results.shape[1] : design.columns]
        outputs[f"result_{c}"][cells] = results[:, c :: design.columns]
        checked[f"result_{c}"][cells] = True
    return outputs, checked
