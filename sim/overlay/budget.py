"""N of each block under a budget: in every group along ``k`` of a column of blocks they have one sum.

    sum of N over a group = kept * blocks of the group        of the last group, those that there are

``kept`` is their mean then. Every group takes a vector unit the same cycles and a cell has one size, whichever of its blocks
keep more and which keep less: code, addresses and cycles do not depend on weights, and vector units end a group together.
With groups of one block all blocks keep ``kept``. Arrays of blocks are ``[k / 16, n / 16]``.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.engine import BLOCK, DENSITIES

Blocks = NDArray[np.uint8]
Worths = NDArray[np.floating[Any]]

UNIT = 2
"""What every N is a multiple of."""


def best_within(worth: Worths, kept: int, per_group: int) -> Blocks:
    """N of each block, of all that the budget allows those with the greatest sum of ``worth [k / 16, n / 16, 5]``.

    The last axis goes with :data:`sim.overlay.engine.DENSITIES`. Raises ``InputError`` as :func:`check_mean`.
    """
    blocks = len(worth)
    chosen = np.empty(worth.shape[:2], np.uint8)
    whole = blocks // per_group * per_group
    if whole:
        sets = worth[:whole].reshape(-1, per_group, *worth.shape[1:]).swapaxes(1, 2).reshape(-1, per_group, len(DENSITIES))
        found = _best(sets, check_mean(kept, per_group))
        chosen[:whole] = found.reshape(-1, worth.shape[1], per_group).swapaxes(1, 2).reshape(whole, -1)
    if whole < blocks:
        chosen[whole:] = _best(worth[whole:].swapaxes(0, 1), check_mean(kept, blocks - whole)).T
    return chosen


def filled(least: Blocks, kept: int, per_group: int) -> Blocks:
    """N of each block, at least so many, such that groups have their sums. Raises ``InputError`` where there are none such."""
    found = best_within(np.where(np.array(DENSITIES) >= least[..., None], 0.0, -np.inf), kept, per_group)
    short = np.argwhere(found < least)
    if len(short):
        row, column = short[0]
        group = slice(row // per_group * per_group, (row // per_group + 1) * per_group)
        raise InputError(f"{_rule(kept, per_group)}, which blocks of at least {least[group, column].tolist()} do not")
    return found


def check_sums(densities: Blocks, kept: int, per_group: int) -> None:
    """Raise ``InputError`` for a group whose N have another sum."""
    starts = np.arange(0, len(densities), per_group)
    blocks = np.minimum(per_group, len(densities) - starts)
    wrong = np.argwhere(np.add.reduceat(densities, starts, axis=0, dtype=np.int64) != kept * blocks[:, None])
    if len(wrong):
        group, column = wrong[0]
        found = densities[starts[group] : starts[group] + per_group, column].tolist()
        raise InputError(f"{_rule(kept, per_group)}, not {found}")


def check_mean(kept: int, blocks: int) -> int:
    """The sum of N of a group of so many blocks. Raises ``InputError`` where no N have that mean, with one that some have."""
    if kept * blocks not in _sums(blocks):
        fits = [mean for mean in range(1, BLOCK + 1) if mean * blocks in _sums(blocks)]
        nearest = min(fits, key=lambda mean: abs(mean - kept))
        raise InputError(
            f"blocks in a group of {blocks} along k, of N {', '.join(map(str, DENSITIES))}, have a mean such as {nearest}, "
            f"not {kept}"
        )
    return kept * blocks


def _rule(kept: int, per_group: int) -> str:
    if per_group == 1:
        return f"blocks keep {kept} of {BLOCK}"
    return f"the {per_group} blocks of a group along k keep {kept} of {BLOCK} in the mean"


@lru_cache
def _sums(blocks: int) -> frozenset[int]:
    """That so many N can have."""
    sums = {0}
    for _ in range(blocks):
        sums = {before + n for before in sums for n in DENSITIES}
    return frozenset(sums)


def _best(worth: Worths, total: int) -> Blocks:
    """The N ``[sets, blocks]`` with that sum that are worth most, of ``worth [sets, blocks, 5]``: the best for each sum of the
    first blocks, block after block. Of equal ones the last blocks have the least."""
    sets, blocks, _ = worth.shape
    steps, last = [n // UNIT for n in DENSITIES], total // UNIT
    best = np.full((sets, last + 1), -np.inf)
    best[:, 0] = 0
    taken = np.empty((blocks, sets, last + 1), np.int8)
    for block in range(blocks):
        options = np.full((len(steps), sets, last + 1), -np.inf)
        for choice, step in enumerate(steps):
            if step <= last:
                options[choice, :, step:] = best[:, : last + 1 - step] + worth[:, block, choice, None]
        taken[block], best = options.argmax(axis=0), options.max(axis=0)
    chosen, left, every = np.empty((sets, blocks), np.uint8), np.full(sets, last), np.arange(sets)
    for block in reversed(range(blocks)):
        choice = taken[block, every, left]
        chosen[:, block] = np.array(DENSITIES)[choice]
        left = left - np.array(steps)[choice]
    return chosen
