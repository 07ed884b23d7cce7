"""The bytes of a decoder in the memory: what is there before the first program runs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.budget import filled
from sim.overlay.cells import Bytes, Contents, aligned, has_zeros
from sim.overlay.compiler.memory_map import Cells, MemoryMap
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK
from sim.overlay.sparsity import least_densities
from sim.quantized import QuantizedTensor
from sim.quantized.blocks import N

Halves = NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Linear:
    """A product's ``weights [k, n]`` and fp16 ``bias [n]``, if it has one."""

    weights: QuantizedTensor
    bias: Halves | None = None


@dataclass(frozen=True, eq=False)
class Parameters:
    """A decoder's numbers: of each layer its products by name and its norms, of which ``norms`` has two and the last one.

    A norm is ``[1, hidden]`` weights, with biases ``[2, hidden]``; ``positions [context, head_dim]`` are cosines, then sines.
    """

    layers: tuple[Mapping[str, Linear], ...]
    norms: tuple[Mapping[str, Halves], ...]
    last_norm: Halves
    head: Linear
    positions: Halves | None = None


def image(where: MemoryMap, parameters: Parameters) -> Bytes:
    """The memory ``[end]``: weights, norms and positions; zeros for rows, logits and the cache.

    Raises ``InputError`` for numbers of another shape, format or grouping than the decoder and the design have.
    """
    memory = np.zeros(where.end, np.uint8)
    decoder = where.decoder
    if len(parameters.layers) != decoder.layers or len(parameters.norms) != decoder.layers:
        raise InputError(f"parameters are of {decoder.layers} layers, not {len(parameters.layers)}")
    for layer, (products, norms) in enumerate(zip(parameters.layers, parameters.norms, strict=True)):
        for name in ("attention_norm", "network_norm"):
            _put_norm(memory, where, where.norm(layer, name), norms[name])
        for name in where.cells:
            if name != "head":
                _put(memory, where.weights(layer, name), _product(where, name, products[name]))
    _put_norm(memory, where, where.norm(decoder.layers, "last"), parameters.last_norm)
    _put(memory, where.weights(0, "head"), _product(where, "head", parameters.head))
    if parameters.positions is not None:
        _check("positions", parameters.positions, (len(parameters.positions), decoder.head_dim))
        _put(memory, where.positions, parameters.positions[: where.context])
    return memory


def _product(where: MemoryMap, name: str, linear: Linear) -> Bytes:
    """Cells in order ``[parts, columns / 16, size]``."""
    cells, weights = where.cells[name], linear.weights
    layout = where.cell_layout(name, cells.part)
    scheme = where.design.schemes[layout.format.name]
    if weights.scheme != scheme or weights.shape != (cells.k, cells.n):
        raise InputError(
            f"weights of {name} on {where.design.name} are {[cells.k, cells.n]} of {scheme}, not {list(weights.shape)} of "
            f"{weights.scheme}"
        )
    if layout.biased != (linear.bias is not None):
        raise InputError(f"products of {where.decoder.name} with a bias are {', '.join(where.decoder.biases)}, unlike {name}")
    scale = weights.scale if weights.scales else np.zeros((0, cells.n), np.float16)
    zeros = weights.zero if weights.zero is not None else np.zeros((0, cells.n), np.uint8)
    bias = linear.bias[None] if linear.bias is not None else np.zeros((0, cells.n), np.float16)
    _check(f"bias of {name}", bias, (len(bias), cells.n))
    parts, groups = cells.parts, layout.groups
    return layout.pack(
        Contents(
            _cut(weights.codes, parts, layout.part),
            _of_cells(cells, densities_of(where.design, name, weights)),
            _cut(scale, parts, groups),
            _cut(zeros.astype(np.uint8), parts, groups * has_zeros(layout.format)),
            _cut(np.tile(bias, (parts, 1)), parts, len(bias)),
        )
    )


def densities_of(design: OverlayDesign, name: str, weights: QuantizedTensor) -> NDArray[np.uint8]:
    """N of the blocks of a product's weights ``[ceil(k / 16), ceil(n / 16)]``. Raises ``InputError`` for weights that keep more
    than the design."""
    if not design.is_sparse:
        return np.full([-(-size // BLOCK) for size in weights.shape], BLOCK, np.uint8)
    kept = np.pad(weights.integers != 0, [(0, -size % BLOCK) for size in weights.shape])
    try:
        return filled(least_densities(kept), design.kept, design.budget_blocks)
    except InputError as error:
        raise InputError(f"weights of {name} do not fit {design.name}: {error}") from None


def _of_cells(cells: Cells, densities: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """N of the blocks of cells ``[parts * columns / 16, part / 16]``; those behind ``k`` keep nothing."""
    of_parts = np.pad(densities, ((0, cells.parts * cells.part // BLOCK - len(densities)), (0, 0)))
    return of_parts.reshape(cells.parts, -1, cells.blocks).swapaxes(1, 2).reshape(cells.parts * cells.blocks, -1)


def _cut(numbers: NDArray[N], parts: int, rows: int) -> NDArray[N]:
    """Of ``[.., n]`` the cells ``[parts * columns / 16, rows, 16]``, filled up with zeros."""
    padded = np.pad(numbers, ((0, parts * rows - len(numbers)), (0, -numbers.shape[1] % BLOCK)))
    blocks = padded.shape[1] // BLOCK
    return padded.reshape(parts, rows, blocks, BLOCK).swapaxes(1, 2).reshape(parts * blocks, rows, BLOCK)


def _put_norm(memory: Bytes, where: MemoryMap, address: int, norm: Halves) -> None:
    rows = 1 if where.decoder.norm == "rms_norm" else 2
    _check("a norm", norm, (rows, where.decoder.hidden))
    for row, numbers in enumerate(norm):
        _put(memory, address + row * aligned(numbers.nbytes), numbers)


def _check(what: str, numbers: Halves, shape: tuple[int, ...]) -> None:
    if numbers.dtype != np.float16 or numbers.shape != shape:
        raise InputError(f"{what} has fp16 numbers {list(shape)}, not {numbers.dtype} {list(numbers.shape)}")


def _put(memory: Bytes, address: int, numbers: NDArray[np.generic]) -> None:
    given = np.ascontiguousarray(numbers).reshape(-1).view(np.uint8)
    memory[address : address + len(given)] = given
