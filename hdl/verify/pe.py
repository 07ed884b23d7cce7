"""The Verilog of a PE against the model: every bit, and the cycle in which it appears."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from amaranth import Shape
from numpy.typing import NDArray

from hdl.bench.vectors import RESET, Vectors
from hdl.pe import pe_parts
from hdl.pe.ports import FORWARDED, sum_shape
from hdl.tools.verilator import Bench
from hdl.verify.codes import Codes, codes_of, corners, extremes
from hdl.verify.float_groups import float_groups
from hdl.verify.stationary_pe import stationary_pe_vectors
from hdl.verify.verdict import PEVerdict, VerificationError
from sim.accumulators import FLOATS, Products, aligned_parts
from sim.design import DesignPoint
from sim.formats import Format

Streams = dict[str, Codes]

WORD_BITS = 63
"""[bit] Unsigned numbers of more do not fit into numpy's integers."""

MOST_PAIRS = 1 << 20
"""All pairs of operands are tried up to so many, else as many random ones and all pairs of corners."""


def verify_pe(design: DesignPoint, build_dir: Path, seed: int = 0) -> PEVerdict:
    """Every pair of operands through the design's PE, then chains of groups; each sum in its exact cycle.

    A pair is a group of its own, back to back with its neighbours. Chains have groups of lengths 1, 2, the group size
    and random ones, with and without bubbles, all extremes, and resets in the middle of a group; sums of floats are hard ones
    too (:mod:`hdl.verify.float_groups`).

    Raises :class:`VerificationError` at the first difference.
    """
    vectors, pairs, groups = pe_vectors(design, seed)
    bench = Bench.of(pe_parts(design), build_dir)
    differences = bench.run(vectors)
    if differences:
        raise VerificationError(f"PE: {differences[0]}", partial(bench.keep_wave, differences[0].cycle, vectors))
    return PEVerdict(design.name, pairs, groups, vectors.cycles)


def pe_vectors(design: DesignPoint, seed: int = 0, most_pairs: int = MOST_PAIRS) -> tuple[Vectors, int, int]:
    """What a PE is fed and what must come out, how many pairs of operands that are groups of their own, and all groups."""
    if design.dataflow == "weight_stationary":
        return stationary_pe_vectors(design, seed, most_pairs)
    rng = np.random.default_rng(seed)
    pairs = _pairs(design, rng, most_pairs)
    streams = [pairs, *_chains(design, rng)]
    drain = {name: np.zeros(design.pe_latency + 2, dtype=np.int64) for name in pairs}
    stimulus = {name: np.concatenate([*(stream[name] for stream in streams), drain[name]]) for name in drain}
    vectors, groups = with_sums(design, stimulus)
    return vectors, int(pairs["last"].sum()), groups


def _pairs(design: DesignPoint, rng: np.random.Generator, most: int) -> Streams:
    """Groups of one pair of operands each; of several lanes, each gets every pair, beside random ones."""
    weights, activations = codes_of(design.weight), codes_of(design.activation)
    if len(weights) * len(activations) <= most:
        w, a = (grid.ravel() for grid in np.meshgrid(weights, activations))
    else:
        extremes = [grid.ravel() for grid in np.meshgrid(corners(design.weight), corners(design.activation))]
        w, a = (np.concatenate([c, rng.choice(codes, most)]) for c, codes in zip(extremes, (weights, activations), strict=True))
    lanes = design.element.lanes[0] * design.element.lanes[1]
    stream = _operands(design, rng, np.repeat(w, lanes), np.repeat(a, lanes))
    stream["last"][:] = stream["valid"]
    return stream


