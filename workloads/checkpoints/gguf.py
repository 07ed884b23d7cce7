"""Models in GGUF files: configuration, names and the codes of their blocks.

How transformers calls what GGUF calls otherwise, and which rows lie in another order (queries and keys of LLaMA), is its own
knowledge (``transformers.modeling_gguf_pytorch_utils``). A row ``n`` of a tensor has blocks along ``k``; blocks are those of
ggml (``ggml-common.h``; ``ggml-quants.c``: ``dequantize_row_*``):

    Q4_0   32 weights   d F16, 16 bytes               d * (q - 8)
    Q8_0   32 weights   d F16, 32 bytes               d * q
    Q4_K  256 weights   d F16, dmin F16, 12 + 128     d * scale * q - dmin * minimum, 6 bits each, of groups of 32
    Q6_K  256 weights   128 + 64 + 16, d F16          d * scale * (q - 32), int8 scales of groups of 16

In the low and the high half of a byte are weights that lie 16 apart in Q4_0, 32 in Q4_K, 64 in Q6_K.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, ReaderTensor
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_gguf_pytorch_utils import (
    TENSOR_PROCESSORS,
    TensorProcessor,
    get_gguf_hf_weights_map,
    load_gguf_checkpoint,
)

from sim.errors import InputError, choose
from sim.formats import FORMATS
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme
from workloads.checkpoints.packed import Codes, Packed
from workloads.checkpoints.stored import Stored
from workloads.reasons import reason
from workloads.recipes.layer import QuantizedLayer

Arrays = tuple[Codes, NDArray[np.generic], NDArray[np.generic] | None]
"""Codes ``[n, k]``, scales and minima ``[n, groups]``."""

Blocks = NDArray[np.uint8]
"""Blocks ``[n, blocks of a row, bytes of a block]``."""

FLOATS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
"""Types that are not quantized."""


@dataclass(frozen=True)
class BlockType:
    """A type of blocks: bytes, the scheme of what is in them, and how it is taken out."""

    bytes: int
    scheme: Scheme
    unpack: Callable[[Blocks], Arrays]


def gguf_config(path: Path) -> str:
    """The configuration of a file as the text of a ``config.json``; ``InputError`` for a file that cannot be read."""
    try:
        values = load_gguf_checkpoint(str(path))["config"]
        return json.dumps({name: value for name, value in values.items() if not name.startswith("_")})
    except Exception as error:
        raise InputError(f"GGUF file {str(path)!r} is cut off or none: {reason(error)}") from None


def gguf_tensors(path: Path, network: PreTrainedModel) -> tuple[dict[str, Stored], dict[str, Packed]]:
    """Float tensors by the names that they have in ``network``, and quantized layers by theirs.

    Raises ``InputError`` for a type of blocks that is not known, for a tensor that the network has not, and for a file that
    cannot be read.
    """
    try:
        reader = GGUFReader(path)
        architecture = str(reader.fields["general.architecture"].contents())
        if reader.byte_order == "S":
            raise ValueError("numbers are little-endian, not big-endian")
    except Exception as error:
        raise InputError(f"GGUF file {str(path)!r} is cut off or none: {reason(error)}") from None
    processor = TENSOR_PROCESSORS.get(architecture, TensorProcessor)(config=network.config.to_dict())
    names = get_gguf_hf_weights_map(network, processor)
    floats: dict[str, Stored] = {}
    packed: dict[str, Packed] = {}
    for tensor in reader.tensors:
        kind, shape = tensor.tensor_type.name, tuple(int(size) for size in reversed(tensor.shape))
        choose("type of GGUF tensors", kind, dict.fromkeys([*FLOATS, *BLOCKS]))
        if tensor.name not in names:
            raise InputError(f"tensor {tensor.name!r} in {str(path)!r} has no place in transformers' {architecture!r}")
        name, process = names[tensor.name], partial(processor.process, name=tensor.name)
        if kind in FLOATS:
            read = partial(_floats, path, int(tensor.data_offset), FLOATS[kind], shape, process)
            floats[name] = Stored(tuple(network.get_parameter_or_buffer(name).shape), read)
        else:
            packed[name.removesuffix(".weight")] = _packed(path, tensor, shape, process)
    return floats, packed


Process = Callable[[NDArray[Any]], Any]
"""What transformers makes of a tensor's numbers."""


def _floats(path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], process: Process) -> Tensor:
    numbers = _bytes(path, offset, int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape)
    if dtype.kind == "u":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    return torch.from_numpy(np.ascontiguousarray(process(numbers.astype(np.float32)).weights, np.float32))


