"""Quantized weights as files have them: how codes lie in words, and layers that are unpacked when they are asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sim.errors import InputError
from sim.quantized import QuantizedTensor, unpack_codes
from workloads.checkpoints.stored import Stored
from workloads.recipes.layer import Part, QuantizedLayer

Codes = NDArray[np.uint8]

SCALES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32"}
"""Formats of scales that checkpoints have."""


@dataclass(frozen=True)
class Packed:
    """A layer of ``shape`` ``[k, n]`` whose codes are read when they are asked for."""

    shape: tuple[int, int]
    read: Callable[[], QuantizedLayer]


@dataclass(frozen=True)
class Tensors:
    """The tensors of one layer, by the last part of their names.

    Raises ``InputError`` for one that is asked for and not there, of another type or of another shape.
    """

    layer: str
    stored: Mapping[str, Stored]

    def shape(self, name: str) -> tuple[int, ...]:
        if name not in self.stored:
            raise InputError(f"layer {self.layer!r} lacks tensor {self._named(name)!r}")
        return self.stored[name].shape

    def matrix(self, name: str) -> tuple[int, int]:
        """Shape of a tensor that has two axes."""
        shape = self.shape(name)
        if len(shape) != 2 or 0 in shape:
            raise InputError(f"tensor {self._named(name)!r} has two axes, not shape {shape}")
        return shape[0], shape[1]

    def array(self, name: str, shape: tuple[int, ...], *allowed: torch.dtype) -> NDArray[Any]:
        """A tensor's numbers, or the bits of types that numpy has not."""
        tensor = self.tensor(name, shape, *allowed)
        if tensor.dtype == torch.bfloat16:
            return tensor.view(torch.uint16).numpy()
        return (tensor.view(torch.uint8) if tensor.dtype == torch.float8_e4m3fn else tensor).numpy()

    def scales(self, name: str, *shapes: tuple[int, ...]) -> tuple[str, NDArray[Any]]:
        """Scales of one of several shapes: the name of their format, and the numbers or their bits."""
        shape = self.shape(name) if self.shape(name) in shapes else shapes[0]
        tensor = self.tensor(name, shape, *SCALES)
        return SCALES[tensor.dtype], self.array(name, shape, tensor.dtype)

    def tensor(self, name: str, shape: tuple[int, ...], *allowed: torch.dtype) -> torch.Tensor:
        if self.shape(name) != shape:
            raise InputError(f"tensor {self._named(name)!r} has shape {self.shape(name)}, allowed is {shape}")
        tensor = self.stored[name].read()
        if tensor.dtype not in allowed:
            types = ", ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
            raise InputError(f"tensor {self._named(name)!r} has numbers of {types}, not {tensor.dtype}")
        return tensor.contiguous()

    def _named(self, name: str) -> str:
        return f"{self.layer}.{name}"


def fields(words: NDArray[np.generic], bits: int) -> Codes:
    """The codes ``[rows, codes]`` in words ``[rows, words]``: one after the other, each from its least significant bit on."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    rows, per_row = len(octets), octets.shape[1] * 8 // bits
    if 8 % bits:
        return unpack_codes(octets.reshape(-1), bits, rows * per_row).reshape(rows, per_row).astype(np.uint8, copy=False)
    codes = np.empty((rows, per_row), np.uint8)
    for place in range(8 // bits):
        codes[:, place :: 8 // bits] = octets >> place * bits & (1 << bits) - 1
    return codes


def in_order(weights: QuantizedTensor, order: NDArray[np.intp]) -> QuantizedLayer:
    """The layer of weights ``[k, n]`` whose row ``i`` is that of the layer's input ``order[i]``."""
    k, n = weights.shape
    return QuantizedLayer((k, n), (Part(weights, order, np.arange(n)),))


def order_of_groups(layer: str, groups: NDArray[np.int32], group_size: int) -> NDArray[np.intp]:
    """The inputs sorted by their groups; ``InputError`` where groups are then not ``group_size`` long."""
    order = np.argsort(groups, kind="stable")
    if not np.array_equal(groups[order], np.arange(len(groups)) // group_size):
        raise InputError(f"groups of layer {layer!r} have {group_size} inputs each, which its g_idx does not say")
    return order


def dequantized(layer: QuantizedLayer) -> NDArray[np.float32]:
    """The float weights ``[k, n]`` that the codes of a layer without a boundary stand for."""
    weights = np.empty(layer.shape, np.float32)
    for part in layer.parts:
        weights[np.ix_(part.k, part.n)] = part.weights.dequantize()
    return weights
