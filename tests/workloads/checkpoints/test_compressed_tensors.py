"""compressed-tensors: what the library compresses is read with its codes and scales, and is what the library decompresses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme, apply_quantization_config
from torch import Tensor

from sim.errors import InputError
from tests.workloads.checkpoints.conftest import LAYER, K, Make, N
from workloads.checkpoint import load_model

GROUP = 32

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "int4 in groups": ("pack-quantized", {"num_bits": 4, "strategy": "group", "group_size": GROUP}),
    "int4 in groups with zero points": (
        "pack-quantized",
        {"num_bits": 4, "strategy": "group", "group_size": GROUP, "symmetric": False},
    ),
    "int4 of channels with zero points": ("pack-quantized", {"num_bits": 4, "strategy": "channel", "symmetric": False}),
    "int8 packed": ("pack-quantized", {"num_bits": 8, "strategy": "channel"}),
    "int2 packed": ("pack-quantized", {"num_bits": 2, "strategy": "group", "group_size": GROUP}),
    "int8 of channels": ("int-quantized", {"num_bits": 8, "strategy": "channel"}),
    "int8 of channels with zero points": ("int-quantized", {"num_bits": 8, "strategy": "channel", "symmetric": False}),
    "int8 of the tensor with a zero point": ("int-quantized", {"num_bits": 8, "strategy": "tensor", "symmetric": False}),
    "int8 in groups": ("naive-quantized", {"num_bits": 8, "strategy": "group", "group_size": GROUP}),
    "fp8 of channels": ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"}),
    "fp8 of the tensor": ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "tensor"}),
    "naive fp8": ("naive-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"}),
    "mxfp4": ("mxfp4-pack-quantized", {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32}),
    "nvfp4": ("nvfp4-pack-quantized", {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}),
}


def compressed(name: str, rng: np.random.Generator, dtype: torch.dtype = torch.float32) -> tuple[dict[str, Tensor], Tensor]:
    """What the library makes of random weights ``[N, K]``, and what it makes of that again."""
    format_, arguments = CASES[name]
    args = QuantizationArgs(**arguments)
    groups = K // args.group_size if args.group_size else 1
    shape = (1,) if args.strategy == "tensor" else (N, groups)
    weight = torch.from_numpy(rng.normal(size=(N, K)).astype(np.float32))
    state = {"weight": weight, "weight_scale": torch.from_numpy(rng.uniform(0.01, 0.5, shape)).to(dtype)}
    if not args.symmetric:
        half = 1 << args.num_bits - 1
        state["weight_zero_point"] = torch.from_numpy(rng.integers(-half, half, shape).astype(np.int8))
    if name == "mxfp4":
        state["weight_scale"] = torch.exp2(torch.from_numpy(rng.integers(-4, 2, shape)).float())
    if name == "nvfp4":
        state |= {"weight_global_scale": torch.tensor([64.0]), "weight_scale": state["weight_scale"] * 64}
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    compressor = BaseCompressor.get_value_from_registry(format_)
    stored = compressor.compress(state, scheme)
    return stored, compressor.decompress(stored, scheme)["weight"].float()


def quantization(name: str, **more: object) -> dict[str, Any]:
    format_, arguments = CASES[name]
    group = {"targets": ["Linear"], "weights": {"type": "int", "symmetric": True} | arguments}
    return {"quant_method": "compressed-tensors", "format": format_, "config_groups": {"group_0": group}} | more


@pytest.mark.parametrize("name", CASES)
def test_weights_are_those_that_the_library_decompresses(name: str, rng: np.random.Generator, packed_folder: Make) -> None:
    stored, expected = compressed(name, rng)
    model = load_model(str(packed_folder(stored, quantization(name))))
    assert torch.equal(model.network.get_parameter(f"{LAYER}.weight"), expected)
    assert [*model.layers] == [LAYER]
    assert model.layers[LAYER].shape == (K, N)


@pytest.mark.parametrize(("dtype", "format_"), [(torch.float16, "fp16"), (torch.bfloat16, "bf16")])
@pytest.mark.parametrize("name", ["int4 in groups", "int8 of channels", "fp8 of channels"])
def test_scales_keep_their_bits(
    name: str, dtype: torch.dtype, format_: str, rng: np.random.Generator, packed_folder: Make
) -> None:
    """The library rounds products of such scales to their format; here they are exact."""
    stored, _ = compressed(name, rng, dtype)
    weights = load_model(str(packed_folder(stored, quantization(name)))).layers[LAYER].parts[0].weights
    assert weights.scheme.levels[0].format == format_
    assert np.array_equal(weights.level_values(0), stored["weight_scale"].float().numpy().T)


def test_codes_keep_their_bits(rng: np.random.Generator, packed_folder: Make) -> None:
    stored, _ = compressed("fp8 of channels", rng)
    codes = load_model(str(packed_folder(stored, quantization("fp8 of channels")))).layers[LAYER].parts[0].weights.codes
    assert np.array_equal(codes, stored["weight"].view(torch.uint8).numpy().T)


def test_inputs_in_the_order_of_activations(rng: np.random.Generator, packed_folder: Make) -> None:
    """The library's decompression has no ``g_idx``: it sees the columns sorted by groups, here they are put back."""
    name = "int4 in groups"
    stored, _ = compressed(name, rng)
    groups = rng.permutation(np.arange(K) // GROUP)
    stored["weight_g_idx"] = torch.from_numpy(groups.astype(np.int32))
    model = load_model(str(packed_folder(stored, quantization(name))))
    codes = BaseCompressor.get_value_from_registry("pack-quantized").decompress(
        stored | {"weight_scale": torch.ones(N, K // GROUP)},
        QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**CASES[name][1])),
    )["weight"]
    expected = codes * stored["weight_scale"][:, groups]
    assert torch.equal(model.network.get_parameter(f"{LAYER}.weight"), expected)


def test_groups_are_told_by_names(rng: np.random.Generator, packed_folder: Make) -> None:
    stored, expected = compressed("int8 packed", rng)
    four, eight = (quantization(name)["config_groups"]["group_0"] for name in ("int4 in groups", "int8 packed"))
    groups = {"attention": four | {"targets": ["re:.*self_attn.*"]}, "mlp": eight | {"targets": ["re:.*down_proj"]}}
    model = load_model(str(packed_folder(stored, quantization("int8 packed", config_groups=groups))))
    assert torch.equal(model.network.get_parameter(f"{LAYER}.weight"), expected)


TARGETS: dict[str, tuple[list[str], list[str]]] = {
    "a pattern behind the class": (["Linear"], ["re:.*down_proj"]),
    "a pattern before the class": (["re:.*down_proj"], ["Linear"]),
    "the name behind a pattern": (["re:.*"], [LAYER]),
    "the name behind the class": (["Linear"], [LAYER]),
    "patterns": (["re:.*layers.*"], ["re:.*down_proj"]),
    "patterns of one layer alone": (["re:.*mlp.*", "Linear"], ["re:.*self_attn.*"]),
    "the class twice": (["Linear"], ["Linear"]),
    "part of the name": (["Linear"], ["down_proj"]),
    "a pattern of another end": (["re:.*down"], ["re:down_proj"]),
}
"""Targets of a group for symmetric weights, and of one for weights with zero points."""


@pytest.mark.parametrize("case", TARGETS)
def test_the_group_is_the_one_that_the_library_takes(case: str, rng: np.random.Generator, packed_folder: Make) -> None:
    """Its own choice for a module of that name says whether the stored codes have a zero point."""
    without, with_zero = (
        QuantizationArgs(num_bits=8, strategy="channel", symmetric=symmetric).model_dump(mode="json")
        for symmetric in (True, False)
    )
    groups = {
        name: {"targets": targets, "weights": weights, "format": "int-quantized"}
        for name, targets, weights in zip(("b", "a"), TARGETS[case], (without, with_zero), strict=True)
    }
    linear = torch.nn.Linear(K, N, bias=False)
    parent = torch.nn.Module()
    module: torch.nn.Module = parent
    for name in LAYER.split(".")[:-1]:
        module.add_module(name, torch.nn.Module())
        module = module.get_submodule(name)
    module.add_module("down_proj", linear)
    apply_quantization_config(parent, QuantizationConfig(config_groups=groups, format="int-quantized"))
    symmetric = linear.quantization_scheme.weights.symmetric
    stored, expected = compressed("int8 of channels" + ("" if symmetric else " with zero points"), rng)
    config = quantization("int8 of channels", config_groups=groups)
    model = load_model(str(packed_folder(stored, config)))
    assert torch.equal(model.network.get_parameter(f"{LAYER}.weight"), expected)


@pytest.mark.parametrize("name", ["int8 of channels", "int4 in groups", "fp8 of channels", "mxfp4"])
def test_zero_points_that_are_not_read_are_zero(name: str, rng: np.random.Generator, packed_folder: Make) -> None:
    """As older versions of the library stored them for symmetric weights."""
    stored, expected = compressed(name, rng)
    stored["weight_zero_point"] = torch.zeros(stored["weight_scale"].shape, dtype=torch.int8)
    model = load_model(str(packed_folder(stored, quantization(name))))
    assert torch.equal(model.network.get_parameter(f"{LAYER}.weight"), expected)
    stored["weight_zero_point"][3, 0] = 1
    with pytest.raises(InputError, match=f"layer '{LAYER}' has zero points, though its config_group says that it has none"):
        load_model(str(packed_folder(stored, quantization(name))))


def test_scales_of_activations_are_left_alone(rng: np.random.Generator, packed_folder: Make) -> None:
    """Those of an FP8 checkpoint with static activations: the design quantizes them its own way."""
    stored, expected = compressed("fp8 of channels", rng)
    stored["input_scale"] = torch.tensor([0.5])
    model = load_model(str(packed_folder(stored, quantization("fp8 of channels"))))
    assert torch.equal(model.network.get_parameter(f"{LAYER}.weight"), expected)


def test_nvfp4_whose_scale_has_no_exact_reciprocal(rng: np.random.Generator, packed_folder: Make) -> None:
    stored, _ = compressed("nvfp4", rng)
    stored["weight_global_scale"] = torch.tensor([48.0])
    weights = load_model(str(packed_folder(stored, quantization("nvfp4")))).layers[LAYER].parts[0].weights
    assert weights.scales[0] == np.float32(1 / 48)
    assert np.array_equal(weights.scales[1], stored["weight_scale"].view(torch.uint8).numpy().T)


Change = Callable[[dict[str, Tensor], dict[str, Any]], object]


def arguments(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = config["config_groups"]["group_0"]["weights"]
    return found


REFUSED: dict[str, tuple[Change, str]] = {
    "format": (lambda _, c: c.update(format="marlin-24"), "unknown format of compressed-tensors 'marlin-24'; known are pack-"),
    "bits": (lambda _, c: arguments(c).update(num_bits=3), "unknown bits of packed integers '3'; known are 2, 4, 8"),
    "strategy": (lambda _, c: arguments(c).update(strategy="block"), "unknown strategy of weights 'block'; known are tensor,"),
    "type": (lambda _, c: arguments(c).update(type="float"), "type of integer weights is int, not 'float'"),
    "group size": (
        lambda _, c: arguments(c).update(group_size=None),
        "group_size of weights in groups is at least 1, not None",
    ),
    "sparse": (lambda _, c: c.update(sparsity_config={"format": "sparse-24"}), "are neither transformed nor sparse"),
    "transformed": (lambda _, c: c.update(transform_config={"x": {}}), "are neither transformed nor sparse"),
    "no group": (lambda _, c: c.update(config_groups={}), f"config_groups of compressed-tensors have none for layer '{LAYER}'"),
    "no codes": (lambda t, _: t.pop("weight_packed"), f"lacks tensor '{LAYER}.weight_packed'"),
    "no shape": (lambda t, _: t.pop("weight_shape"), f"lacks tensor '{LAYER}.weight_shape'"),
    "no zero points": (lambda _, c: arguments(c).update(symmetric=False), f"lacks tensor '{LAYER}.weight_zero_point'"),
    "scales of another shape": (
        lambda t, _: t.update(weight_scale=t["weight_scale"][:, :2].contiguous()),
        f"tensor '{LAYER}.weight_scale' has shape (64, 2), allowed is (64, 3)",
    ),
    "codes of another shape": (
        lambda t, _: t.update(weight_packed=t["weight_packed"][:5].contiguous()),
        f"tensor '{LAYER}.weight_packed' has shape (5, 12), allowed is (64, 12)",
    ),
    "another shape": (lambda t, _: t.update(weight_shape=torch.tensor([32, 96])), "has shape (64, 12), allowed is (32, 12)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layers_that_cannot_be_used(case: str, rng: np.random.Generator, packed_folder: Make) -> None:
    stored, _ = compressed("int4 in groups", rng)
    config = quantization("int4 in groups")
    change, message = REFUSED[case]
    change(stored, config)
    with pytest.raises(InputError) as caught:
        load_model(str(packed_folder(stored, config)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_among_fp8_codes(rng: np.random.Generator, packed_folder: Make) -> None:
    stored, _ = compressed("fp8 of channels", rng)
    stored["weight"].view(torch.uint8)[3, 5] = 0x7F
    with pytest.raises(InputError, match="codes of weights stand for finite numbers of ocp_e4m3, not 0x7f"):
        load_model(str(packed_folder(stored, quantization("fp8 of channels"))))
