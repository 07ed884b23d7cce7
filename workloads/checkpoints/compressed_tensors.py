"""Weights as compressed-tensors stores them.

    pack-quantized        weight_packed I32 [n, k * bits / 32], codes of a row one after the other, plus 2**(bits - 1)
                          weight_shape [2], weight_scale [n, groups], weight_zero_point I32 [n * bits / 32, groups]
    int-quantized         weight I8 [n, k], weight_scale, weight_zero_point I8 like the scales
    float-quantized       weight F8_E4M3 [n, k], weight_scale
    mxfp4-pack-quantized  weight_packed U8 [n, k / 2], E2M1 with the even ones in the low bits; weight_scale U8 [n, groups]
    nvfp4-pack-quantized  weight_packed as of MXFP4; weight_scale F8_E4M3 [n, groups], divided by weight_global_scale F32 [1]

A weight is ``scale * (code - zero)``. Scales are of the tensor ``[1]``, of channels ``[n, 1]`` or of groups; with
``weight_g_idx [k]`` inputs are in the groups that it says. Source: compressed-tensors 0.20, ``compressors``. The scale of an
NVFP4 tensor is its fp32 reciprocal here, as hardware multiplies.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sim.errors import InputError, choose
from sim.formats import FORMATS
from sim.quantized import SCHEMES, QuantizedTensor, ScaleLevel, Scheme
from workloads.checkpoints.packed import Codes, Packed, Tensors, fields, in_order, order_of_groups
from workloads.recipes.layer import QuantizedLayer

PARTS = ("weight_scale", "weight", "weight_packed", "weight_shape", "weight_zero_point", "weight_global_scale", "weight_g_idx")
OF_ACTIVATIONS = tuple(
    f".{numbers}_{part}" for numbers in ("input", "output", "q", "k", "v") for part in ("scale", "zero_point", "global_scale")
)
WIDTHS = {str(bits): bits for bits in (2, 4, 8)}
"""[bit] Widths of packed codes; how others lie in words has changed from version to version."""

STRATEGIES = {name: name for name in ("tensor", "channel", "group")}
Read = Callable[[], QuantizedLayer]


def compressed_layer(tensors: Tensors, config: Mapping[str, Any]) -> Packed:
    """A layer by that of the ``config_groups`` whose targets name it best."""
    if config.get("transform_config") or (config.get("sparsity_config") or {}).get("format", "dense") != "dense":
        raise InputError(
            "weights of compressed-tensors are neither transformed nor sparse, unlike what quantization_config says"
        )
    group = _group(tensors.layer, config)
    name = group.get("format") or config.get("format")
    layer = choose("format of compressed-tensors", str(name), FORMATS_OF_FILES)(tensors, group["weights"])
    _check_unread_zero_points(tensors, group["weights"])
    return layer


def _group(layer: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The group that the library takes (``utils.match_targets``): by the layer's name, a pattern of it, or its class."""
    groups = [group for group in (config.get("config_groups") or {}).values() if isinstance(group.get("weights"), dict)]
    by_target = {str(target): group for group in groups for target in group.get("targets", ())}
    patterns = [target for target in sorted(by_target) if target.startswith("re:")]
    matching = [pattern for pattern in patterns if re.match(pattern.removeprefix("re:"), layer)]
    for target in (layer, *matching, "Linear"):
        if target in by_target:
            return by_target[target]  # type: ignore[no-any-return]
    raise InputError(f"config_groups of compressed-tensors have none for layer {layer!r}")


def _check_unread_zero_points(tensors: Tensors, weights: Mapping[str, Any]) -> None:
    """Files of older versions hold zero points of symmetric weights too, all of them 0."""
    name = "weight_zero_point"
    is_read = weights.get("type", "int") == "int" and not weights.get("symmetric", True)
    if name in tensors.stored and not is_read and tensors.stored[name].read().float().any():
        raise InputError(f"layer {tensors.layer!r} has zero points, though its config_group says that it has none")