def _operands(
    design: DesignPoint, rng: np.random.Generator, weight: NDArray[np.int64], activation: NDArray[np.int64]
) -> Streams:
    """Pairs of operands as close as the PE takes them, noise in between; ``last`` is for the caller to set.

    Of several lanes one after the other gets the pair, and the others random codes.
    """
    interval, (rows, columns) = design.element.interval, design.element.lanes
    lanes = np.arange(len(weight)) % (rows * columns)
    stream = {
        "weight": _in_lane(rng, design.weight, weight, lanes % columns, columns),
        "activation": _in_lane(rng, design.activation, activation, lanes // columns, rows),
        "valid": np.ones(len(weight), dtype=np.int64),
        "last": np.zeros(len(weight), dtype=np.int64),
        RESET: np.zeros(len(weight), dtype=np.int64),
    }
    return _with_bubbles(design, rng, stream, np.repeat(np.arange(1, len(weight) + 1), interval - 1))


def _in_lane(
    rng: np.random.Generator, format_: Format, codes: NDArray[np.int64], lane: NDArray[np.int64], lanes: int
) -> NDArray[np.int64]:
    """Ports that hold the code in one lane and random ones in the others."""
    ports = rng.choice(codes_of(format_), (len(codes), lanes))
    ports[np.arange(len(codes)), lane] = codes
    packed: Codes = (ports << np.arange(lanes) * format_.bits).sum(axis=1)
    return packed


def _with_bubbles(design: DesignPoint, rng: np.random.Generator, stream: Streams, places: NDArray[np.int64]) -> Streams:
    """Cycles without an operand before these places, with noise on all other inputs."""
    ports = {"weight": 1 << design.weight.bits * design.element.lanes[1]}
    ports |= {"activation": 1 << design.activation.bits * design.element.lanes[0], "valid": 1, "last": 2, RESET: 1}
    return {name: np.insert(values, places, rng.integers(ports[name], size=len(places))) for name, values in stream.items()}


def _chains(design: DesignPoint, rng: np.random.Generator) -> list[Streams]:
    """Groups that follow each other directly, one stream each; a reset one is abandoned before it ends."""
    size, interval = design.group_size, design.element.interval

    def random(format_: Format, length: int) -> Codes:
        return rng.choice(codes_of(format_), length)

    def group(length: int, bubbles: int = 0) -> Streams:
        return group_of(random(design.weight, length), random(design.activation, length), bubbles)

    def jumping(length: int) -> Streams:
        """Products of extremes in any order: from one end of what a sum may be to the other."""
        return group_of(rng.choice(extremes(design.weight), length), rng.choice(extremes(design.activation), length))

    def group_of(w: Codes, a: Codes, bubbles: int = 0) -> Streams:
        length = len(w)
        stream = _back_to_back(design, rng, w, a, length)
        places = np.sort(rng.integers(length + 1, size=bubbles)) * interval
        if design.pe_latency > design.element.latency:
            # Products wait for a group as long as it may take: more bubbles stand before it.
            places[: max(0, bubbles - (size - length))] = 0
        return _with_bubbles(design, rng, stream, places)

    def extreme(weight: int, activation: int) -> Streams:
        lanes = [
            sum(code << lane * bits for lane in range(count))
            for code, bits, count in (
                (weight, design.weight.bits, design.element.lanes[1]),
                (activation, design.activation.bits, design.element.lanes[0]),
            )
        ]
        stream = group(size)
        operand = np.flatnonzero(stream["valid"])
        stream["weight"][operand], stream["activation"][operand] = lanes
        return stream

    def interrupted(ends: int) -> Streams:
        """Reset falls on the last operand: a group is abandoned, or none of the sums that just ended may appear."""
        stream = group(max(3, size))
        operands = np.flatnonzero(stream["valid"])[-2:]
        stream["last"][operands] = ends
        stream[RESET][operands[-1]] = 1
        stream = {name: values[: operands[-1] + 1] for name, values in stream.items()}
        # Nothing may go on after a reset without the next operand, which would hide it.
        return _with_bubbles(design, rng, stream, np.full(2 * interval, operands[-1] + 1))

    lengths = [1, 1, 1, 2, size, size, 1, *rng.integers(1, size + 1, size=12).tolist()]
    return [
        *(_back_to_back(design, rng, *groups) for groups in float_groups(design, rng, lengths)),
        *(jumping(length) for length in lengths),
        *(group(length) for length in lengths),
        *(extreme(int(w), int(a)) for w in corners(design.weight) for a in corners(design.activation)),
        *(group(length, bubbles=int(rng.integers(1, 9))) for length in lengths),
        interrupted(ends=1),
        *(group(length) for length in lengths),
        interrupted(ends=0),
        *(group(length) for length in lengths),
    ]


def _back_to_back(design: DesignPoint, rng: np.random.Generator, w: Codes, a: Codes, length: int) -> Streams:
    """Groups of ``length`` operands each, without bubbles."""
    stream, interval = _operands(design, rng, w, a), design.element.interval
    stream["last"][(length - 1) * interval :: length * interval] = 1
    return stream


def with_sums(design: DesignPoint, stimulus: Streams) -> tuple[Vectors, int]:
    """What comes out of a PE that is fed this: the model's sums in the cycles in which they are due, and how many there are."""
    latency = design.pe_latency
    valid, reset = stimulus["valid"].astype(bool), stimulus[RESET].astype(bool)
    ends = np.flatnonzero(valid & stimulus["last"].astype(bool))
    # What a reset finds in the registers is lost: sums that are due after it, operands that no sum has taken.
    killed = np.zeros(len(ends), dtype=bool)
    alive = valid.copy()
    for cycle in np.flatnonzero(reset):
        killed |= (ends <= cycle) & (ends + latency > cycle)
        alive[ends[ends <= cycle].max(initial=-1) + 1 : cycle + 1] = False
    operands = np.flatnonzero(alive)
    group = np.searchsorted(ends, operands)
    counted = group < len(ends)
    sums = _group_sums(design, stimulus, operands[counted], group[counted], len(ends))
    due = np.zeros(len(valid), dtype=bool)
    due[ends[~killed] + latency] = True
    expected = np.zeros(len(valid), dtype=sums.dtype)
    expected[ends[~killed] + latency] = sums[~killed]
    outputs = {"sum_valid": due.astype(np.int64), "sum": expected}
    for name in FORWARDED:
        outputs[f"{name}_out"] = np.concatenate([[0], np.where(reset, 0, stimulus[name])[:-1]])
    return Vectors(stimulus, outputs, {"sum": due}), int((~killed).sum())


def _group_sums(
    design: DesignPoint, stimulus: Streams, operands: NDArray[np.int64], group: NDArray[np.int64], groups: int
) -> NDArray[Any]:
    """Bits of the sums ``[groups]`` of operands that belong to these groups; lanes side by side, the first lowest."""
    element, bits = design.element, Shape.cast(sum_shape(design)).width
    lengths = np.bincount(group, minlength=groups)
    first = np.cumsum(lengths) - lengths
    sums = np.zeros(groups, dtype=np.int64 if bits * np.prod(element.lanes) <= 62 else object)
    for lane in range(element.lanes[0] * element.lanes[1]):
        row, column = divmod(lane, element.lanes[1])
        w = stimulus["weight"][operands] >> column * design.weight.bits & (1 << design.weight.bits) - 1
        a = stimulus["activation"][operands] >> row * design.activation.bits & (1 << design.activation.bits) - 1
        for length in np.unique(lengths[lengths > 0]):
            chosen = np.flatnonzero(lengths == length)
            index = first[chosen] + np.arange(length)[:, None]
            significands, exponents = element.multiply(w[index], a[index])
            products = Products(significands, exponents, element.product_lsb, element.product_bits)
            sums[chosen] += _bits(design, products, bits).astype(sums.dtype) << lane * bits
    return sums


def _bits(design: DesignPoint, products: Products, bits: int) -> NDArray[Any]:
    """Sums as they are on the port."""
    family = design.element.accumulation.family
    if family == "aligned":
        integers, largest = aligned_parts(products, design.element.accumulation.number)
        above = largest - products.lsb << design.accumulator_bits
        return above + (integers & (1 << design.accumulator_bits) - 1)
    sums = design.element.accumulation.sum(products)
    if family not in FLOATS:
        if bits > WORD_BITS:
            sums = sums.astype(object)
        wrapped: NDArray[Any] = sums & (1 << bits) - 1
        return wrapped
    if family == "fp16":
        return sums.astype(np.float16).view(np.uint16).astype(np.int64)
    return sums.astype(np.float32).view(np.uint32).astype(np.int64) >> (16 if family == "bf16" else 0)
