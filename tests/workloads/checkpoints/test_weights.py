"""Networks of many architectures: the weights that transformers itself loads, held whole or one module at a time."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, GPTJConfig

import workloads.checkpoints.weights
from sim.errors import InputError
from tests.workloads.test_architectures import BATCH, CAUSAL, TOKENS, network
from workloads.checkpoint import LanguageModel, load_model
from workloads.products import products_by
from workloads.tracing import trace_model

NAMES = [*CAUSAL, "llama4"]
"""Llama 4 asks for the device of a weight before the module that has it runs."""


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads.checkpoints.weights, "HELD", 0)


def stored(name: str, folder: Path) -> str:
    network(name).save_pretrained(folder, max_shard_size="20KB")
    return str(folder)


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_those_that_transformers_loads(name: str, tmp_path: Path) -> None:
    folder = stored(name, tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ours = load_model(folder).network
    for (name, tensor), (own, found) in zip(
        [*theirs.named_parameters(), *theirs.named_buffers()], [*ours.named_parameters(), *ours.named_buffers()], strict=True
    ):
        assert name == own
        assert torch.equal(tensor, found)
    tokens = torch.arange(9)[None]
    with torch.no_grad():
        assert torch.equal(ours(tokens).logits, theirs(tokens).logits)


MASK = torch.ones(1, 1, 64, 64, dtype=torch.bool).tril()
EXTRA: dict[str, tuple[str, str, torch.Tensor]] = {
    "a bias": ("qwen2", "model.layers.0.self_attn.o_proj.bias", torch.ones(32)),
    "a layer more": ("qwen2", "model.layers.2.mlp.up_proj.weight", torch.ones(48, 32)),
    "an expert more": ("mixtral", "model.layers.2.block_sparse_moe.experts.0.w1.weight", torch.ones(48, 32)),
    "angles of each layer": ("llama", "model.layers.1.self_attn.rotary_emb.inv_freq", torch.ones(4)),
    "a mask": ("gpt2", "h.1.attn.bias", MASK),
    "a mask of another name": ("gpt_neox", "gpt_neox.layers.1.attention.bias", MASK),
    "the bias of a head": ("opt", "lm_head.bias", torch.ones(256)),
}
"""Tensors that no parameter is made of."""


@pytest.mark.parametrize("case", EXTRA)
def test_tensors_without_a_place_are_those_that_transformers_does_not_expect(case: str, tmp_path: Path) -> None:
    name, extra, tensor = EXTRA[case]
    network(name).save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    save_file(load_file(path) | {extra: tensor}, path, metadata={"format": "pt"})
    _, found = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    if found["unexpected_keys"]:
        with pytest.raises(InputError, match=f"^tensor '{extra}' in .* has no place in transformers' '{name}'"):
            load_model(str(tmp_path))
    else:
        load_model(str(tmp_path))
    assert bool(found["unexpected_keys"]) == (case not in {"angles of each layer", "a mask", "a mask of another name"})


def test_a_bias_of_zeros_and_masks_that_transformers_has_forgotten(tmp_path: Path) -> None:
    """AutoGPTQ stores a bias for every layer; GPT-J of 2021 has two buffers in each."""
    config = GPTJConfig(vocab_size=256, n_embd=32, n_layer=1, n_head=4, n_positions=64, rotary_dim=8)
    whole = AutoModelForCausalLM.from_config(config)
    whole.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    of_old = {"transformer.h.0.attn.bias": MASK, "transformer.h.0.attn.masked_bias": torch.tensor(-1e9)}
    of_old["transformer.h.0.attn.q_proj.bias"] = torch.zeros(32)
    save_file(load_file(path) | of_old, path, metadata={"format": "pt"})
    tokens = torch.arange(9)[None]
    with torch.no_grad():
        assert torch.equal(load_model(str(tmp_path)).network(tokens).logits, whole.eval()(tokens).logits)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("one_at_a_time")
def test_one_module_at_a_time_computes_the_same(name: str, tmp_path: Path) -> None:
    model, whole = load_model(stored(name, tmp_path)), network(name)
    tokens = torch.arange(9)[None]
    with torch.inference_mode():
        assert torch.equal(model.network(tokens).logits, whole(tokens).logits)
    assert all(parameter.is_meta for parameter in model.network.parameters())
    assert sum(p.numel() for p in model.network.parameters()) == sum(p.numel() for p in whole.parameters())


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("name", NAMES)
def test_traces_are_the_same(name: str, phase: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = stored(name, tmp_path)
    tokens = torch.arange(BATCH * TOKENS)
    held = trace_model(load_model(folder), tokens, phase, BATCH, TOKENS, keep_operands=True)  # type: ignore[arg-type]
    request.getfixturevalue("one_at_a_time")
    read = trace_model(load_model(folder), tokens, phase, BATCH, TOKENS, keep_operands=True)  # type: ignore[arg-type]
    assert read.operators == held.operators
    for one, other in zip(held.traced, read.traced, strict=True):
        assert one.shape == other.shape
        assert one.activations.tobytes() == other.activations.tobytes()
        assert one.weights.tobytes() == other.weights.tobytes()
        assert callable(other.kept) or other.kind != "linear" or ".experts." in other.name, "it would hold all weights"


@pytest.mark.usefixtures("one_at_a_time")
def test_a_few_modules_are_in_memory(tmp_path: Path) -> None:
    """Of all parameters that were read, only those of the module at work are there when the next one runs."""
    model = load_model(stored("llama", tmp_path))
    most = 0

    def count(module: nn.Module, args: object) -> None:
        nonlocal most
        del module, args
        most = max(most, sum(not parameter.is_meta for parameter in model.network.parameters()))

    for module in model.network.modules():
        module.register_forward_pre_hook(count)
    model.network(torch.arange(9)[None])
    assert most == 1


@pytest.mark.usefixtures("one_at_a_time")
def test_nobody_computes_with_the_weights_of_another_module(tmp_path: Path) -> None:
    """A network that brings numbers to where another module's weights are, when these are nowhere."""
    model = load_model(stored("llama", tmp_path))
    first, second = model.network.model.layers[0].mlp, model.network.model.layers[1].mlp
    second.register_forward_pre_hook(lambda _, given: (given[0].to(first.up_proj.weight),), prepend=True)
    with torch.no_grad(), pytest.raises(InputError, match="computed what 'model.layers.1.mlp.gate_proj' is given with them$"):
        model.network(torch.arange(9)[None])


@pytest.mark.usefixtures("one_at_a_time")
def test_weights_are_dropped_after_a_failure(tmp_path: Path) -> None:
    model = load_model(stored("llama", tmp_path))

    def fail(name: str, activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        del activations, weights
        raise ValueError(name)

    with pytest.raises(ValueError, match="q_proj"), products_by(model.network, fail):
        model.network(torch.arange(9)[None])
    assert all(parameter.is_meta for parameter in model.network.parameters())


@pytest.mark.usefixtures("one_at_a_time")
def test_weights_are_never_stale(tmp_path: Path) -> None:
    """What stands in the file when a module runs is what it computes with."""
    model, tokens = load_model(stored("qwen2", tmp_path)), torch.arange(9)[None]
    with torch.no_grad():
        before = model.network(tokens).logits
        for path in tmp_path.glob("*.safetensors"):
            save_file({name: 1.5 * tensor for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})
        after = model.network(tokens).logits
        assert not torch.equal(before, after)
        assert torch.equal(after, load_model(str(tmp_path)).network(tokens).logits)


def test_small_models_are_held(tiny: LanguageModel) -> None:
    assert not any(parameter.is_meta for parameter in tiny.network.parameters())
