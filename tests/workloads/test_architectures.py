"""Networks of many architectures, randomly initialised: seen whole, and computed as torch computes them."""

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    BertConfig,
    BloomConfig,
    FalconConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    Llama4TextConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    MptConfig,
    OPTConfig,
    Phi3Config,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    ViTConfig,
)
from transformers.pytorch_utils import Conv1D

from sim.design import load_design
from sim.operators import Product
from workloads.accuracy import judge
from workloads.checkpoint import load_model
from workloads.hardware import Hardware
from workloads.products import float_multiply, products_by
from workloads.recorder import Recorder
from workloads.tracing import trace_model

SEED, VOCABULARY, HIDDEN, HEADS, WIDE = 20261122, 256, 32, 4, 48
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2 = {"vocab_size": VOCABULARY, "n_embd": HIDDEN, "n_layer": 2, "n_head": HEADS, "n_positions": 64}
FEED_FORWARD = COMMON | {"intermediate_size": WIDE}
GROUPED = FEED_FORWARD | {"num_key_value_heads": 2}
IMAGE = {k: FEED_FORWARD[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")}

CAUSAL: dict[str, tuple[PretrainedConfig, int]] = {
    "llama": (LlamaConfig(**GROUPED), 9),
    "mistral": (MistralConfig(**GROUPED, sliding_window=6), 9),
    "qwen2": (Qwen2Config(**GROUPED), 9),
    "gemma2": (Gemma2Config(**GROUPED, head_dim=8, sliding_window=6), 9),
    "phi3": (Phi3Config(**GROUPED), 6),  # q, k, v in one matrix; gate and up in one
    "opt": (OPTConfig(**COMMON, ffn_dim=WIDE, word_embed_proj_dim=HIDDEN), 8),
    "gpt2": (GPT2Config(**GPT2, bos_token_id=1, eos_token_id=2), 6),
    "gpt_neox": (GPTNeoXConfig(**FEED_FORWARD), 6),
    "falcon": (FalconConfig(**COMMON), 6),
    "bloom": (BloomConfig(vocab_size=VOCABULARY, hidden_size=HIDDEN, n_layer=2, n_head=HEADS, seq_length=64), 6),
    "mpt": (MptConfig(vocab_size=VOCABULARY, d_model=HIDDEN, n_layers=2, n_heads=HEADS, max_seq_len=64), 6),
    "mixtral": (MixtralConfig(**GROUPED, num_local_experts=4), 7),  # and two for each expert at work
}
"""Configurations of language models, and their matrix products per layer."""

ENCODERS: dict[str, tuple[PretrainedConfig, int]] = {
    "bert": (BertConfig(**FEED_FORWARD), 8),
    "vit": (ViTConfig(**IMAGE, image_size=16, patch_size=4, num_labels=5), 8),
}
EVERY = CAUSAL | ENCODERS
LLAMA4 = Llama4TextConfig(**GROUPED, head_dim=8, intermediate_size_mlp=WIDE, num_local_experts=4)
"""Of its operations, those on complex numbers are not understood."""
CONFIGS = {name: config for name, (config, _) in EVERY.items()} | {"llama4": LLAMA4}
KINDS: dict[str, Any] = {"bert": AutoModelForMaskedLM, "vit": AutoModelForImageClassification}
BATCH, TOKENS = 2, 9


@lru_cache(maxsize=len(CONFIGS))
def network(name: str) -> PreTrainedModel:
    torch.manual_seed(SEED)
    kind = KINDS.get(name, AutoModelForCausalLM)
    model: PreTrainedModel = kind.from_config(copy.deepcopy(CONFIGS[name]), attn_implementation="eager").eval()
    return model


def arguments(name: str) -> dict[str, Any]:
    if name == "vit":
        return {"pixel_values": torch.randn(BATCH, 3, 16, 16, generator=torch.Generator().manual_seed(SEED))}
    return {"input_ids": torch.arange(BATCH * TOKENS).reshape(BATCH, TOKENS) * 37 % VOCABULARY}


def recorded(model: nn.Module, given: dict[str, Any], keep_operands: bool = False) -> tuple[Recorder, list[Product]]:
    recorder = Recorder(model, keep_operands)
    with recorder.watching():
        recorder.sources(model(**given).values())
    return recorder, [operator for operator in recorder.operators() if isinstance(operator, Product)]


def experts_are(products: list[Product]) -> tuple[list[Product], int]:
    """Products of experts depend on numbers: which are at work. The other products, and the experts' MACs."""
    experts = [product for product in products if ".experts." in product.name]
    return [product for product in products if product not in experts], sum(product.macs for product in experts)


def without_inputs(products: list[Product]) -> list[tuple[str, str, int, int, int, int]]:
    return [(p.name, p.kind, p.m, p.k, p.n, p.count) for p in products]


@pytest.mark.parametrize("name", EVERY)
def test_multiply_accumulates_are_those_that_torch_counts(name: str) -> None:
    model = network(name)
    recorder, products = recorded(model, arguments(name))
    assert not recorder.unknown
    rest, experts = experts_are(products)
    before, after = {"vit": (1, 1), "bert": (0, 2)}.get(name, (0, 1))
    assert len(rest) == 2 * EVERY[name][1] + before + after
    if name == "mixtral":  # torch's counter does not know its products of experts; gate and up are one
        assert experts == 2 * BATCH * TOKENS * 2 * 3 * HIDDEN * WIDE
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**arguments(name))
    assert 2 * sum(product.macs for product in rest) == counter.get_total_flops()


@pytest.mark.parametrize("name", EVERY)
def test_products_replaced_by_themselves_leave_the_result(name: str) -> None:
    model, given = network(name), arguments(name)
    with torch.no_grad():
        expected = model(**given).logits
    with torch.inference_mode(), products_by(model, float_multiply):
        found = model(**given).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_operands_multiply_to_what_their_modules_return(name: str) -> None:
    """Every module with a weight matrix, GPT-2's transposed ones and the convolution of images too."""
    model, given, outputs = network(name), arguments(name), {}
    hooks = [
        module.register_forward_hook(lambda module, _, y, place=place: outputs.update({place: (module, y.clone())}))
        for place, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D | nn.Conv2d)
    ]
    recorder, _ = recorded(model, given, keep_operands=True)
    for hook in hooks:
        hook.remove()
    assert outputs
    operators = recorder.operators()
    for place, (a, w) in recorder.operands.items():
        operator = operators[place]
        assert isinstance(operator, Product)
        assert (a.shape, w.shape) == ((operator.count, operator.m, operator.k), (operator.count, operator.k, operator.n))
        if operator.name in outputs:
            module, y = outputs.pop(operator.name)
            y = y.flatten(2).mT if isinstance(module, nn.Conv2d) else y
            y = y if module.bias is None else y - module.bias
            torch.testing.assert_close(torch.from_numpy(a @ w).view(y.shape), y, rtol=0, atol=1e-5)
    assert not outputs


