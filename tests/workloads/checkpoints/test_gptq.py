"""GPTQ and AWQ: codes in words by hand, whole layers by loops over the published packing, and by compressed-tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.entrypoints.convert.converters import AutoAWQConverter
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from numpy.typing import NDArray
from torch import Tensor

from sim.errors import InputError
from tests.workloads.checkpoints.conftest import LAYER, K, Make, N
from workloads.checkpoint import LanguageModel, load_model
from workloads.shapes import shapes

GROUP = 32
GROUPS = K // GROUP
Integers = NDArray[np.integer]


def words(codes: Integers, bits: int) -> Tensor:
    """The packing of AutoGPTQ along the first axis, bit by bit: bit ``b`` of code ``i`` is bit ``i * bits + b``."""
    packed = np.zeros((len(codes) * bits // 32, codes.shape[1]), np.uint64)
    for i, row in enumerate(codes.astype(np.uint64)):
        for b in range(bits):
            word, place = divmod(i * bits + b, 32)
            packed[word] |= (row >> np.uint64(b) & np.uint64(1)) << np.uint64(place)
    return torch.from_numpy(packed.astype(np.uint32).view(np.int32))


def config(bits: int, **more: object) -> dict[str, Any]:
    return {"quant_method": "gptq", "bits": bits, "group_size": GROUP} | more


def test_words_by_hand() -> None:
    """Codes 0, 1, 2, ... of 4 bits are 0x76543210; of 3 bits the eleventh, 10 & 7 = 2, lies across two words."""
    assert words(np.arange(8)[:, None], 4)[:, 0].tolist() == [0x76543210]
    of_three = words(np.arange(32)[:, None] & 7, 3).numpy().view(np.uint32)[:, 0].tolist()
    assert of_three == [0x88FAC688, 0xC688FAC6, 0xFAC688FA]
    assert "".join(f"{word:032b}" for word in reversed(of_three)) == "111110101100011010001000" * 4


@pytest.fixture
def layer(rng: np.random.Generator) -> Callable[[int], tuple[Integers, Integers, Tensor]]:
    """Any codes ``[k, n]``, any zero points and positive scales ``[groups, n]``."""

    def make(bits: int) -> tuple[Integers, Integers, Tensor]:
        codes, zero = (rng.integers(0, 1 << bits, (size, N)) for size in (K, GROUPS))
        codes[:2], zero[0, :4] = [[0], [(1 << bits) - 1]], [0, (1 << bits) - 1, 0, (1 << bits) - 1]
        return codes, zero, torch.from_numpy(rng.uniform(1e-3, 1e-2, (GROUPS, N)).astype(np.float16))

    return make


def check(model: LanguageModel, codes: Integers, zero: Integers, scales: Tensor, groups: Integers, order: Integers) -> None:
    (name,) = model.layers
    assert name == LAYER
    (part,) = model.layers[name].parts
    assert np.array_equal(part.k, order)
    assert np.array_equal(part.n, np.arange(N))
    assert np.array_equal(part.weights.codes, codes[order])
    assert part.weights.zero is not None
    assert np.array_equal(part.weights.zero, zero)
    assert part.weights.scales[0].tobytes() == scales.numpy().tobytes()
    expected = np.empty((K, N), np.float32)
    for k in range(K):
        expected[k] = scales[groups[k]].float().numpy() * (codes[k] - zero[groups[k]])
    assert np.array_equal(model.network.get_parameter(f"{LAYER}.weight").numpy(), expected.T)


@pytest.mark.parametrize("version", ["gptq", "gptq_v2", None])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq(
    bits: int, version: str | None, layer: Callable[[int], tuple[Integers, Integers, Tensor]], packed_folder: Make
) -> None:
    codes, zero, scales = layer(bits)
    stored = zero if version == "gptq_v2" else (zero - 1) % (1 << bits)
    tensors = {"qweight": words(codes, bits), "qzeros": words(stored.T, bits).T.contiguous(), "scales": scales}
    more = {} if version is None else {"checkpoint_format": version}
    groups = np.arange(K) // GROUP
    for index in ({}, {"g_idx": torch.from_numpy(groups.astype(np.int32))}):
        folder = packed_folder(tensors | index, config(bits, **more))
        check(load_model(str(folder)), codes, zero, scales, groups, np.arange(K))
    assert {product.name for product in shapes(str(folder)).products} >= {LAYER}


def test_gptq_in_the_order_of_activations(
    rng: np.random.Generator, layer: Callable[[int], tuple[Integers, Integers, Tensor]], packed_folder: Make
) -> None:
    codes, zero, scales = layer(4)
    groups = rng.permutation(np.arange(K) // GROUP)
    tensors = {
        "qweight": words(codes, 4),
        "qzeros": words(zero.T, 4).T.contiguous(),
        "scales": scales,
        "g_idx": torch.from_numpy(groups.astype(np.int32)),
    }
    model = load_model(str(packed_folder(tensors, config(4, checkpoint_format="gptq_v2", desc_act=True))))
    order = np.concatenate([np.flatnonzero(groups == group) for group in range(GROUPS)])
    check(model, codes, zero, scales, groups, order)
    x = rng.normal(size=(3, K)).astype(np.float32)
    weights = model.network.get_parameter(f"{LAYER}.weight").numpy()
    assert np.allclose(model.layers[LAYER].effective(), weights.T, rtol=0, atol=1e-7)
    assert np.allclose(x[:, order] @ weights.T[order], x @ weights.T, rtol=0, atol=1e-5)


def test_one_scale_for_a_column(layer: Callable[[int], tuple[Integers, Integers, Tensor]], packed_folder: Make) -> None:
    codes, zero, scales = layer(4)
    tensors = {"qweight": words(codes, 4), "qzeros": words(zero[:1].T, 4).T.contiguous(), "scales": scales[:1].bfloat16()}
    model = load_model(str(packed_folder(tensors, config(4, group_size=-1, checkpoint_format="gptq_v2"))))
    weights = model.layers[LAYER].parts[0].weights
    assert [(level.per, level.format) for level in weights.scheme.levels] == [("channel", "bf16")]
    expected = (codes - zero[:1]) * scales[:1].bfloat16().double().numpy()
    assert np.array_equal(model.network.get_parameter(f"{LAYER}.weight").numpy(), expected.T.astype(np.float32))


ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def awq_words(codes: Integers) -> Tensor:
    packed = np.zeros((len(codes), codes.shape[1] // 8), np.uint32)
    for column in range(packed.shape[1]):
        for place, source in enumerate(ORDER):
            packed[:, column] |= codes[:, 8 * column + source].astype(np.uint32) << np.uint32(4 * place)
    return torch.from_numpy(packed.view(np.int32))


def test_awq(layer: Callable[[int], tuple[Integers, Integers, Tensor]], packed_folder: Make) -> None:
    codes, zero, scales = layer(4)
    assert awq_words(np.arange(8)[None])[0, 0] == 0x75316420
    tensors = {"qweight": awq_words(codes), "qzeros": awq_words(zero), "scales": scales}
    quantization = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True}
    model = load_model(str(packed_folder(tensors, quantization)))
    check(model, codes, zero, scales, np.arange(K) // GROUP, np.arange(K))

    args = QuantizationArgs(num_bits=4, symmetric=False, strategy="group", group_size=GROUP)
    converted = AutoAWQConverter(group_size=GROUP).process({f"x.{name}": tensor for name, tensor in tensors.items()})
    local = {name.removeprefix("x."): tensor for name, tensor in converted.items()}
    local["weight_scale"] = local["weight_scale"].float()
    compressor = BaseCompressor.get_value_from_registry("pack-quantized")
    weight = compressor.decompress(local, QuantizationScheme(targets=["Linear"], weights=args))["weight"]
    assert torch.equal(weight, model.network.get_parameter(f"{LAYER}.weight"))


Change = Callable[[dict[str, Tensor], dict[str, Any]], object]

REFUSED: dict[str, tuple[Change, str]] = {
    "bits": (lambda _, c: c.update(bits=5), "unknown bits of GPTQ '5'; known are 2, 3, 4, 8"),
    "format": (
        lambda _, c: c.update(checkpoint_format="marlin"),
        "unknown checkpoint_format of GPTQ 'marlin'; known are gptq, gptq_v2",
    ),
    "group size": (lambda _, c: c.update(group_size=0), "group_size of quantized weights is -1 or at least 1, not 0"),
    "no scales": (lambda t, _: t.pop("scales"), f"layer '{LAYER}' lacks tensor '{LAYER}.scales'"),
    "no zero points": (lambda t, _: t.pop("qzeros"), f"layer '{LAYER}' lacks tensor '{LAYER}.qzeros'"),
    "zero points of another shape": (
        lambda t, _: t.update(qzeros=t["qzeros"][:2].contiguous()),
        f"tensor '{LAYER}.qzeros' has shape (2, 8), allowed is (3, 8)",
    ),
    "codes of another shape": (
        lambda t, _: t.update(qweight=t["qweight"][:8].contiguous()),
        f"tensor '{LAYER}.qzeros' has shape (3, 8), allowed is (2, 8)",
    ),
    "a layer of another shape": (
        lambda t, _: t.update({name: tensor[:, : tensor.shape[1] // 2].contiguous() for name, tensor in t.items()}),
        f"tensor '{LAYER}.weight' in",
    ),
    "codes of one axis": (lambda t, _: t.update(qweight=t["qweight"][0].clone()), "qweight' has two axes, not shape (64,)"),
    "floats as codes": (
        lambda t, _: t.update(qweight=t["qweight"].float()),
        f"tensor '{LAYER}.qweight' has numbers of int32, not torch.float32",
    ),
    "a scale of zero": (lambda t, _: t["scales"][1].zero_(), "scales of weights are positive finite numbers, not 0.0"),
    "a scale that is none": (lambda t, _: t["scales"].fill_(float("nan")), "scales of weights are positive finite numbers"),
    "groups that are not": (
        lambda t, _: t.update(g_idx=torch.zeros(K, dtype=torch.int32)),
        f"groups of layer '{LAYER}' have 32 inputs each, which its g_idx does not say",
    ),
    "AWQ for other kernels": (
        lambda _, c: c.update(quant_method="awq", version="GEMV"),
        "unknown version of AWQ 'gemv'; known are gemm, exllama, ipex",
    ),
    "AWQ of three bits": (lambda _, c: c.update(quant_method="awq", bits=3), "unknown bits of AWQ '3'; known are 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_layers_that_cannot_be_used(
    case: str, layer: Callable[[int], tuple[Integers, Integers, Tensor]], packed_folder: Make
) -> None:
    codes, zero, scales = layer(4)
    tensors, quantization = {"qweight": words(codes, 4), "qzeros": words(zero.T, 4).T.contiguous(), "scales": scales}, config(4)
    change, message = REFUSED[case]
    change(tensors, quantization)
    with pytest.raises(InputError) as caught:
        load_model(str(packed_folder(tensors, quantization)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
