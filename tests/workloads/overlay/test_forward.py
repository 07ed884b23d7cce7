"""Networks on an overlay: the definition without torch, steps against a prefill, float logits, refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from sim.errors import InputError
from sim.overlay import special
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.quantized import Scheme
from tests.sim.overlay.forward import forward
from workloads.accuracy import float_logits
from workloads.checkpoint import LanguageModel
from workloads.overlay.decoder import FAMILIES
from workloads.overlay.forward import OverlayNetwork, overlay_logits
from workloads.overlay.hardware import PRODUCTS, OverlayHardware, product_of
from workloads.overlay.parameters import parameters_of, rows_of
from workloads.recipes import RECIPES

SEED = 20261128
DESIGN = OverlayDesign(
    "test", units=2, vector_units=2, chain=2, sparse=False, kept=16, group_size=16, special_lanes=4, slot_kib=8,
    activation_buffer_kib=96, prefill_step=16, weight_format="int8",
    formats=(("up", "int4"), ("head", "int5"), ("down", "e2m1")),
)  # fmt: skip
HALVES = OverlayDesign(
    "halves", units=1, vector_units=2, chain=32, element="fp16_tree", sparse=False, kept=16, group_size=16, special_lanes=4,
    slot_kib=8, activation_buffer_kib=96, prefill_step=1, weight_format="fp16",
)  # fmt: skip
SIZES = {"vocab_size": 48, "max_position_embeddings": 40, "num_attention_heads": 4, "hidden_size": 32, "num_hidden_layers": 2}
GROUPED = SIZES | {"intermediate_size": 44, "num_key_value_heads": 2}
GPT2 = {"vocab_size": 48, "n_positions": 40, "n_head": 4, "n_embd": 32, "n_layer": 2}
CONFIGS: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**GROUPED | {"intermediate_size": 48}, attention_bias=True, mlp_bias=True),
    "mistral": MistralConfig(**GROUPED, head_dim=12, sliding_window=24, hidden_act="gelu_pytorch_tanh"),
    "qwen2": Qwen2Config(**GROUPED, tie_word_embeddings=True, hidden_act="gelu"),
    "gpt2": GPT2Config(**GPT2),
    "opt": OPTConfig(**SIZES, ffn_dim=44, word_embed_proj_dim=32),
}
TOKENS = 21

Halves = special.Halves


def network_of(family: str) -> PreTrainedModel:
    """Of random weights, with norms and biases that are not those of a new network."""
    torch.manual_seed(SEED)
    network = AutoModelForCausalLM.from_config(CONFIGS[family], dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape) * (0.2 if parameter.ndim == 1 else 0.05))
    return network


@pytest.fixture(params=FAMILIES)
def network(request: pytest.FixtureRequest) -> PreTrainedModel:
    return network_of(request.param)


def tokens_of(sequences: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(SEED)
    return torch.randint(48, (sequences, TOKENS), generator=generator)


@pytest.mark.parametrize("design", [DESIGN, HALVES], ids=lambda own: own.name)
def test_logits_are_those_of_the_definition(network: PreTrainedModel, design: OverlayDesign) -> None:
    """As it is written out in numpy, each operation called by its name."""
    tokens, hardware = tokens_of(), OverlayHardware(design)
    on_overlay = OverlayNetwork(network, hardware)
    parameters = parameters_of(on_overlay)
    with torch.inference_mode():
        found = overlay_logits(network, hardware)(tokens)
    for sequence, logits in zip(tokens, found, strict=True):
        expected = forward(on_overlay.decoder, design, parameters, rows_of(on_overlay, sequence, 0))
        assert expected.astype(np.float32).tobytes() == logits.numpy().tobytes()


@pytest.mark.parametrize("design", [DESIGN, HALVES], ids=lambda own: own.name)
def test_decode_is_the_prefill_bit_for_bit(network: PreTrainedModel, design: OverlayDesign) -> None:
    with torch.inference_mode():
        at_once, by_token = (overlay_logits(network, OverlayHardware(design), p)(tokens_of()) for p in ("prefill", "decode"))
    assert torch.equal(at_once, by_token)


def test_logits_are_near_those_of_float(network: PreTrainedModel) -> None:
    """With weights of 8 bits; what remains is int8 activations, 8 bits of the cache, and fp16."""
    fine = OverlayDesign("fine", sparse=False, kept=16, group_size=16, weight_format="int8")
    with torch.inference_mode():
        found, expected = overlay_logits(network, OverlayHardware(fine))(tokens_of()), float_logits(network)(tokens_of())
    off = (found - expected).std() / expected.std()
    print(f"{network.config.model_type}: {off:.4f} of the logits' deviation")
    assert off < 0.03
    with torch.inference_mode():
        halves = overlay_logits(network, OverlayHardware(HALVES))(tokens_of())
    assert (halves - expected).std() / expected.std() < 0.003, "of fp16 numbers"


def test_the_embedded_model(tiny: LanguageModel, held_out: bytes) -> None:
    """Its network stays as it was, float logits included."""
    tokens = tiny.encode(held_out[:48])[None]
    hardware = OverlayHardware(OverlayDesign("o", sparse=False, kept=16))
    with torch.inference_mode():
        before = float_logits(tiny.network)(tokens)
        found = overlay_logits(tiny.network, hardware)(tokens)
        assert torch.equal(before, float_logits(tiny.network)(tokens))
    agreed = (found.argmax(-1) == before.argmax(-1)).float().mean()
    print(f"{agreed:.3f} of the likeliest tokens are the same")
    assert agreed > 0.8


def test_weights_are_of_the_format_of_their_product() -> None:
    network, hardware = network_of("llama"), OverlayHardware(DESIGN)
    seen: list[tuple[int, int, str]] = []

    def recipe(weights: Any, activations: Any, scheme: Scheme) -> Any:
        seen.append((*weights.shape, scheme.format.name))
        return RECIPES["nearest"](weights, activations, scheme)

    hardware.recipe = recipe
    with torch.inference_mode():
        overlay_logits(network, hardware)(tokens_of(1)[:, :3])
    layer = [(32, 32, "int8"), (32, 16, "int8"), (32, 16, "int8"), (32, 32, "int8")]
    layer += [(32, 48, "int8"), (32, 48, "int4"), (48, 32, "e2m1")]
    assert seen == [*layer, *layer, (32, 48, "int5")]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_sums_are_in_the_order_of_the_designs_lanes(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seldom does the order of a short row change an fp16 number, so lanes are looked at themselves."""
    lanes: dict[str, set[Any]] = {}

    def told(name: str, function: Callable[..., Halves], place: int) -> Callable[..., Halves]:
        def operation(*operands: Any) -> Halves:
            lanes.setdefault(name, set()).add(operands[place])
            return function(*operands)

        return operation

    for name, place in (("softmax", 2), ("rms_norm", 3), ("layer_norm", 4)):
        monkeypatch.setattr(special, name, told(name, getattr(special, name), place))
    with torch.inference_mode():
        overlay_logits(network_of(family), OverlayHardware(DESIGN))(tokens_of(1))
    assert lanes == {"softmax": {4}, "rms_norm" if family == "llama" else "layer_norm": {4}}


