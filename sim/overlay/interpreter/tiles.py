"""The weights of a product as the engine has them: bytes of the weight buffer through the dequantization unit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.budget import check_sums
from sim.overlay.cells import CellLayout, aligned
from sim.overlay.dequantizer import STORED
from sim.overlay.engine import BLOCK
from sim.overlay.interpreter.machine import WEIGHT, Machine
from sim.quantized.blocks import N

Fields = Mapping[str, int]
"""Of an instruction, by name."""

Scales = NDArray[np.float32]

Numbers = NDArray[Any]
"""What is multiplied: int8, or fp16 numbers."""


@dataclass(frozen=True, eq=False)
class Tile:
    """``numbers [heads, k, n]``: integers in units of ``2**lsb`` and their ``scales [heads, groups, n]``, or fp16 numbers and
    none; biases ``[n]`` where there are."""

    numbers: Numbers
    scales: Scales
    lsb: int = 0
    biases: Scales | None = None


def operands(machine: Machine, place: str, address: int, shape: tuple[int, ...]) -> Numbers:
    """What the engine multiplies, one behind the other: int8, or fp16 numbers."""
    if machine.design.quantized:
        return machine.read(place, address, shape, np.int8)
    return machine.read(place, address, shape, np.float16)


def dense(machine: Machine, f: Fields) -> Tile:
    """Cells whose blocks keep all weights."""
    return _of_cells(machine, f, BLOCK)


def sparse(machine: Machine, f: Fields) -> Tile:
    """Cells whose blocks keep as many as the design says, or each its own N in the design's budget."""
    if not machine.design.is_sparse:
        raise InputError(f"sparse tiles are those of a design that keeps less than {BLOCK} of {BLOCK}, not all")
    return _of_cells(machine, f, machine.design.kept)


def keys(machine: Machine, f: Fields) -> Tile:
    """Keys of the cache, integers with a scale each."""
    heads, k, n = f["heads"], f["k"], f["n"]
    numbers = operands(machine, WEIGHT, f["weights"], (heads, n, k)).swapaxes(1, 2)
    if not machine.design.quantized:
        return Tile(numbers, np.ones((heads, 0, n), np.float32))
    scales = machine.read(WEIGHT, f["weights"] + aligned(heads * n * k), (heads, 1, n), np.float16)
    return Tile(numbers, _to_groups(scales.astype(np.float32), k, machine.design.group_size))


def values(machine: Machine, f: Fields) -> Tile:
    """Values of the cache, whose scales are in the activations, if they have any."""
    heads, k, n = f["heads"], f["k"], f["n"]
    numbers = operands(machine, WEIGHT, f["weights"], (heads, k, n))
    return Tile(numbers, _to_groups(np.ones((heads, 1, n), np.float32), k, machine.design.group_size))


TILES: dict[str, Callable[[Machine, Fields], Tile]] = {"dense": dense, "sparse": sparse, "keys": keys, "values": values}
"""By layout (:data:`sim.overlay.isa.LAYOUTS`)."""


def _of_cells(machine: Machine, f: Fields, kept: int) -> Tile:
    layout = _layout(machine, f, kept)
    k, n = f["k"], f["n"]
    parts, blocks = -(-k // layout.part), -(-n // BLOCK)
    contents = layout.unpack(machine.runs(WEIGHT, f["weights"], layout.size, (parts * blocks,), (layout.size,)))

    def whole(numbers: NDArray[N], rows: int) -> NDArray[N]:
        """Of cells ``[parts * blocks, own rows, 16]`` the matrix ``[rows, n]``."""
        own, high = len(numbers) // blocks, numbers.shape[1]
        grid = numbers.reshape(own, blocks, high, BLOCK).swapaxes(1, 2)
        return grid.reshape(own * high, blocks * BLOCK)[None, :rows, :n]

    if kept < BLOCK:
        grid = contents.densities.reshape(parts, blocks, -1).swapaxes(1, 2).reshape(-1, blocks)
        check_sums(grid[: -(-k // BLOCK)], kept, machine.design.budget_blocks)
    scales = whole(contents.scales, -(-k // layout.group_size)).astype(np.float32)
    biases = whole(contents.biases[-blocks:], 1)[0, 0].astype(np.float32) if f["bias"] else None
    return Tile(whole(layout.numbers(contents), k), scales, layout.format.lsb, biases)


def _layout(machine: Machine, f: Fields, kept: int) -> CellLayout:
    formats, group_size = machine.design.engine.weight_formats, machine.design.group_size
    if f["format"] >= len(formats):
        raise InputError(
            f"format is the number of one of {', '.join(formats)}, so at most {len(formats) - 1}, not {f['format']}"
        )
    if f["heads"] != 1:
        raise InputError(f"tiles of cells have heads=1, not {f['heads']}")
    part = f["cell"] * BLOCK
    if part % group_size:
        raise InputError(f"cells have whole groups of {group_size}, so k of a cell is not {part}")
    return CellLayout(STORED[formats[f["format"]]], part, kept, group_size, bool(f["bias"]))


def _to_groups(scales: Scales, k: int, group_size: int) -> Scales:
    """The same for every group."""
    return np.broadcast_to(scales, (len(scales), -(-k // group_size), scales.shape[2]))
