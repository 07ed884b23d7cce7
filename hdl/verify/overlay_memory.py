"""What programs on the scaled-down overlay do to the memory and the buffers, N of each block as it comes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdl.overlay.buffers import WORD_BYTES
from hdl.overlay.walk import SETUP
from sim.overlay.cells import CellLayout, has_zeros
from sim.overlay.chain import Kept, group_sums
from sim.overlay.densities import DENSITY_BITS
from sim.overlay.dequantizer import EXPANDED, expand
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, DENSITIES, LANES
from sim.overlay.isa import BUFFERS, LAYOUTS
from sim.overlay.isa.instructions import GOES_ON, LEAVES
from sim.overlay.sparsity import INDEX_BITS, unpack
from sim.overlay.tile_cycles import map_cycles
from sim.quantized.packing import pack_codes, unpack_codes

Bytes = NDArray[np.uint8]
Fields = dict[str, int]


@dataclass(frozen=True)
class Tile:
    """A product's operands as they lie in the buffers: codes ``[m, k]``, of each column block the kept weights of each of its
    ``cells`` along ``k``, scales ``[groups, n]``, and biases ``[n]``, of products without them 0."""

    codes: NDArray[np.int8]
    token_scales: NDArray[np.float16]
    kept: tuple[tuple[Kept, ...], ...]
    scales: NDArray[np.float16]
    biases: NDArray[np.float16]

    @property
    def cells(self) -> int:
        return len(self.kept[0])

    def densities(self, column: int) -> NDArray[np.uint8]:
        """Of a column block ``[blocks, 1]``."""
        return np.concatenate([kept.densities for kept in self.kept[column]])


@dataclass
class Machine:
    """Bytes of the memory and the buffers, which instructions change one by one, and the sums that the engine holds."""

    design: OverlayDesign
    memory: Bytes
    weights: Bytes
    activations: Bytes
    held: NDArray[np.float32] | None = None

    def execute(self, opcode: str, f: Fields) -> None:
        if opcode in ("LD", "ST"):
            buffer = self.activations if opcode == "ST" or f["buffer"] == BUFFERS.index("activation") else self.weights
            for run in range(f["runs"]):
                there = buffer[f["address"] + run * f["size"] :][: f["size"]]
                here = self.memory[f["memory"] + run * f["pitch"] :][: f["size"]]
                if opcode == "LD":
                    there[:] = here
                else:
                    here[:] = there
        elif opcode in ("MM", "MV"):
            self.held = self.totals(opcode, f)
            if not f["part"] & LEAVES:
                for token, row in enumerate(self.results(f)):
                    self.activations[f["target"] + token * f["pitch"] :][: 2 * len(row)] = row.view(np.uint8)

    def tile(self, f: Fields) -> Tile:
        """Operands of a product."""
        m, blocks, columns, part = f["m"], -(-f["k"] // BLOCK), -(-f["n"] // BLOCK), f["cell"]
        groups = -(-blocks * BLOCK // self.design.group_size)
        layout, kept, scales, biases = self.layout(f), [], [], []
        sparse = f["layout"] == LAYOUTS.index("sparse")
        for column in range(columns):
            cells = [
                self.weights[f["weights"] + i * layout.size :] for i in range(column, -(-blocks // part) * columns, columns)
            ]
            behind = [cell[layout.code_bytes :].copy() for cell in cells]
            scales_end = layout.groups * WORD_BYTES
            zeros_end = scales_end + layout.groups * BLOCK * has_zeros(layout.format)
            of_groups = np.concatenate([rest[:scales_end].view(np.float16) for rest in behind])
            scales.append(of_groups.reshape(-1, BLOCK)[:groups])
            biases.append(behind[-1][zeros_end:][:WORD_BYTES].view(np.float16) if f["bias"] else np.zeros(BLOCK, np.float16))
            sizes = [min(part, blocks - first) for first in range(0, blocks, part)]
            zeros = [rest[scales_end:zeros_end].reshape(-1, BLOCK) for rest in behind]
            given = zip(cells, zeros, sizes, strict=True)
            kept.append(
                tuple(_sparse(cell, part, n, layout) if sparse else _dense(cell, zero, n, layout) for cell, zero, n in given)
            )
        codes = self.activations[f["source"] :][: m * blocks * BLOCK].copy().view(np.int8).reshape(m, -1)
        token_scales = self.activations[f["scales"] :][: 2 * m].copy().view(np.float16)
        return Tile(codes, token_scales, tuple(kept), np.concatenate(scales, axis=1), np.concatenate(biases))

    def layout(self, f: Fields) -> CellLayout:
        """How the weights of 16 columns lie in bytes."""
        format_ = EXPANDED[self.design.engine.weight_formats[f["format"]]]
        kept = self.design.kept if f["layout"] == LAYOUTS.index("sparse") else BLOCK
        return CellLayout(format_, f["cell"] * BLOCK, kept, self.design.group_size, bool(f["bias"]))

    def totals(self, opcode: str, f: Fields) -> NDArray[np.float32]:
        """Sums ``[m, n]`` of a product, of which the groups are the chain's, scaled as by :mod:`sim.kernels.product`."""
        tile, mode, size = self.tile(f), opcode.lower(), self.design.group_size
        columns = []
        for cells in tile.kept:
            starts = np.arange(len(cells)) * f["cell"] * BLOCK
            parts = zip(np.split(tile.codes, starts[1:], axis=1), cells, strict=True)
            columns.append(np.concatenate([group_sums(self.design.engine, a, kept, mode, size) for a, kept in parts]))
        total = np.zeros((f["m"], len(tile.kept) * BLOCK), np.float32)
        if f["part"] & GOES_ON:
            assert self.held is not None
            total += self.held
        for group, scale in zip(np.concatenate(columns, axis=2), tile.scales, strict=True):
            total += scale.astype(np.float32) * group.astype(np.float32)
        return total

    def results(self, f: Fields) -> NDArray[np.float16]:
        """Of the sums that are held, in fp16 ``[m, n]``."""
        assert self.held is not None
        tile = self.tile(f)
        return (self.held * tile.token_scales.astype(np.float32)[:, None] + tile.biases.astype(np.float32)).astype(np.float16)

    def passes(self, opcode: str, f: Fields) -> list[tuple[int, list[int]]]:
        """Of each pass the cycles of cells and operands, and in which of its cycles of writing something is written."""
        tile, side = self.tile(f), self.design.vector_units
        kept, tokens = tile.kept, LANES if opcode == "MM" else 1
        setup = SETUP * tile.cells
        found = []
        for column in range(0, len(kept), side):
            windows = max(
                map_cycles(self.design.engine, 1, tile.densities(of), opcode.lower(), self.design.group_size)
                for of in range(column, min(column + side, len(kept)))
            )
            for token in range(0, f["m"], tokens):
                lanes = min(tokens, f["m"] - token)
                slots = [v * LANES + lane for v in range(min(side, len(kept) - column)) for lane in range(lanes)]
                found.append((setup + windows, [] if f["part"] & LEAVES else slots))
        return found