def test_products_have_the_decoders_names() -> None:
    assert product_of("model.layers.3.self_attn.k_proj") == "key"
    assert product_of("transformer.h.0.mlp.c_proj") == "down"
    assert product_of("transformer.h.0.attn.c_proj") == "output"
    assert set(PRODUCTS.values()) == set(Decoder("d", 1, 4, 1, 1, 4, 4, 4, 4).products)
    with pytest.raises(InputError, match="an overlay's decoder has no product of the module 'model.router'"):
        product_of("model.router")


def refused_tokens() -> None:
    overlay_logits(network_of("mistral"), OverlayHardware(DESIGN))(torch.zeros((1, 25), dtype=torch.long))


def refused_scale() -> None:
    config = GPT2Config(**GPT2, scale_attn_by_inverse_layer_idx=True)
    overlay_logits(AutoModelForCausalLM.from_config(config), OverlayHardware(DESIGN))


def refused_parameter() -> None:
    network = network_of("llama")
    network.model.norm.weight.data[0] = 7e4
    overlay_logits(network, OverlayHardware(DESIGN))


def refused_result() -> None:
    network = network_of("llama")
    network.model.layers[0].mlp.down_proj.weight.data.mul_(1e7).clamp_(-6e4, 6e4)
    network.model.layers[0].mlp.down_proj.bias.data.fill_(65504)
    overlay_logits(network, OverlayHardware(DESIGN))(tokens_of(1))


def refused_operation() -> None:
    network = network_of("llama")
    network.model.layers[1].mlp.act_fn = torch.nn.Sigmoid()
    overlay_logits(network, OverlayHardware(DESIGN))(tokens_of(1))


def refused_recipe() -> None:
    smooth = OverlayHardware(DESIGN, recipe=RECIPES["smoothquant"])
    overlay_logits(network_of("llama"), smooth)(tokens_of(1))


def refused_stored() -> None:
    layer = RECIPES["nearest"](np.ones((32, 48), np.float32), np.ones((1, 32), np.float32), DESIGN.schemes["int8"])
    hardware = OverlayHardware(DESIGN, stored={"model.layers.0.mlp.up_proj": layer})
    overlay_logits(network_of("llama"), hardware)(tokens_of(1))


REFUSED = {
    "tokens of a sequence on this overlay are at most 24, not 25": refused_tokens,
    "scores of transformer.h.1.attn are scaled by 0.35": refused_scale,
    "parameters on an overlay are fp16 numbers, at most 65504 in size, which is not so of model.norm.weight": refused_parameter,
    "results of model.layers.0.mlp.down_proj are fp16 numbers, at most 65504 in size": refused_result,
    "an overlay has no operation aten.sigmoid.default of torch.float16, which model.layers.1.mlp.act_fn": refused_operation,
    "up_proj on this overlay are int4 in groups of 16 with a scale in fp16, not int8 in groups of 16": refused_stored,
    "on an overlay are one tensor, without a boundary": refused_recipe,
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(message: str) -> None:
    with torch.inference_mode(), pytest.raises(InputError, match=message):
        REFUSED[message]()
