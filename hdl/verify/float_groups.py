"""Operands whose sums are hard for a float accumulator: they cancel, are tiny, far apart, or end halfway between numbers."""

from collections.abc import Iterator, Sequence

import numpy as np

from hdl.verify.codes import Codes, around_powers_of_two, codes_of, corners, nearest_above, negated, powers_of_two, smallest
from sim.accumulators import FLOATS
from sim.design import DesignPoint

OFTEN = 3
"""How often each length of group stands among those of random operands."""

CROSSINGS = 160
"""Numbers around powers of two, those nearest to zero: what is left of them is subnormal. Of fp16 they are all there are."""

TIES = 400

Groups = tuple[Codes, Codes, int]
"""Codes of weights and of activations, and the length of each of the groups that they are."""


def float_groups(design: DesignPoint, rng: np.random.Generator, lengths: Sequence[int]) -> Iterator[Groups]:
    """Groups not longer than the design's; none unless its accumulator holds a float."""
    if not design.element.accumulation.is_float:
        return
    for length in [max(1, length // 2) for length in lengths] * OFTEN:
        if 2 * length <= design.group_size:
            for kind in (_cancelling, _tiny, _apart):
                yield (*kind(design, rng, length), 2 * length)
    if design.group_size > 1:
        yield (*_crossing(design, rng), 2)
        yield (*_ties(design, rng), 2)


def _cancelling(design: DesignPoint, rng: np.random.Generator, length: int) -> tuple[Codes, Codes]:
    """Pairs, and the same with activations of the other sign: what is left of the sum is in its last places, or nothing."""
    w, a = rng.choice(codes_of(design.weight), length), rng.choice(codes_of(design.activation), length)
    order = rng.permutation(length)
    nearly: Codes = a[order] ^ rng.integers(2, size=length) * (rng.random(length) < 0.4)
    codes = np.concatenate([a, negated(design.activation, nearly)])
    return np.concatenate([w, w[order]]), np.where(np.isin(codes, codes_of(design.activation)), codes, a[0])


def _tiny(design: DesignPoint, rng: np.random.Generator, length: int) -> tuple[Codes, Codes]:
    """Products of the smallest numbers, subnormal ones among them."""
    w, a = (rng.choice(smallest(format_), 2 * length) for format_ in (design.weight, design.activation))
    return w, a


def _apart(design: DesignPoint, rng: np.random.Generator, length: int) -> tuple[Codes, Codes]:
    """The largest and the smallest numbers in turn, either first."""
    a = rng.choice(smallest(design.activation)[:8], 2 * length)
    a[int(rng.integers(2)) :: 2] = rng.choice(corners(design.activation), length)
    return rng.choice(codes_of(design.weight), 2 * length), a


def _crossing(design: DesignPoint, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Numbers around powers of two, each with one beside it of the other sign: all but their last places cancels."""
    one = np.repeat(around_powers_of_two(design.activation)[:CROSSINGS], 3)
    other = negated(design.activation, one + np.arange(len(one)) % 3 - 1)
    pairs = np.stack([one, other], axis=1)[np.isin(other, codes_of(design.activation))]
    return np.repeat(rng.choice(codes_of(design.weight), len(pairs)), 2), pairs.ravel()


def _ties(design: DesignPoint, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Numbers and half of their sum's last place, at most one bit below it: that bit alone decides how the sum is rounded."""
    places, _ = FLOATS[design.element.accumulation.family]
    one = rng.choice(codes_of(design.activation), TIES)
    values = np.abs([float(design.activation.values[code]) for code in one])
    below = rng.integers(places + 1, size=TIES)
    half = np.ldexp(0.5, np.frexp(values)[1] - places) * (1 + np.where(below > 0, 0.5**below, 0))
    other = nearest_above(design.activation, half)
    other = np.where(rng.random(TIES) < 0.5, other, negated(design.activation, other))
    pairs = rng.permuted(np.stack([one, other], axis=1), axis=1)
    return np.repeat(rng.choice(powers_of_two(design.weight), TIES), 2), pairs.ravel()