def _dense(data: Bytes, zeros: Bytes, walked: int, layout: CellLayout) -> Kept:
    """The first ``walked`` blocks of a cell along ``k``; those behind are not read."""
    bits = layout.format.bits
    codes = unpack_codes(data[: walked * BLOCK * BLOCK * bits // 8], bits, walked * BLOCK * BLOCK)
    dense = codes.reshape(walked, BLOCK, BLOCK).transpose(0, 2, 1).reshape(-1, BLOCK)
    of_rows = np.repeat(zeros, layout.group_size, axis=0)[: len(dense)]
    return Kept.of_dense(expand(layout.format, dense, of_rows if has_zeros(layout.format) else None))


def _sparse(data: Bytes, blocks: int, walked: int, layout: CellLayout) -> Kept:
    """As :func:`_dense`, of a cell of so many ``blocks``."""
    bits = layout.format.bits
    head = -(-blocks * DENSITY_BITS // 8)
    numbers = unpack_codes(data[:head], DENSITY_BITS, blocks)[:walked]
    size = sum(int(n) * 2 * (bits + (INDEX_BITS if n < BLOCK else 0)) for n in np.array(DENSITIES)[numbers])
    packed = np.concatenate([pack_codes(numbers, DENSITY_BITS), data[head : head + size]])
    return Kept.of_sparse(unpack(packed, layout.format, walked * BLOCK, BLOCK))
