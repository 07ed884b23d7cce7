"""``MM`` and ``MV``: the engine's exact sums of groups, its fp32 totals, and results in fp16.

    total  = fp32(total + fp32(s_w[group] * fp32(sum of the group)))       groups in order of k, from +0 or what is held
    result = fp16(total * s_a of the row)                                  each operation rounded to fp32, then to fp16

and of fp16 numbers

    total  = the running sums of :func:`sim.overlay.tree.tree_sums`                         from +0 or what is held
    result = total

so that the parts of a product are together what :func:`sim.kernels.product.matrix_product` makes of it whole. ``values`` are
multiplied by powers of two behind ``s_a``; a bias is added last, in fp32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.cells import FP16_BYTES, aligned
from sim.overlay.interpreter.machine import ACTIVATION, Machine
from sim.overlay.interpreter.tiles import TILES, Fields, Numbers, Tile, operands
from sim.overlay.isa.instructions import GOES_ON, LAYOUTS, LEAVES
from sim.overlay.special.numbers import rounded
from sim.overlay.tree import tree_sums

Totals = NDArray[Any]
"""fp32, of fp16 numbers fp16."""

FLOAT32_BITS = 24
"""Of a significand: in fp32 sums of integers are exact up to this."""

PRODUCT_BITS = 14
"""Of the greatest product of two int8 numbers, ``2**14``."""


def multiply(machine: Machine, f: Fields) -> None:
    """Carry out a product. Raises ``InputError`` for sizes that do not go together and results beyond fp16."""
    heads, m, layout = f["heads"], f["m"], LAYOUTS[f["layout"]]
    if not f["group"] or m % f["group"]:
        raise InputError(f"rows are a multiple of group, which is not so of m={m}, group={f['group']}")
    rows = operands(machine, ACTIVATION, f["source"], (heads, m, f["k"]))
    tile = TILES[layout](machine, f)
    with np.errstate(over="ignore", invalid="ignore"):
        totals = _added(machine, _held(machine, f), rows, tile)
        if f["part"] & LEAVES:
            machine.held = totals
            return
        machine.held = None
        _store(machine, f, layout, _results(machine, f, layout, totals, tile))


def _added(machine: Machine, totals: Totals, rows: Numbers, tile: Tile) -> Totals:
    if machine.design.quantized:
        return add_groups(totals, rows, tile, machine.design.group_size)
    return tree_sums(totals, rows, tile.numbers, machine.design.engine.width)


def add_groups(totals: NDArray[np.float32], codes: NDArray[np.int8], tile: Tile, group_size: int) -> NDArray[np.float32]:
    """``totals [heads, m, n]`` and the scaled sums of all groups of codes ``[heads, m, k]``."""
    exact = np.float32 if group_size << PRODUCT_BITS <= 1 << FLOAT32_BITS else np.float64
    for group, start in enumerate(range(0, codes.shape[2], group_size)):
        part = slice(start, start + group_size)
        sums = codes[..., part].astype(exact) @ tile.numbers[:, part].astype(exact)
        totals = totals + np.ldexp(sums.astype(np.float32), tile.lsb) * tile.scales[:, group, None]
    return totals


def _held(machine: Machine, f: Fields) -> Totals:
    shape = (f["heads"], f["m"], f["n"])
    if not f["part"] & GOES_ON:
        return np.zeros(shape, np.float32 if machine.design.quantized else np.float16)
    if machine.held is None or machine.held.shape != shape:
        found = "none" if machine.held is None else f"those of {machine.held.shape}"
        raise InputError(f"a part goes on with held sums of heads, m and n {shape}, not with {found}")
    return machine.held


def _results(machine: Machine, f: Fields, layout: str, totals: Totals, tile: Tile) -> NDArray[np.float16]:
    results = _scaled(machine, f, layout, totals) if machine.design.quantized else totals.astype(np.float32)
    if tile.biases is not None:
        results = results + tile.biases
    if layout == "keys":
        # Scores that no query sees may be anything; a softmax refuses what it sees.
        return results.astype(np.float16)
    return rounded("a product", results)


def _scaled(machine: Machine, f: Fields, layout: str, totals: Totals) -> NDArray[np.float32]:
    """Times the scales of rows, of ``values`` the powers of two behind them too."""
    rows = (f["heads"], f["m"], 1)
    results = totals * machine.read(ACTIVATION, f["scales"], rows, np.float16).astype(np.float32)
    if layout != "values":
        return results
    behind = f["scales"] + aligned(f["heads"] * f["m"] * FP16_BYTES)
    return results * machine.read(ACTIVATION, behind, rows, np.float32)


def _store(machine: Machine, f: Fields, layout: str, results: NDArray[np.float16]) -> None:
    """Rows ``[heads, tokens * group]`` to where the layout has them."""
    heads, tokens, group, pitch = f["heads"], f["m"] // f["group"], f["group"], f["pitch"]
    size = f["n"] * FP16_BYTES
    own = group * size if layout == "keys" else heads * group * size
    if tokens > 1 and pitch < own:
        raise InputError(f"results of a token have {own} bytes and are as far apart at least, not {pitch}")
    apart = tokens * pitch if layout == "keys" else group * size
    target = machine.runs(ACTIVATION, f["target"], size, (heads, tokens, group), (apart, pitch, size))
    target[:] = results.view(np.uint8).reshape(target.shape)
