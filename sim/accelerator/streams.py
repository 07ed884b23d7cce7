"""The words of a product's operands and results, in the order in which the accelerator's streams carry them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.accelerator.blocks import Block
from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS, SCALE_BITS
from sim.quantized import QuantizedTensor

Words = list[int]


@dataclass(frozen=True)
class Operands:
    """A quantized product of whole tiles: what is beyond its last row or column may be anything.

    Codes ``activation[m, k]`` and ``weight[k, n]``; ``scale[g, n]``, ``zero_point[g, n]``, ``token_scale[m]``.
    """

    activation: NDArray[Any]
    weight: NDArray[Any]
    scale: NDArray[np.float16]
    zero_point: NDArray[Any]
    token_scale: NDArray[np.float16]

    @classmethod
    def of(cls, design: DesignPoint, activations: QuantizedTensor, weights: QuantizedTensor) -> "Operands":
        """Of ``activations[m, k]`` and ``weights[k, n]`` in the design's schemes; padding has codes of 0 and scales of 1."""
        rows, columns = design.array.granule
        below, right = -activations.shape[0] % rows, -weights.shape[1] % columns
        token_scale = activations.scale if activations.scales else np.ones(activations.shape[0], np.float16)
        zero_point = weights.zero_point if design.has_zero_points else np.zeros_like(weights.scale, np.uint8)
        one = np.float16(1)
        return cls(
            np.pad(activations.codes, ((0, below), (0, 0))),
            np.pad(weights.codes, ((0, 0), (0, right))),
            np.pad(weights.scale, ((0, 0), (0, right)), constant_values=one),
            np.pad(zero_point, ((0, 0), (0, right))),
            np.pad(token_scale, (0, below), constant_values=one),
        )


def operand_words(design: DesignPoint, block: Block, operands: Operands) -> dict[str, Words]:
    """A block's packet of each stream."""
    (rows, columns), (of_row, of_column) = design.array.granule, design.element.lanes
    groups = slice(block.k.start // design.group_size, -(-block.k.stop // design.group_size))
    m = slice(block.m.start, -(-block.m.stop // rows) * rows)
    n = slice(block.n.start, -(-block.n.stop // columns) * columns)
    k = slice(block.k.start, block.k.stop)
    weight = operands.weight[k, n].reshape(len(block.k), -1, columns).transpose(1, 0, 2)
    scale = operands.scale[groups, n].view(np.uint16).reshape(-1, weight.shape[0], columns).transpose(1, 0, 2)
    words = {
        "weight": packed(weight.reshape(-1, columns), design.weight.bits),
        "scale": packed(scale.reshape(-1, of_column), SCALE_BITS),
        "activation": packed(_activations(design, operands.activation[m, k]), design.activation.bits),
        "token_scale": packed(operands.token_scale[m].view(np.uint16).reshape(-1, of_row), SCALE_BITS),
    }
    if design.has_zero_points:
        zero_point = operands.zero_point[groups, n].reshape(-1, weight.shape[0], columns).transpose(1, 0, 2)
        above = packed(zero_point.reshape(-1, of_column), design.zero_point_bits)
        shift = of_column * SCALE_BITS
        words["scale"] = [low | high << shift for low, high in zip(words["scale"], above, strict=True)]
    return words


def _activations(design: DesignPoint, codes: NDArray[Any]) -> NDArray[Any]:
    """Words ``[words, place]`` of codes ``[m, k]``: a tile's for each ``k``, or a fold's for each row, rows without zero."""
    rows = design.rows
    if design.array.keeps_sums:
        rows *= design.element.lanes[0]
        return codes.reshape(-1, rows, codes.shape[1]).transpose(0, 2, 1).reshape(-1, rows)
    groups = [codes[:, start : start + design.group_size] for start in range(0, codes.shape[1], design.group_size)]
    whole = [np.pad(group, ((0, 0), (0, -group.shape[1] % rows))) for group in groups]
    return np.concatenate([group.reshape(len(group), -1, rows).transpose(1, 0, 2).reshape(-1, rows) for group in whole])


def result_places(design: DesignPoint, blocks: Sequence[Block]) -> list[tuple[int, int]]:
    """The first row and the first column of the results of each word that leaves."""
    (_, columns), (of_row, _) = design.array.granule, design.element.lanes
    with_results = [block for block in blocks if block.ends]
    return [
        (row, column)
        for block in with_results
        for column in range(block.n.start, block.n.stop, columns)
        for row in range(block.m.start, block.m.stop, of_row)
    ]


def result_words(design: DesignPoint, blocks: Sequence[Block], bits: NDArray[np.integer]) -> Words:
    """What leaves, block after block, from the bits ``[m, n]`` of results, of whole tiles."""
    (_, columns), (of_row, of_column) = design.array.granule, design.element.lanes
    places = result_places(design, blocks)
    cells = np.stack([bits[row : row + of_row, column : column + columns] for row, column in places])
    in_order = cells.reshape(len(cells), of_row, design.columns, of_column).transpose(0, 2, 1, 3)
    return packed(in_order.reshape(len(cells), -1), OUTPUT_BITS)


def packed(numbers: NDArray[np.integer], bits: int) -> Words:
    """Numbers ``[words, place]`` of so many bits side by side, the first lowest."""
    octets = np.unpackbits(
        np.ascontiguousarray(numbers.astype("<u8")).view(np.uint8).reshape(*numbers.shape, 8), axis=2, bitorder="little"
    )
    data = np.packbits(octets[:, :, :bits].reshape(len(numbers), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in data]
