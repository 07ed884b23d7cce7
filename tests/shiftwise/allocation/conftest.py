"""A small model with weights: two layers, whose tokens are bytes."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

SIZES = {"vocab_size": 256, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def small_model(folder: Path, experts: int = 0) -> Path:
    """Random weights, some layers' larger than others'; a mixture of so many experts, if of any."""
    torch.manual_seed(20261128)
    sizes = SIZES | {"num_key_value_heads": 2, "max_position_embeddings": 512}
    if experts:
        network = MixtralForCausalLM(MixtralConfig(**sizes, num_local_experts=experts))
    else:
        network = LlamaForCausalLM(LlamaConfig(**sizes))
    with torch.no_grad():
        for place, parameter in enumerate(network.parameters()):
            parameter.mul_(1 + place % 5)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_model(tmp_path_factory.mktemp("small") / "model"))


@pytest.fixture(scope="session")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_model(tmp_path_factory.mktemp("mixture") / "model", experts=4))
