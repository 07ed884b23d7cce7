"""A tiny network of linear layers whose weights are given in any packing, in a folder in Hugging Face layout."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

SIZES = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
LAYER = "model.layers.0.mlp.down_proj"
K, N = 96, 64

Make = Callable[[Mapping[str, Tensor], Mapping[str, Any]], Path]


@pytest.fixture
def packed_folder(tmp_path: Path) -> Make:
    """From the tensors of ``LAYER``, ``[K, N]``, and a quantization_config to the folder; all other layers are floats."""
    torch.manual_seed(20261128)
    network = AutoModelForCausalLM.from_config(LlamaConfig(**SIZES))

    def make(tensors: Mapping[str, Tensor], quantization: Mapping[str, Any]) -> Path:
        network.save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text()) | {"quantization_config": dict(quantization)}
        (tmp_path / "config.json").write_text(json.dumps(config))
        floats = {name: t.contiguous() for name, t in network.state_dict().items() if not name.startswith(f"{LAYER}.")}
        save_file(floats | {f"{LAYER}.{name}": t for name, t in tensors.items()}, tmp_path / "model.safetensors")
        return tmp_path

    return make