def _packed(path: Path, tensor: ReaderTensor, shape: tuple[int, ...], process: Process) -> Packed:
    if len(shape) != 2:
        raise InputError(f"quantized tensor {tensor.name!r} in {str(path)!r} has two axes, not shape {shape}")
    order, kind = _rows(path, tensor.name, shape[0], process), BLOCKS[tensor.tensor_type.name]
    offset, count = int(tensor.data_offset), int(tensor.n_bytes)  # the tensor itself holds the whole file

    def read() -> QuantizedLayer:
        blocks = _bytes(path, offset, count).reshape(shape[0], -1, kind.bytes)
        return QuantizedLayer.of(tensor_of(kind, blocks[order]))

    return Packed((shape[1], shape[0]), read)


def tensor_of(kind: BlockType, blocks: Blocks) -> QuantizedTensor:
    """Weights ``[k, n]`` of blocks ``[n, blocks of a row, bytes of a block]``."""
    codes, scales, minima = kind.unpack(blocks)
    zero = None if minima is None else np.ascontiguousarray(minima.T)
    return QuantizedTensor(np.ascontiguousarray(codes.T), kind.scheme, 0, (np.ascontiguousarray(scales.T),), zero)


def _rows(path: Path, name: str, rows: int, process: Process) -> NDArray[np.intp]:
    """The order that rows have in the network: transformers may move them, and do nothing else to them."""
    try:
        order = np.asarray(process(np.arange(rows)[:, None]).weights).reshape(-1)
    except ValueError:
        order = np.empty(0)
    if not np.array_equal(np.sort(order), np.arange(rows)):
        raise InputError(
            f"tensor {name!r} in {str(path)!r} is quantized, so that transformers' change of its numbers is not possible"
        )
    return order.astype(np.intp)


def _bytes(path: Path, offset: int, count: int) -> NDArray[np.uint8]:
    found = np.fromfile(path, np.uint8, count, offset=offset)
    if found.size != count:
        raise InputError(f"GGUF file {str(path)!r} cannot be read: it ends {count - found.size} bytes too early")
    return found


def _halves(octets: NDArray[np.uint8], apart: int) -> Codes:
    """Nibbles: of each ``apart`` bytes the low ones, then the high ones."""
    whole = octets.reshape(*octets.shape[:2], -1, 1, apart)
    return np.concatenate([whole & 15, whole >> 4], axis=3).reshape(*octets.shape[:2], -1)


def _half_floats(octets: NDArray[np.uint8]) -> NDArray[np.float16]:
    return np.ascontiguousarray(octets).view("<f2").astype(np.float16, copy=False)


def _flat(blocks: NDArray[Any]) -> NDArray[Any]:
    return blocks.reshape(len(blocks), -1)


def _q4_0(blocks: Blocks) -> Arrays:
    return _flat(_halves(blocks[..., 2:], 16) ^ np.uint8(8)), _flat(_half_floats(blocks[..., :2])), None


def _q8_0(blocks: Blocks) -> Arrays:
    return _flat(blocks[..., 2:]), _flat(_half_floats(blocks[..., :2])), None


def _q4_k(blocks: Blocks) -> Arrays:
    both = _half_floats(blocks[..., :4]).astype(np.float32)
    first, second, rest = blocks[..., 4:8], blocks[..., 8:12], blocks[..., 12:16]
    scales = np.concatenate([first & 63, rest & 15 | first >> 2 & 48], axis=-1)
    minima = np.concatenate([second & 63, rest >> 4 | second >> 2 & 48], axis=-1)
    return _flat(_halves(blocks[..., 16:], 32)), _flat(both[..., :1] * scales), _flat(-both[..., 1:] * minima)


def _q6_k(blocks: Blocks) -> Arrays:
    low = _halves(blocks[..., :128], 64)
    pairs = blocks[..., 128:192].reshape(*blocks.shape[:2], 2, 1, 32)
    high = np.concatenate([pairs >> shift & 3 for shift in (0, 2, 4, 6)], axis=3).reshape(low.shape)
    scales = _half_floats(blocks[..., 208:]).astype(np.float32) * np.ascontiguousarray(blocks[..., 192:208]).view(np.int8)
    return _flat((low | high << 4) ^ np.uint8(32)), _flat(scales), None


BLOCKS: dict[str, BlockType] = {
    "Q4_0": BlockType(18, Scheme(FORMATS["int4"], (ScaleLevel("group", "signed_fp16"),), group_size=32), _q4_0),
    "Q8_0": BlockType(34, Scheme(FORMATS["int8"], (ScaleLevel("group", "signed_fp16"),), group_size=32), _q8_0),
    "Q4_K": BlockType(144, Scheme(FORMATS["uint4"], (ScaleLevel("group", "fp16_uint6"),), "minimum", 32), _q4_k),
    "Q6_K": BlockType(210, Scheme(FORMATS["int6"], (ScaleLevel("group", "fp16_int8"),), group_size=16), _q6_k),
}
"""By the names of ggml."""
