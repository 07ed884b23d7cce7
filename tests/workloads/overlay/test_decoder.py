"""Decoders from configurations, beside what torch traces of the same models."""

import json
from pathlib import Path

import pytest

from sim.errors import InputError
from workloads.overlay.decoder import FAMILIES, load_decoder
from workloads.shapes import shapes

MODELS = ("llama-2-7b", "tinyllama-1.1b", "llama-3-8b", "mistral-7b", "qwen2.5-7b", "gpt2-345m", "opt-6.7b")


@pytest.mark.parametrize("model", MODELS)
def test_products_are_those_of_the_trace(model: str) -> None:
    """GPT-2 has queries, keys and values in one product; a head may be as wide as the trace's or not be traced by name."""
    decoder = load_decoder(model)
    traced = shapes(model, "decode", 1, 64).products
    linear = sum(p.k * p.n * p.count for p in traced if p.kind == "linear")
    sizes = decoder.products
    assert linear == sum(k * n * (1 if name == "head" else decoder.layers) for name, (k, n) in sizes.items())
    scores = [p for p in traced if p.kind == "scores"]
    assert len(scores) == decoder.layers
    assert {(p.m, p.k, p.n, p.count) for p in scores} == {(decoder.queries, decoder.head_dim, 64, decoder.kv_heads)}


def test_every_family_has_a_model_here() -> None:
    from workloads.zoo import load_config

    assert {load_config(model).model_type for model in MODELS} == set(FAMILIES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gemma2"}, "an overlay runs decoders of the families llama, mistral, qwen2, gpt2, opt, not 'gemma2'"),
        ({"hidden_act": "tanh"}, "activation function of config on an overlay is silu, gelu"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}}, "rope_scaling of config"),
    ],
)
def test_what_is_not_known_is_refused(change: dict, message: str, tmp_path: Path) -> None:  # type: ignore[type-arg]
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1}
    config |= {"num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 32}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config | change))
    with pytest.raises(InputError, match=message):
        load_decoder(str(path))
