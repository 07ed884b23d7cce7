"""What a vector unit is fed, and what must come out in which cycle, whoever waits for whom."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hdl.bench.vectors import Vectors, followed, noise
from hdl.overlay.chain import ACTIVATION_BITS, WEIGHT_BITS, activations_of, beat_ports
from sim.overlay.chain import Beat, Kept, column_sums, paired_columns
from sim.overlay.engine import BLOCK, DENSITIES, LANES, Engine
from sim.overlay.sparsity import INDEX_BITS

SPARE = 0.75
"""How often a beat is there, and whoever takes the sums is ready, in the runs in which somebody waits."""

EXTREMES = ((-128, -128, -128), (-128, -128, 127), (127, 127, -128), (-128, 127, -128), (0, -128, 127))
"""Weights, and activations of both lanes, of which all numbers are the same."""


@dataclass(frozen=True)
class Given:
    """A beat with its activations ``[lanes, 16]``; nothing but the end of a group without one.

    ``vector``: its lanes are two columns.
    """

    beat: Beat | None
    activations: NDArray[np.int8]
    last: bool
    vector: bool


def vector_unit_vectors(engine: Engine, groups: int, seed: int = 0) -> Vectors:
    """Groups back to back; with bubbles and with waiting; a reset in the middle of that, and from the beginning."""
    rng = np.random.default_rng(seed)
    given = list(_groups(engine, groups, rng))
    at_once, halting = (_run(engine, given, rate, rng) for rate in (1, SPARE))
    broken_off = followed(halting, halting.cycles // 2, at_once)
    return followed(at_once, at_once.cycles, followed(halting, halting.cycles, broken_off))


def _groups(engine: Engine, groups: int, rng: np.random.Generator) -> Iterator[Given]:
    """Groups of 1 to 4 blocks of any density, the first few of nothing but extremes, some empty.

    Where lanes may be two columns, they are in every other pair of groups.
    """
    densities = DENSITIES if engine.sparse else DENSITIES[-1:]
    for number in range(groups):
        blocks, vector = int(rng.integers(1, 5)), engine.two_columns and number % 4 > 1
        of_blocks = np.full(blocks, densities[number % len(densities)]) if number < 10 else rng.choice(densities, blocks)
        values = rng.integers(-128, 128, BLOCK * int(of_blocks.sum())).astype(np.int8)
        activations = rng.integers(-128, 128, (LANES, blocks * BLOCK)).astype(np.int8)
        if number < 10:
            values[:], activations[0], activations[1] = EXTREMES[number // 2]
            if vector and number % 2:
                # Lanes of opposite signs: one borrows from the other, and does not.
                values.reshape(-1, engine.multipliers)[::2] = activations[1, 0]
        places = [np.sort(rng.permutation(BLOCK)[:n]) for n in of_blocks for _ in range(BLOCK)]
        kept = Kept(of_blocks.astype(np.uint8)[:, None], values, np.concatenate(places).astype(np.uint8))
        of_mode = kept.beats(engine, 0, "mv" if vector else "mm")
        beats = [Given(beat, activations[:, beat.k * BLOCK :][:, :BLOCK], False, vector) for beat in of_mode]
        if beats and rng.random() < 0.5:
            beats[-1] = replace(beats[-1], last=True)
        else:
            beats.append(Given(None, activations[:, :BLOCK], True, vector))
        yield from beats


def _run(engine: Engine, given: list[Given], rate: float, rng: np.random.Generator) -> Vectors:
    """From a reset to the last sum; a cycle as the registers see it."""
    waiting = deque(given)
    pipeline: deque[Given | None] = deque([None] * (engine.latency - 1))
    held, drained, left = np.zeros((BLOCK, LANES), np.int64), np.zeros((BLOCK, LANES), np.int64), 0
    ports = beat_ports(engine)
    rows: dict[str, list[int]] = {
        name: [] for name in ("valid", "ready", "sum", "sum_column", "sum_valid", "sum_ready", *ports)
    }
    offered = False
    while waiting or left or any(pipeline):
        offered = bool(waiting) and (offered or rng.random() < rate)
        ready = int(rng.random() < rate)
        there = pipeline[-1]
        advance = not (there and there.last) or left == 0 or (left == 1 and ready == 1)
        fields = _fields(engine, waiting[0]) if offered else {n: int(noise(rng, bits, 1)[0]) for n, bits in ports.items()}
        column = BLOCK - left if left else 0
        values = {
            "valid": offered,
            "ready": advance,
            "sum": _packed(drained[column], engine.accumulator_bits),
            "sum_column": column,
        }
        for name, value in {**values, "sum_valid": left > 0, "sum_ready": ready, **fields}.items():
            rows[name].append(int(value))
        left -= bool(left) and ready
        if advance:
            if there and there.beat is not None:
                held += _added(engine, there, there.beat)
            if there and there.last:
                drained, held, left = held, np.zeros((BLOCK, LANES), np.int64), BLOCK
            pipeline.pop()
            pipeline.appendleft(waiting.popleft() if offered else None)
            offered = False
    return _vectors(rows)


def _added(engine: Engine, given: Given, beat: Beat) -> NDArray[np.int64]:
    """What a beat adds to the sums ``[16, lanes]`` in the order in which they leave."""
    columns = np.zeros((BLOCK, LANES), np.int64)
    sums = column_sums(engine, beat, given.activations)
    if not given.vector:
        columns[beat.column :][: len(sums)] = sums
        return columns
    of_columns = np.zeros(BLOCK, np.int64)
    of_columns[beat.column :][: len(sums)] = sums[:, 0]
    columns[: BLOCK // LANES] = of_columns[paired_columns(engine)]
    return columns


def _fields(engine: Engine, given: Given) -> dict[str, int]:
    """A beat's ports, what of it means nothing filled with ones."""
    beat = given.beat
    everything = {name: (1 << bits) - 1 for name, bits in beat_ports(engine).items()}
    if beat is None:
        return everything | {"density": 0, "last": int(given.last)}
    part, width = given.activations, WEIGHT_BITS * len(beat.weights)
    if not engine.sparse:
        part = part[:, int(beat.indices[0]) :][:, : activations_of(engine)]
    fields = {
        "weights": _packed(beat.weights, WEIGHT_BITS) | everything["weights"] >> width << width,
        "vector": int(given.vector),
        "indices": _packed(beat.indices, INDEX_BITS),
        "density": DENSITIES.index(beat.density),
        "column": beat.column // LANES if given.vector else beat.column,
        "activations": _packed(part.reshape(-1), ACTIVATION_BITS),
        "last": int(given.last),
    }
    return {name: fields[name] for name in everything}


def _packed(numbers: NDArray[np.integer], bits: int) -> int:
    """Numbers side by side, the first one lowest."""
    return sum((int(number) & ((1 << bits) - 1)) << (place * bits) for place, number in enumerate(numbers))


def _vectors(rows: dict[str, list[int]]) -> Vectors:
    arrays = {name: np.array(values, dtype=object) for name, values in rows.items()}
    outputs = {name: arrays.pop(name) for name in ("ready", "sum", "sum_column", "sum_valid")}
    valid = outputs["sum_valid"].astype(bool)
    return Vectors(
        arrays, outputs, {"ready": np.ones_like(valid), "sum": valid, "sum_column": valid, "sum_valid": np.ones_like(valid)}
    )
