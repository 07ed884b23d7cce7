"""A model by the hardware: the same bits token by token as at once, float32 where it computes float32, overflows counted."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Llama4TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    PretrainedConfig,
)

from sim.design import PRESETS, DesignPoint, load_design
from sim.errors import InputError
from sim.quantized import SCHEMES, Scheme, quantize
from workloads.accuracy import decode_logits, float_logits, prefill_logits
from workloads.checkpoint import LanguageModel
from workloads.hardware import Hardware
from workloads.kv_cache import Kivi, KVRecipe
from workloads.products import products_by
from workloads.recipes import RECIPES
from workloads.recipes.layer import QuantizedLayer

TOKENS = 40
SEED = 20261128
ARITHMETIC = {
    (d.pe, d.weight_format, d.activation_format, d.group_size): d.name
    for d in map(load_design, reversed(PRESETS))
    if d.sums_are_integers
}
INTEGER_DESIGNS = list(ARITHMETIC.values())
"""Of presets with the same arithmetic, the first one."""
OTHERS = {
    "unsigned-kv8": DesignPoint("kv8", kv_format="uint8"),
    "fp8-kv": DesignPoint("fp8", pe="minifloat", weight_format="e2m1", activation_format="ocp_e4m3", kv_format="ocp_e5m2"),
    "saturating": DesignPoint("saturating", weight_format="int4", accumulator="saturate14"),
    "mxfp4": DesignPoint("mx", "minifloat", "e2m1", "e2m1", group_size=32, scaling="mx"),
    "nvfp4": DesignPoint("nv", "minifloat", "e2m1", "e2m1", group_size=16, scaling="nvfp4"),
    "bit-serial": DesignPoint("serial", pe="bit_serial", weight_format="int3", activation_format="int6"),
}


def windows(model: LanguageModel, held_out: bytes, tokens: int = TOKENS) -> Tensor:
    """Two sequences."""
    return model.encode(held_out[: 2 * tokens]).reshape(2, tokens)


SIZES = {"vocab_size": 256, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = SIZES | {"num_key_value_heads": 2}

KIVI = Kivi(group_size=4, window=8)
"""Small enough for its window to move within a few tokens."""


@pytest.mark.parametrize(
    ("design", "cache"),
    [*((design, "per_token") for design in (*INTEGER_DESIGNS, *OTHERS)), ("mixpe-w4a8", KIVI), ("fp8-kv", KIVI)],
)
def test_decode_is_the_prefill_bit_for_bit(tiny: LanguageModel, held_out: bytes, design: str, cache: str | KVRecipe) -> None:
    hardware = Hardware(OTHERS.get(design) or load_design(design), cache)
    tokens = windows(tiny, held_out, 13 if cache is KIVI else 6)
    with torch.inference_mode():
        at_once, by_token = (make(tiny.network, hardware)(tokens) for make in (prefill_logits, decode_logits))
    assert torch.equal(at_once, by_token)


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(**GROUPED, sliding_window=10),
        Gemma2Config(**GROUPED, head_dim=16, sliding_window=10),  # every other layer
        Llama4TextConfig(**GROUPED, head_dim=16, intermediate_size_mlp=96, num_local_experts=2, attention_chunk_size=10),
    ],
    ids=lambda config: config.model_type,
)
@pytest.mark.parametrize("cache", ["per_token", KIVI], ids=str)
def test_decode_is_the_prefill_where_queries_see_few_tokens(config: PretrainedConfig, cache: str | KVRecipe) -> None:
    """Beyond the sliding window or chunk, of which the quantized groups are no part."""
    torch.manual_seed(SEED)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    hardware, tokens = Hardware(load_design("mixpe-w4a8"), cache), torch.randint(256, (2, 27))
    with torch.inference_mode():
        at_once, by_token = (make(network, hardware)(tokens) for make in (prefill_logits, decode_logits))
    assert torch.equal(at_once, by_token)


def test_hardware_of_float32_has_torchs_logits() -> None:
    """An fp32 number is the sum of three bf16 numbers, and 3 x 3 products of a bf16 PE with fp32 sums are its product.

    G. Henry, P. Tang, A. Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
    computations", ARITH 2019. No PE takes fp32 itself; each of the nine goes through a bf16 design, attention's too.
    """
    design = DesignPoint("bf16", pe="multiplier", weight_format="bf16", activation_format="bf16", accumulator="fp32")

    def parts(operand: Tensor) -> list[Tensor]:
        found = []
        for _ in range(3):
            found.append(operand.bfloat16().float())
            operand = operand - found[-1]
        assert operand.abs().max() < 1e-38  # what is left of subnormal numbers
        return found

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        by_hardware = hardware.multiply(tokens.shape[1])
        pairs = enumerate(product(parts(activations), parts(weights)))
        products = [by_hardware(f"{place}.{name}", *pair) for place, pair in pairs]
        return torch.stack(sorted(products, key=lambda found: float(found.abs().max()))).sum(0)

    torch.manual_seed(SEED)
    network = LlamaForCausalLM(LlamaConfig(**SIZES)).eval()
    hardware, tokens = Hardware(design), torch.randint(256, (2, 24))
    with torch.inference_mode():
        expected = float_logits(network)(tokens)
        with products_by(network, multiply):
            found = network(tokens, use_cache=False).logits
    assert len(hardware.sums) == 9 * (2 * 9 + 1)
    assert (found - expected).abs().max() < 2e-6 * expected.abs().max()


def test_overflows_are_counted_by_product(tiny: LanguageModel, held_out: bytes) -> None:
    design = DesignPoint("narrow", weight_format="int4", accumulator="saturate12")
    narrow, wide = Hardware(design), Hardware(replace(design, accumulator="exact"))
    with torch.inference_mode():
        for hardware in (narrow, wide):
            prefill_logits(tiny.network, hardware)(windows(tiny, held_out))
    name = "model.layers.0.mlp.down_proj"
    assert narrow.sums[name].count == wide.sums[name].count == 2 * TOKENS * 256 * 11  # 704 inputs in groups of 64
    assert narrow.sums[name].overflows > 0
    assert not any(sums.overflows for sums in wide.sums.values())
    assert len(narrow.sums) == 5 * 9 + 1


def test_calibration_reaches_every_layer_and_leaves_codes_of_the_recipe(tiny: LanguageModel, held_out: bytes) -> None:
    hardware, seen = Hardware(load_design("mixpe-w4a8")), []

    def recipe(weights: np.ndarray, activations: np.ndarray, scheme: Scheme) -> QuantizedLayer:
        seen.append((weights.shape, activations.shape))
        return RECIPES["nearest_mse"](weights, activations, scheme)

    done: list[int] = []
    hardware.calibrate(tiny.network, windows(tiny, held_out), recipe, done.append)
    assert len(seen) == 5 * 7 + 1
    assert all(activations == (2 * TOKENS, weights[0]) for weights, activations in seen)
    assert done[-1] == 5 * 9 + 1
    assert not hardware.sums


def test_calibration_needs_no_logits(tiny: LanguageModel, held_out: bytes) -> None:
    """Those of 8192 tokens take gigabytes; the layer that makes them is calibrated all the same, on all tokens."""
    calls, layers = [], []

    def recipe(weights: np.ndarray, activations: np.ndarray, scheme: Scheme) -> QuantizedLayer:
        layers.append(RECIPES["nearest_mse"](weights, activations, scheme))
        return layers[-1]

    hardware, hook = Hardware(load_design("mixpe-w4a8")), tiny.network.lm_head.register_forward_hook(lambda *_: calls.append(1))
    with hook:
        hardware.calibrate(tiny.network, windows(tiny, held_out), recipe, lambda _: None)
        assert not calls
        activations = torch.randn(1, 3, 256, generator=torch.Generator().manual_seed(SEED))
        found = hardware.multiply(3)("lm_head", activations, tiny.network.lm_head.weight.detach().T[None])
    assert np.array_equal(found[0].numpy(), layers[-1].product(activations[0].numpy(), SCHEMES["int8_token"]))


def test_weights_that_the_pe_does_not_take(tiny: LanguageModel) -> None:
    weights = tiny.network.lm_head.weight.detach().numpy().T
    floats = QuantizedLayer.of(quantize(weights, SCHEMES["mxfp4"], axis=0))
    with pytest.raises(InputError, match="weights of lm_head are in a format that the PE takes: "):
        product_by(floats, tiny)
    wider = QuantizedLayer.of(quantize(weights, SCHEMES["uint4_g128"], axis=0))
    with pytest.raises(InputError, match="weights of lm_head are in groups of 128, and group_size of the design is 64"):
        product_by(wider, tiny)


def product_by(layer: QuantizedLayer, model: LanguageModel) -> Tensor:
    """A token's logits by a layer that is stored for them."""
    hardware = Hardware(load_design("mixpe-w4a8"), stored={"lm_head": layer})
    return hardware.multiply(1)("lm_head", torch.ones(1, 1, 256), model.network.lm_head.weight.detach().T[None])


def test_stored_codes_are_what_is_multiplied(tiny: LanguageModel) -> None:
    layer = RECIPES["gptq"](
        tiny.network.lm_head.weight.detach().numpy().T, np.eye(256, dtype=np.float32), load_design("mixpe-w4a8").weight_scheme
    )
    expected = layer.product(np.ones((1, 256), np.float32), SCHEMES["int8_token"])
    assert np.array_equal(product_by(layer, tiny)[0].numpy(), expected)


def test_nothing_is_kept_of_a_model_that_is_not_held(tiny: LanguageModel, held_out: bytes) -> None:
    """The same logits, and no weights or codes that would add up to all of them."""
    tokens, found = windows(tiny, held_out, 4), []
    for holds in (True, False):
        hardware = Hardware(load_design("mixpe-w4a8"), holds=holds)
        with torch.inference_mode():
            found.append(prefill_logits(tiny.network, hardware)(tokens))
        assert len(hardware._met) == (36 if holds else 0)
    assert torch.equal(*found)
