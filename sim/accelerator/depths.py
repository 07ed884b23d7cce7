"""How many words each buffer of the accelerator has in each of its two halves.

A word is what the array, or a column's or row's epilogue, takes in one cycle:

============ ==================================================== =============================
buffer       word                                                 where
============ ==================================================== =============================
weight       codes of all columns for one ``k``                   weight scratchpad
scale        scale and zero point of one column and group         weight scratchpad
activation   codes of all rows of PEs                             activation scratchpad
token_scale  scale of one row                                     activation scratchpad
result       results of all columns for one row                   output scratchpad
============ ==================================================== =============================

Of a PE with lanes a column is several weights wide, and a row several activations. Rows of PEs are rows of results, of one
``k``, or, where weights stay, the ``k`` of a fold, of one row of results.
"""

from dataclasses import dataclass
from functools import lru_cache

from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS, SCALE_BITS
from sim.errors import InputError
from sim.schedule.tiling import entry_bits

OPERANDS = ("weight", "scale", "activation", "token_scale")
"""Buffers that streams fill; what they hold of a block is a packet of the stream."""


@dataclass(frozen=True)
class Depths:
    """Words of each half of the buffers [count]."""

    weight: int
    scale: int
    activation: int
    token_scale: int
    result: int


def word_bits(design: DesignPoint) -> dict[str, int]:
    """Width [bit] of each buffer's word."""
    activations, weights = design.element.lanes
    zero_point = design.zero_point_bits if design.has_zero_points else 0
    return {
        "weight": design.columns * weights * design.weight.bits,
        "scale": weights * (SCALE_BITS + zero_point),
        "activation": design.rows * activations * design.activation.bits,
        "token_scale": activations * SCALE_BITS,
        "result": design.columns * activations * weights * OUTPUT_BITS,
    }


def tile_rows(design: DesignPoint) -> int:
    """Rows of words of results that the array has at once."""
    return design.array.granule[0] // design.element.lanes[0]


def activation_words(design: DesignPoint, k: int) -> int:
    """Words of activations of one row of tiles along ``k``: one for each, or for each fold."""
    return k if design.array.keeps_sums else design.array.pieces(k)


@lru_cache(maxsize=256)
def depths(design: DesignPoint) -> Depths:
    """Words of each half: for each group of operands there is room for the scales of a tile's columns, or rows.

    Raises ``InputError`` for scratchpads that hold less than two groups of a tile's operands, or of results less than two
    tiles.
    """
    bits, half = word_bits(design), {name: pad.bits // 2 for name, pad in design.scratchpads.items()}
    group = activation_words(design, design.group_size)
    weight, scale = _shared(half["weight"], design.group_size, bits["weight"], design.columns * bits["scale"])
    activation, token_scale = _shared(half["activation"], group, bits["activation"], tile_rows(design) * bits["token_scale"])
    result = result_depth(design)
    for name, found, least in (
        ("weight", weight, design.group_size),
        ("activation", activation, group),
        ("output", result, tile_rows(design)),
    ):
        if found < least:
            pad = design.scratchpads[name]
            raise InputError(
                f"{name}_buffer_kib of an accelerator with a {design.rows}x{design.columns} array holds two blocks of at "
                f"least {least} words, unlike {pad.kib}"
            )
    return Depths(weight, scale * design.columns, activation, token_scale * tile_rows(design), result)


def result_depth(design: DesignPoint) -> int:
    """Words of each half of the result buffer.

    Where weights stay a column's totals, and the sums of its folds, have a word for each of them; so have row sums of folds.
    """
    bits, pad = word_bits(design)["result"], design.scratchpads["output"].bits
    if design.array.keeps_sums:
        return pad // 2 // bits
    totals = bits // OUTPUT_BITS * entry_bits(design, design.group_size + 1)
    several = design.array.pieces(design.group_size) > 1
    return pad // (2 * bits + totals + several * design.has_zero_points * design.row_sum_bits)


def _shared(bits: int, group_size: int, word: int, scales: int) -> tuple[int, int]:
    """Words, and sets of scales, one for each whole or begun group of them, that fit together."""
    groups, rest = divmod(bits, group_size * word + scales)
    left = max(0, (rest - scales) // word)
    return groups * group_size + left, groups + (left > 0)
