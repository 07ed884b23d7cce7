"""The cycles that a tile of a matrix product takes in an overlay's engine (:mod:`sim.overlay.engine`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.overlay.engine import BLOCK, Engine, check_tile
from sim.overlay.tree import tree_cycles

Sizes = int | NDArray[np.integer]
Numbers = Sizes | float | NDArray[np.floating]


def tile_cycles(
    engine: Engine, m: Sizes, k: Sizes, n: Sizes, density: Numbers = BLOCK, mode: str = "mm", group_size: Sizes = 0
) -> Any:
    """Cycles in which a tile's operands enter, for sizes that broadcast; the next tile may begin after them.

    The last sum is on a port :attr:`Engine.drain_cycles` later. Blocks keep ``density`` of 16 in the mean of
    each group (:mod:`sim.overlay.budget`); where groups have other means, :func:`map_cycles` has the cycles. ``group_size`` is
    along ``k``, a multiple of 16, or 0 for all of ``k``. Sizes are at least 1, which is not checked here. int64 of the shape of
    the sizes, or an int.
    """
    blocks = _ceil(_ceil(np.asarray(n, dtype=np.int64), BLOCK), engine.column_blocks(mode))
    if engine.quantized:
        each = blocks * _along_k(engine, k, density, mode, group_size)
    else:
        each = tree_cycles(_ceil(np.asarray(k, dtype=np.int64), engine.width), blocks)
    cycles = _passes(engine, m, mode) * each
    return int(cycles) if cycles.ndim == 0 else cycles


def map_cycles(engine: Engine, m: int, densities: NDArray[np.integer], mode: str = "mm", group_size: int = 0) -> int:
    """As :func:`tile_cycles`, for a tile whose blocks ``[ceil(k/16), ceil(n/16)]`` keep different numbers of weights.

    Vector unit ``v`` has the column blocks ``v``, ``v + V``, ...; the one with most to do decides. Raises as
    :func:`check_tile`.
    """
    check_tile(engine, m, densities, mode, group_size)
    per_group = group_size // BLOCK or len(densities)
    steps = densities.astype(np.int64) * BLOCK // engine.weights(mode)
    groups = np.add.reduceat(steps, np.arange(0, len(steps), per_group), axis=0)
    columns = np.maximum(groups, BLOCK).sum(axis=0)
    side = engine.column_blocks(mode)
    units = np.pad(columns, (0, -len(columns) % side)).reshape(-1, side).sum(axis=0)
    return int(_passes(engine, m, mode) * units.max())


def _along_k(engine: Engine, k: Sizes, density: Numbers, mode: str, group_size: Sizes) -> Any:
    """Cycles of a column block: each group takes those of its operands, or until the sums of the one before have left."""
    blocks = _ceil(np.asarray(k, dtype=np.int64), BLOCK)
    per_block = BLOCK * np.asarray(density, dtype=np.float64) / engine.weights(mode)
    per_group = np.where(np.asarray(group_size) == 0, blocks, np.asarray(group_size, dtype=np.int64) // BLOCK)
    whole, rest = blocks // per_group, blocks % per_group
    of_group, of_rest = (np.maximum(np.ceil(many * per_block).astype(np.int64), BLOCK) for many in (per_group, rest))
    return whole * of_group + np.where(rest > 0, of_rest, 0)


def _passes(engine: Engine, m: Sizes, mode: str) -> Any:
    return _ceil(np.asarray(m, dtype=np.int64), engine.tokens(mode))


def _ceil(value: Any, divisor: int) -> Any:
    return -(-value // divisor)