def _pack_quantized(tensors: Tensors, weights: Mapping[str, Any]) -> Packed:
    bits = choose("bits of packed integers", str(weights.get("num_bits")), WIDTHS)
    n, k = (int(size) for size in tensors.array("weight_shape", (2,), torch.int64, torch.int32))

    def read() -> QuantizedLayer:
        words = tensors.array("weight_packed", (n, -(-k * bits // 32)), torch.int32)
        codes = fields(words, bits)[:, :k]
        zero = None
        if not weights.get("symmetric", True):
            zero_words = tensors.array("weight_zero_point", (-(-n * bits // 32), _groups(weights, k)), torch.int32)
            zero = fields(zero_words.T, bits)[:, :n]
        return _integers(tensors, weights, codes, zero, bits)

    return Packed((k, n), read)


def _int_quantized(tensors: Tensors, weights: Mapping[str, Any]) -> Packed:
    n, k = tensors.matrix("weight")

    def read() -> QuantizedLayer:
        codes = tensors.array("weight", (n, k), torch.int8).view(np.uint8) ^ np.uint8(128)
        zero = None
        if not weights.get("symmetric", True):
            shape = (n, _groups(weights, k)) if weights.get("strategy") != "tensor" else (1,)
            zero = tensors.array("weight_zero_point", shape, torch.int8).view(np.uint8).reshape(-1, shape[-1]) ^ np.uint8(128)
            zero = zero.T
        return _integers(tensors, weights, codes, zero, 8)

    return Packed((k, n), read)


def _integers(tensors: Tensors, weights: Mapping[str, Any], codes: Codes, zero: Codes | None, bits: int) -> QuantizedLayer:
    """Codes ``[n, k]`` and zero points ``[groups, n]``, both plus ``2**(bits - 1)``."""
    if weights.get("type", "int") != "int":
        raise InputError(f"type of integer weights is int, not {weights['type']!r}")
    if zero is None:
        return _scaled(tensors, weights, codes ^ np.uint8(1 << bits - 1), f"int{bits}")
    return _scaled(tensors, weights, codes, f"uint{bits}", np.ascontiguousarray(zero))


def _float_quantized(tensors: Tensors, weights: Mapping[str, Any]) -> Packed:
    n, k = tensors.matrix("weight")
    return Packed((k, n), lambda: _scaled(tensors, weights, tensors.array("weight", (n, k), torch.float8_e4m3fn), "ocp_e4m3"))


def _naive_quantized(tensors: Tensors, weights: Mapping[str, Any]) -> Packed:
    return (_float_quantized if weights.get("type") == "float" else _int_quantized)(tensors, weights)


def _scaled(
    tensors: Tensors, weights: Mapping[str, Any], codes: Codes, format_: str, zero: Codes | None = None
) -> QuantizedLayer:
    """Codes ``[n, k]`` of that format with the layer's own scales."""
    n, k = codes.shape
    per, groups = choose("strategy of weights", str(weights.get("strategy")), STRATEGIES), _groups(weights, k)
    shapes = {"tensor": ((1,), (1, 1), ()), "channel": ((n, 1), (n,)), "group": ((n, groups),)}[per]
    scale, scales = tensors.scales("weight_scale", *shapes)
    size = int(weights["group_size"]) if per == "group" else 0
    order = np.arange(k)
    if "weight_g_idx" in tensors.stored:
        order = order_of_groups(tensors.layer, tensors.array("weight_g_idx", (k,), torch.int32), size or k)
    scheme = Scheme(FORMATS[format_], (ScaleLevel(per, scale),), "none" if zero is None else "integer", size)
    by_output = scales.reshape(-1, groups).T
    return in_order(QuantizedTensor(_turned(codes[:, order]), scheme, 0, (np.ascontiguousarray(by_output),), zero), order)


def _mxfp4(tensors: Tensors, weights: Mapping[str, Any]) -> Packed:
    del weights
    n, half = tensors.matrix("weight_packed")

    def read() -> QuantizedLayer:
        codes = fields(tensors.array("weight_packed", (n, half), torch.uint8), 4)
        scales = tensors.array("weight_scale", (n, -(-2 * half // 32)), torch.uint8)
        return QuantizedLayer.of(QuantizedTensor(_turned(codes), SCHEMES["mxfp4"], 0, (_turned(scales),)))

    return Packed((2 * half, n), read)


def _nvfp4(tensors: Tensors, weights: Mapping[str, Any]) -> Packed:
    del weights
    n, half = tensors.matrix("weight_packed")

    def read() -> QuantizedLayer:
        codes = fields(tensors.array("weight_packed", (n, half), torch.uint8), 4)
        scales = tensors.array("weight_scale", (n, -(-2 * half // 16)), torch.float8_e4m3fn)
        whole = np.float32(1) / tensors.array("weight_global_scale", (1,), torch.float32).reshape(1, 1)
        return QuantizedLayer.of(QuantizedTensor(_turned(codes), SCHEMES["nvfp4"], 0, (whole, _turned(scales))))

    return Packed((2 * half, n), read)


def _groups(weights: Mapping[str, Any], k: int) -> int:
    if weights.get("strategy") != "group":
        return 1
    size = weights.get("group_size")
    if not isinstance(size, int) or size < 1:
        raise InputError(f"group_size of weights in groups is at least 1, not {size!r}")
    return -(-k // size)


def _turned(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array.T)


FORMATS_OF_FILES: dict[str, Callable[[Tensors, Mapping[str, Any]], Packed]] = {
    "pack-quantized": _pack_quantized,
    "int-quantized": _int_quantized,
    "float-quantized": _float_quantized,
    "naive-quantized": _naive_quantized,
    "mxfp4-pack-quantized": _mxfp4,
    "nvfp4-pack-quantized": _nvfp4,
}
