"""Other architectures than the embedded model's: computed whole and alike, or refused in one sentence."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    MistralConfig,
    MixtralConfig,
    OPTConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen2Config,
)

from sim.errors import InputError
from workloads.accuracy import bits_per_byte
from workloads.checkpoint import load_model
from workloads.products import float_multiply, products_by
from workloads.tracing import trace

COMMON = {
    "vocab_size": 256,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA_LIKE = COMMON | {"intermediate_size": 128, "num_key_value_heads": 2}

UNDERSTOOD: dict[str, tuple[PretrainedConfig, int]] = {
    "qwen2": (Qwen2Config(**LLAMA_LIKE), 9),
    "mistral": (MistralConfig(**LLAMA_LIKE, sliding_window=16), 9),
    "phi3": (Phi3Config(**LLAMA_LIKE), 6),  # q, k, v in one matrix; gate and up in one
    "opt": (OPTConfig(**COMMON, ffn_dim=128, word_embed_proj_dim=64), 8),
    "gpt_neox": (GPTNeoXConfig(**COMMON, intermediate_size=128), 6),
}
"""A configuration and its matrix products per layer."""

REFUSED: dict[str, tuple[PretrainedConfig, str]] = {
    "gpt2": (GPT2Config(vocab_size=256, n_embd=64, n_layer=2, n_head=4, n_positions=128), "in a Conv1D"),
    "mixtral": (MixtralConfig(**LLAMA_LIKE, num_local_experts=2), "in a MixtralTopKRouter"),
    "falcon": (FalconConfig(**COMMON), "computes attention by itself"),
}


def saved(folder: Path, config: PretrainedConfig) -> str:
    torch.manual_seed(20261122)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_products_are_all_of_the_model(tmp_path: Path, name: str) -> None:
    config, per_layer = UNDERSTOOD[name]
    model = load_model(saved(tmp_path, config))
    tokens = torch.arange(80) * 37 % 256
    for phase in ("prefill", "decode"):
        assert len(trace(model, tokens, phase, 2, 40)) == 2 * per_layer + 1  # type: ignore[arg-type]
    with torch.inference_mode():
        expected = model.network(tokens[None]).logits
        with products_by(model.network, float_multiply):
            found = model.network(tokens[None]).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_seen_in_part_is_refused(tmp_path: Path, name: str) -> None:
    config, reason = REFUSED[name]
    with pytest.raises(InputError, match=reason):
        load_model(saved(tmp_path, config))


def test_attention_that_is_more_than_softmax_is_refused(tmp_path: Path) -> None:
    model = load_model(saved(tmp_path, Gemma2Config(**LLAMA_LIKE, head_dim=16)))
    with pytest.raises(InputError, match="uses softcap, which is not simulated"):
        bits_per_byte(model, b"some text")
