"""What programs on the scaled-down overlay do to the memory and the buffers, N of each block as it comes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdl.overlay.buffers import WORD_BYTES
from sim.formats import Format
from sim.overlay.cells import CellLayout
from sim.overlay.chain import Kept, group_sums
from sim.overlay.dequantizer import EXPANDED, expand
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, DENSITIES, LANES, map_cycles
from sim.overlay.isa import BUFFERS, LAYOUTS
from sim.overlay.sparsity import DENSITY_BITS, INDEX_BITS, unpack
from sim.quantized.packing import unpack_codes

Bytes = NDArray[np.uint8]
Fields = dict[str, int]


@dataclass(frozen=True)
class Tile:
    """A product's operands as they lie in the buffers: codes ``[m, k]``, and of each column block the kept weights."""

    codes: NDArray[np.int8]
    token_scales: NDArray[np.float16]
    kept: tuple[Kept, ...]
    scales: NDArray[np.float16]


@dataclass
class Machine:
    """Bytes of the memory and the buffers, which instructions change one after the other."""

    design: OverlayDesign
    memory: Bytes
    weights: Bytes
    activations: Bytes

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
            results = self.results(opcode, f)
            for token, row in enumerate(results):
                self.activations[f["target"] + token * f["pitch"] :][: 2 * len(row)] = row.view(np.uint8)

    def tile(self, f: Fields) -> Tile:
        """Operands of a product."""
        m, blocks, columns = f["m"], -(-f["k"] // BLOCK), -(-f["n"] // BLOCK)
        groups = -(-blocks * BLOCK // self.design.group_size)
        layout, kept, scales = self.layout(f), [], []
        for column in range(columns):
            cell = self.weights[f["weights"] + column * layout.size :]
            scales.append(cell[layout.code_bytes :][: groups * WORD_BYTES].copy().view(np.float16).reshape(groups, BLOCK))
            kept.append(self._kept(cell, blocks, layout.format, f["layout"] == LAYOUTS.index("sparse")))
        codes = self.activations[f["source"] :][: m * blocks * BLOCK].copy().view(np.int8).reshape(m, -1)
        token_scales = self.activations[f["scales"] :][: 2 * m].copy().view(np.float16)
        return Tile(codes, token_scales, tuple(kept), np.concatenate(scales, axis=1))

    @staticmethod
    def _kept(data: Bytes, blocks: int, format_: Format, sparse: bool) -> Kept:
        bits = format_.bits
        if not sparse:
            codes = unpack_codes(data[: blocks * BLOCK * BLOCK * bits // 8], bits, blocks * BLOCK * BLOCK)
            dense = codes.reshape(blocks, BLOCK, BLOCK).transpose(0, 2, 1).reshape(-1, BLOCK)
            return Kept.of_dense(expand(format_, dense))
        head = -(-blocks * DENSITY_BITS // 8)
        densities = np.array(DENSITIES)[unpack_codes(data[:head], DENSITY_BITS, blocks)]
        size = sum(int(n) * 2 * (bits + (INDEX_BITS if n < BLOCK else 0)) for n in densities)
        return Kept.of_sparse(unpack(data[: head + size], format_, blocks * BLOCK, BLOCK))

    def layout(self, f: Fields) -> CellLayout:
        """How the weights of 16 columns lie in bytes."""
        format_ = EXPANDED[self.design.engine.weight_formats[f["format"]]]
        kept = self.design.kept if f["layout"] == LAYOUTS.index("sparse") else BLOCK
        return CellLayout(format_, -(-f["k"] // BLOCK) * BLOCK, kept, self.design.group_size, False)

    def results(self, opcode: str, f: Fields) -> NDArray[np.float16]:
        """Results ``[m, n]`` of a product, by the chain's sums and the epilogue of :mod:`sim.kernels.product`."""
        tile = self.tile(f)
        sums = [group_sums(self.design.engine, tile.codes, kept, opcode.lower(), self.design.group_size) for kept in tile.kept]
        total = np.zeros((f["m"], len(tile.kept) * BLOCK), np.float32)
        for group, scale in zip(np.concatenate(sums, axis=2), tile.scales, strict=True):
            total += scale.astype(np.float32) * group.astype(np.float32)
        return (total * tile.token_scales.astype(np.float32)[:, None]).astype(np.float16)

    def passes(self, opcode: str, f: Fields) -> list[tuple[int, list[int]]]:
        """Of each pass the cycles of operands, and in which of its cycles of writing something is written."""
        kept, side = self.tile(f).kept, self.design.vector_units
        tokens = LANES if opcode == "MM" else 1
        found = []
        for column in range(0, len(kept), side):
            windows = max(
                map_cycles(self.design.engine, 1, of.densities, opcode.lower(), self.design.group_size)
                for of in kept[column : column + side]
            )
            for token in range(0, f["m"], tokens):
                lanes = min(tokens, f["m"] - token)
                slots = [v * LANES + lane for v in range(min(side, len(kept) - column)) for lane in range(lanes)]
                found.append((windows, slots))
        return found