@pytest.mark.parametrize("name", EVERY)
def test_sizes_alone_give_the_same_products(name: str) -> None:
    real, experts = experts_are(recorded(network(name), arguments(name))[1])
    given = {key: value.to("meta") for key, value in arguments(name).items()}
    recorder, products = recorded(copy.deepcopy(network(name)).to("meta"), given)
    sizes, experts_of_sizes = experts_are(products)
    assert without_inputs(sizes) == without_inputs(real)
    assert experts_of_sizes == experts
    assert not recorder.unknown


@pytest.mark.parametrize("name", [name for name in EVERY if name != "gemma2"])  # transformers has no fused attention of it
def test_fused_attention_is_two_products_and_a_softmax(name: str) -> None:
    expected, given = without_inputs(experts_are(recorded(network(name), arguments(name))[1])[0]), arguments(name)
    fused = copy.deepcopy(network(name))
    fused.set_attn_implementation("sdpa")
    recorder, products = recorded(fused, given)
    assert without_inputs(experts_are(products)[0]) == expected
    softmax = [operator for operator in recorder.operators() if operator.name.endswith(".softmax")]
    assert [operator.pieces for operator in softmax] == [p.count for p in products if p.kind == "scores"]
    with torch.inference_mode(), products_by(fused, float_multiply):
        torch.testing.assert_close(fused(**given).logits, network(name)(**given).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CAUSAL)
def test_a_step_with_a_cache_has_the_products_of_a_prefill(name: str, tmp_path: Path) -> None:
    """One row for each sequence in place of nine; the mask of Mistral and Gemma 2 leaves 6 of 9 positions in the cache."""
    network(name).save_pretrained(tmp_path)
    model = load_model(str(tmp_path))
    tokens = arguments(name)["input_ids"].flatten()
    prefill, step = (trace_model(model, tokens, phase, BATCH, TOKENS) for phase in ("prefill", "decode"))  # type: ignore[arg-type]
    pairs = zip(experts_are([*prefill.products])[0], experts_are([*step.products])[0], strict=True)
    for whole, one in pairs:
        assert (one.name, one.kind, one.count) == (whole.name, whole.kind, whole.count)
        assert one.m * TOKENS == whole.m or (whole.m == one.m == BATCH and one.name == "lm_head")
        window = 6 if name == "mistral" or (name == "gemma2" and ".layers.0." in one.name) else TOKENS
        assert (one.k, one.n) == (window if one.kind == "values" else whole.k, window if one.kind == "scores" else whole.n)
    assert prefill.parameters == sum(parameter.numel() for parameter in network(name).parameters())
    assert prefill.not_understood == step.not_understood == {}


@pytest.mark.parametrize("name", ["gpt2", "falcon", "mixtral", "gemma2"])
def test_weights_of_any_module_are_computed_by_the_hardware(name: str, tmp_path: Path) -> None:
    """Quantization to eight bits moves the loss, and by little: experts and transposed weights have their own codes."""
    network(name).save_pretrained(tmp_path)
    model = load_model(str(tmp_path))
    (judged,) = judge(model, model.encode(bytes(range(32, 64))), Hardware(load_design("mixpe-study-int8")))
    assert judged.float_nats != judged.hardware_nats
    assert abs(judged.float_nats - judged.hardware_nats) / judged.tokens < 0.01
    assert "lm_head" in judged.sums
    assert len(judged.sums) >= 2 * CAUSAL[name][1] + 1 + (4 if name == "mixtral" else 0)
