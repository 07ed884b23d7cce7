"""Where everything lies in the memory off the chip.

In order: input rows, logits, tables of positions, then the layers one like the other, each with its norms and the tiles of its
products; the last norm, the head; and the KV cache, where each head of a layer has its tokens one after the other, codes
and behind those of all heads their scales. Everything begins at a multiple of a port's word.
"""

from dataclasses import dataclass
from functools import cached_property

from sim.errors import InputError
from sim.overlay.budget import check_mean
from sim.overlay.cells import FP16_BYTES, CellLayout, aligned
from sim.overlay.decoder import Decoder
from sim.overlay.dequantizer import STORED
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK
from sim.overlay.memory import INTERLEAVE

HELD_BLOCKS = 8
"""Blocks of columns whose fp32 sums a vector unit holds from one part of ``k`` to the next: 128 words, two rows of LUT RAM."""


@dataclass(frozen=True)
class Cells:
    """A product's weights ``[k, n]`` in cells of ``part`` along ``k`` and 16 columns, ``size`` [byte] each.

    In the memory, cells beside each other along ``n`` follow one another. In ``MV`` a tile is a row of cells, ``wide`` of them
    at the most, and the engine holds its sums until the last part; in ``MM`` it is all parts of ``high`` blocks of columns.
    """

    k: int
    n: int
    part: int
    size: int
    wide: int
    high: int

    @property
    def parts(self) -> int:
        return -(-self.k // self.part)

    @property
    def blocks(self) -> int:
        """Of 16 columns."""
        return -(-self.n // BLOCK)

    @property
    def row_bytes(self) -> int:
        """Of all cells with the same ``k``."""
        return self.blocks * self.size

    @property
    def bytes(self) -> int:
        return self.parts * self.row_bytes

    def tiles(self, multiply: str) -> list[tuple[range, range]]:
        """Parts and blocks of columns of each tile, in order."""
        step = self.wide if multiply == "MV" else self.high
        columns = [range(b, min(b + step, self.blocks)) for b in range(0, self.blocks, step)]
        if multiply == "MM":
            return [(range(self.parts), blocks) for blocks in columns]
        return [(range(part, part + 1), blocks) for blocks in columns for part in range(self.parts)]


@dataclass(frozen=True)
class MemoryMap:
    """Addresses [byte] of a decoder on a design; the KV cache is for ``context`` tokens.

    Raises ``InputError`` where the memory is too small, with what would do.
    """

    decoder: Decoder
    design: OverlayDesign
    context: int

    def __post_init__(self) -> None:
        if self.end > self.design.memory_bytes:
            raise InputError(
                f"{self.decoder.name} with a cache of {self.context} tokens takes {self.end:,} bytes, and the memory of "
                f"{self.design.name} has {self.design.memory_bytes:,}: memory_gib of {-(-self.end >> 30)} would do"
            )

    @cached_property
    def cells(self) -> dict[str, Cells]:
        """Of each product of a layer and of the head."""
        return {name: self._cells(name, k, n) for name, (k, n) in self.decoder.products.items()}

    def _cells(self, name: str, k: int, n: int) -> Cells:
        """Parts as long as a slot takes of as many columns as the vector units hold sums of."""
        design, group = self.design, self.design.group_size
        if rest := -(-k // BLOCK) % design.budget_blocks:
            check_mean(design.kept, rest)
        blocks, groups = -(-n // BLOCK), -(-k // group)
        side = design.engine.column_blocks("mv")
        wide = min(blocks, HELD_BLOCKS * side)
        while wide * self.cell_bytes(name, group) > design.slot_bytes and wide > 1:
            wide = max(1, (wide - 1) // side * side) if wide > side else wide // 2
        fit = design.slot_bytes // (wide * self.cell_bytes(name, group))
        parts = -(-groups // max(1, fit))
        parts = min(range(parts, min(2 * parts, groups) + 1), key=lambda many: many * -(-groups // many))  # least padding
        part = -(-groups // parts) * group
        size = self.cell_bytes(name, part)
        high = design.slot_bytes // (-(-k // part) * size)
        if not high:  # parts take a little more than all of k at once, for which there may be room
            part = groups * group
            size = self.cell_bytes(name, part)
            high = wide = min(blocks, design.slot_bytes // size)
        if not high:
            whole = {name: self.cell_bytes(name, -(-k // group) * group) for name, (k, _) in self.decoder.products.items()}
            whole["keys"] = self.keys_bytes(self.context)
            least = max(whole, key=lambda name: whole[name])
            raise InputError(
                f"a slot of {design.name} holds 16 columns of every product and a head's keys of {self.context} tokens, so "
                f"slot_kib is at least {-(-whole[least] // 1024)} for {least}, not {design.slot_kib}"
            )
        side = design.engine.column_blocks("mm")
        high = min(blocks, high // side * side if high > side else high)
        return Cells(k, n, part, size, wide, high)

    def cell_layout(self, name: str, part: int) -> CellLayout:
        """Of a product's cells of ``part`` along ``k``."""
        design = self.design
        biased = name in self.decoder.biases
        return CellLayout(STORED[design.format_of(name)], part, design.kept, design.group_size, biased)

    def keys_bytes(self, length: int) -> int:
        """A head's keys of so many tokens in a slot, and behind them their scales, if they have any."""
        design = self.design
        return aligned(length * self.decoder.head_dim * design.operand_bytes) + length * design.scale_bytes

    def cell_bytes(self, name: str, part: int) -> int:
        """Of so much of ``k`` of 16 columns of a product."""
        return self.cell_layout(name, part).size

    @cached_property
    def _layer(self) -> dict[str, int]:
        """Offsets in a layer of its norms and products, and its size under ``end``."""
        found, at = {}, 0
        for name in ("attention_norm", "network_norm"):
            found[name] = at
            at += self.norm_bytes
        for name, cells in self.cells.items():
            if name != "head":
                found[name] = at
                at += cells.bytes
        return found | {"end": at}

    @property
    def norm_bytes(self) -> int:
        """Of a norm's weights, and of its biases."""
        both = 1 if self.decoder.norm == "rms_norm" else 2
        return aligned(self.decoder.hidden * FP16_BYTES) * both

    @property
    def row_bytes(self) -> int:
        """Of a token's numbers between layers."""
        return self.decoder.hidden * FP16_BYTES

    @property
    def inputs(self) -> int:
        """Rows of the tokens that a program computes, which the host writes."""
        return 0

    @property
    def logits(self) -> int:
        """Of the last token."""
        return self.inputs + aligned(self.context * self.row_bytes)

    @property
    def positions(self) -> int:
        """Of each position cosines, then sines, ``head_dim`` numbers in all."""
        return self.logits + aligned(self.decoder.vocabulary * FP16_BYTES)

    @property
    def position_bytes(self) -> int:
        """Of a position's cosines and sines."""
        return self.decoder.head_dim * FP16_BYTES if self.decoder.rotary else 0

    @property
    def scratch(self) -> int:
        """Room for any region of the activation buffer, where results are kept off the chip."""
        return self.positions + aligned(self.context * self.position_bytes)

    @property
    def scratch_bytes(self) -> int:
        return 0 if self.design.on_chip else self.design.activation_bytes

    def weights(self, layer: int, name: str, part: int = 0, block: int = 0) -> int:
        """A cell of a product of a layer."""
        start = self.scratch + self.scratch_bytes
        if name == "head":
            start += self.decoder.layers * self.layer_bytes + self.norm_bytes
        else:
            start += layer * self.layer_bytes + self._layer[name]
        return start + (part * self.cells[name].row_bytes + block * self.cells[name].size if part or block else 0)

    def norm(self, layer: int, name: str) -> int:
        """A norm's weights; the last one's are those of the layer behind the last."""
        if layer == self.decoder.layers:
            return self.weights(0, "head") - self.norm_bytes
        return self.weights(layer, name)

    @property
    def layer_bytes(self) -> int:
        """From a layer's weights to the next one's."""
        return self._layer["end"]

    @property
    def head_bytes(self) -> int:
        """Codes of a head of the cache, and up to the next head's."""
        return _odd(self.context * self.decoder.head_dim * self.design.operand_bytes)

    @property
    def head_scale_bytes(self) -> int:
        """Scales of a head of the cache, and up to the next head's."""
        return _odd(self.context * self.design.scale_bytes)

    @property
    def cache_bytes(self) -> int:
        """Of keys, or of values, of a layer."""
        return self.decoder.kv_heads * (self.head_bytes + self.head_scale_bytes)

    def cache(self, layer: int, values: bool, head: int = 0) -> int:
        """Codes of a head of keys or of values."""
        start = self.weights(0, "head") + self.cells["head"].bytes
        return aligned(start) + (2 * layer + values) * self.cache_bytes + head * self.head_bytes

    def cache_scales(self, layer: int, values: bool, head: int = 0) -> int:
        """Scales of a head of keys or of values."""
        return self.cache(layer, values, self.decoder.kv_heads) + head * self.head_scale_bytes

    @property
    def end(self) -> int:
        """All bytes."""
        return self.cache(self.decoder.layers, False)


def _odd(size: int) -> int:
    """The next odd multiple of what goes to a port before it is the next port's turn [byte]."""
    return (-(-size // INTERLEAVE) | 1) * INTERLEAVE if size else 0
