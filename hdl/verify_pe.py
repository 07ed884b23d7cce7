"""The Verilog of a PE against expected numbers: every bit, and the cycle in which it appears."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hdl.bench.player import RESET
from hdl.pe import pe_of
from hdl.verdict import PEVerdict, VerificationError
from hdl.verilator import Bench
from sim.design import DesignPoint

Streams = dict[str, NDArray[np.int64]]

BATCH = 1 << 18
"""Cycles a simulation, so that the bits of all of them fit into memory."""


def verify_pe(design: DesignPoint, build_dir: Path, seed: int = 0) -> PEVerdict:
    """Every pair of operands through the design's PE, then chains of groups; each sum in its exact cycle.

    A pair is a group of its own, back to back with its neighbours. Chains have groups of lengths 1, 2, the group size
    and random ones, with and without bubbles, all extremes, and a reset in the middle of a group.

    Raises :class:`VerificationError` at the first difference.
    """
    bench = Bench([pe_of(design)], build_dir)
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
