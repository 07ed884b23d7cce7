"""What the PE that holds a weight is fed, and what must come out: every bit, in its exact cycle."""

import math

import numpy as np

from hdl.bench.vectors import Vectors, noise
from hdl.verify.codes import Codes, codes_of
from sim.accumulators import Products
from sim.design import DesignPoint

Streams = dict[str, Codes]

SHORT_FOLDS, SHORT = 500, 4
"""Folds of 1 to 4 operands after those that go through the pairs, of random weights."""


def stationary_pe_vectors(design: DesignPoint, seed: int, most_pairs: int) -> tuple[Vectors, int, int]:
    """What the PE is fed and what must come out, how many pairs of operands are tried, and all sums.

    Each weight is held while every activation passes it, or as many random weights and activations as make ``most_pairs``;
    then folds of a few operands follow each other directly. The next weight comes in any cycle of a fold, the first one
    included; at other times there is noise on its port, and all the time on that for the sum of the row above.
    """
    rng = np.random.default_rng(seed)
    weights, activations = codes_of(design.weight), codes_of(design.activation)
    if len(weights) ** 2 > most_pairs:
        weights = rng.choice(weights, math.isqrt(most_pairs))
    each = min(len(activations), most_pairs // len(weights))
    held = np.concatenate([weights, rng.choice(weights, SHORT_FOLDS)])
    lengths = np.concatenate([np.full(len(weights), each), rng.integers(1, SHORT + 1, SHORT_FOLDS)])
    passing = [rng.permutation(activations)[:each] for _ in weights]
    passing += [rng.choice(activations, length) for length in lengths[len(weights) :]]

    starts = 1 + np.cumsum(lengths) - lengths  # the first weight is loaded in cycle 0
    loads = np.concatenate([[0], (starts + rng.integers(lengths))[:-1]])
    operands = np.arange(1, 1 + lengths.sum())
    latency = design.element.latency
    cycles = len(operands) + latency + 2
    limits = {"weight": 1 << design.weight.bits, "load": 1, "activation": 1 << design.activation.bits, "first": 1}
    stimulus = {name: rng.integers(limit, size=cycles) for name, limit in limits.items()}
    stimulus["sum_above"] = noise(rng, design.accumulator_bits, cycles)
    stimulus["load"][loads], stimulus["weight"][loads] = 1, held
    stimulus["activation"][operands], stimulus["first"][starts] = np.concatenate(passing), 1

    vectors = with_sums_below(design, stimulus, operands, np.repeat(held, lengths))
    return vectors, len(weights) * each, len(operands)


def with_sums_below(design: DesignPoint, stimulus: Streams, operands: Codes, weights: Codes) -> Vectors:
    """What comes out of a PE that is fed this, which in the cycles ``operands`` multiplies by these weights."""
    latency, cycles = design.element.latency, len(stimulus["activation"])
    significands, exponents = design.element.multiply(weights[None], stimulus["activation"][operands][None])
    products = Products(significands, exponents, design.element.product_lsb, design.element.product_bits)
    sums = design.element.accumulation.sum(products) + stimulus["sum_above"][operands + latency - 1]
    outputs = {"sum": np.zeros(cycles, dtype=sums.dtype)}
    outputs["sum"][operands + latency] = sums & (1 << design.accumulator_bits) - 1
    for name in ("load", "activation", "first"):
        outputs[f"{name}_out"] = np.concatenate([[0], stimulus[name][:-1]])
    due = np.zeros(cycles, dtype=bool)
    due[operands + latency] = True
    return Vectors(stimulus, outputs, {"sum": due})
