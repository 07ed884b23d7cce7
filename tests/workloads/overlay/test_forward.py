"""Networks on an overlay: the definition written out anew without torch, steps against a prefill, float logits, refusals."""

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
from sim.formats import FORMATS
from sim.kernels.product import matrix_product
from sim.overlay import special
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme, quantize
from workloads.accuracy import float_logits
from workloads.checkpoint import LanguageModel
from workloads.overlay.decoder import FAMILIES, decoder_of
from workloads.overlay.forward import overlay_logits, rotary_tables
from workloads.overlay.hardware import PRODUCTS, OverlayHardware, product_of
from workloads.recipes import RECIPES

SEED = 20261128
DESIGN = OverlayDesign(
    "test",
    sparse=False,
    kept=16,
    group_size=16,
    special_lanes=4,
    weight_format="int8",
    formats=(("up", "int4"), ("head", "int5"), ("gate", "e2m1")),
)
SIZES = {"vocab_size": 48, "max_position_embeddings": 40, "num_attention_heads": 4, "hidden_size": 32, "num_hidden_layers": 2}
GROUPED = SIZES | {"intermediate_size": 44, "num_key_value_heads": 2}
GPT2 = {"vocab_size": 48, "n_positions": 40, "n_head": 4, "n_embd": 32, "n_layer": 2}
CONFIGS: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**GROUPED, attention_bias=True, mlp_bias=True),
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


def half(results: np.ndarray) -> Halves:
    return results.astype(np.float16)


class Definition:
    """The docstring of :mod:`workloads.overlay.forward`, for one sequence, on numpy arrays."""

    def __init__(self, network: PreTrainedModel) -> None:
        self.decoder: Decoder = decoder_of(network.config)
        self.own = {name: half(tensor.detach().numpy()) for name, tensor in network.state_dict().items()}
        self.angles = rotary_tables(network, self.decoder.context) if self.decoder.rotary else None
        self.lanes = DESIGN.special_lanes

    def at(self, *names: str) -> Halves | None:
        return next((self.own[name] for name in names if name in self.own), None)

    def linear(self, x: Halves, product: str, weights: Halves, bias: Halves | None) -> Halves:
        """Weights ``[k, n]``."""
        scheme = DESIGN.schemes[DESIGN.format_of(product)]
        y = matrix_product(special.quantize(x), quantize(weights, scheme, axis=0))
        return half(y if bias is None else y + bias.astype(np.float32))

    def norm(self, x: Halves, name: str) -> Halves:
        d, weight, bias = self.decoder, self.own[f"{name}.weight"], self.at(f"{name}.bias")
        if d.norm == "rms_norm":
            return special.rms_norm(x, weight, d.epsilon, self.lanes)
        assert bias is not None
        return special.layer_norm(x, weight, bias, d.epsilon, self.lanes)

    def attention(self, q: Halves, k: Halves, v: Halves) -> Halves:
        """``[tokens, heads, head_dim]`` of each."""
        tokens, group = len(q), self.decoder.queries
        seen = np.tri(tokens, dtype=np.bool_)
        out = np.empty_like(q)
        for head in range(q.shape[1]):
            keys, values = (special.quantize(x[:, head // group]) for x in (k, v))
            scores = matrix_product(special.quantize(q[:, head]), self.weights(keys.codes.T, keys.scales[0].T))
            scores = half(np.where(seen, scores, 0))
            p = special.softmax(scores, self.decoder.head_dim**-0.5, self.lanes, seen)
            codes, power = special.quantize_folded(p, values.scales[0][:, 0].astype(np.float16))
            out[:, head] = half(matrix_product(codes, self.weights(values.codes, np.ones((1, 1), np.float16))) * power)
        return out.reshape(tokens, -1)

    @staticmethod
    def weights(codes: np.ndarray, scales: np.ndarray) -> QuantizedTensor:
        """A cached operand ``[k, n]``, its scales the same in every group of k."""
        scheme = Scheme(FORMATS["int8"], (ScaleLevel("group", "fp16"),), group_size=DESIGN.group_size)
        groups = -(-len(codes) // DESIGN.group_size)
        return QuantizedTensor(codes, scheme, 0, (np.broadcast_to(scales, (groups, codes.shape[1])),))

    def turned(self, x: Halves) -> Halves:
        if self.angles is None:
            return x
        cos, sin = (np.tile(table[: len(x), None], 2) for table in self.angles)
        return special.rotary(x, cos, sin)

    def heads(self, x: Halves) -> Halves:
        return x.reshape(len(x), -1, self.decoder.head_dim)

    def act(self, x: Halves) -> Halves:
        return special.OPERATIONS[self.decoder.activation].function(x)


def of_llama(d: Definition, tokens: np.ndarray) -> Halves:
    x = d.own["model.embed_tokens.weight"][tokens]

    def linear(x: Halves, name: str, product: str) -> Halves:
        return d.linear(x, product, d.own[f"{name}.weight"].T, d.at(f"{name}.bias"))

    for i in range(d.decoder.layers):
        at = f"model.layers.{i}"
        h = d.norm(x, f"{at}.input_layernorm")
        q, k, v = (d.heads(linear(h, f"{at}.self_attn.{n[0]}_proj", n)) for n in ("query", "key", "value"))
        x = special.add(x, linear(d.attention(d.turned(q), d.turned(k), v), f"{at}.self_attn.o_proj", "output"))
        h = d.norm(x, f"{at}.post_attention_layernorm")
        gate, up = (linear(h, f"{at}.mlp.{n}_proj", n) for n in ("gate", "up"))
        x = special.add(x, linear(special.multiply(d.act(gate), up), f"{at}.mlp.down_proj", "down"))
    return linear(d.norm(x, "model.norm"), "lm_head", "head")


def of_gpt2(d: Definition, tokens: np.ndarray) -> Halves:
    x = special.add(d.own["transformer.wte.weight"][tokens], d.own["transformer.wpe.weight"][: len(tokens)])

    def linear(x: Halves, name: str, product: str) -> Halves:
        return d.linear(x, product, d.own[f"{name}.weight"], d.own[f"{name}.bias"])

    for i in range(d.decoder.layers):
        at = f"transformer.h.{i}"
        q, k, v = map(d.heads, np.split(linear(d.norm(x, f"{at}.ln_1"), f"{at}.attn.c_attn", "query"), 3, axis=1))
        x = special.add(x, linear(d.attention(q, k, v), f"{at}.attn.c_proj", "output"))
        x = special.add(x, linear(d.act(linear(d.norm(x, f"{at}.ln_2"), f"{at}.mlp.c_fc", "up")), f"{at}.mlp.c_proj", "down"))
    return d.linear(d.norm(x, "transformer.ln_f"), "head", d.own["lm_head.weight"].T, None)


def of_opt(d: Definition, tokens: np.ndarray) -> Halves:
    at = "model.decoder"
    places = d.own[f"{at}.embed_positions.weight"][2 : 2 + len(tokens)]
    x = special.add(d.own[f"{at}.embed_tokens.weight"][tokens], places)

    def linear(x: Halves, name: str, product: str) -> Halves:
        return d.linear(x, product, d.own[f"{name}.weight"].T, d.own[f"{name}.bias"])

    for i in range(d.decoder.layers):
        at = f"model.decoder.layers.{i}"
        h = d.norm(x, f"{at}.self_attn_layer_norm")
        q, k, v = (d.heads(linear(h, f"{at}.self_attn.{n[0]}_proj", n)) for n in ("query", "key", "value"))
        x = special.add(x, linear(d.attention(q, k, v), f"{at}.self_attn.out_proj", "output"))
        h = special.relu(linear(d.norm(x, f"{at}.final_layer_norm"), f"{at}.fc1", "up"))
        x = special.add(x, linear(h, f"{at}.fc2", "down"))
    return d.linear(d.norm(x, "model.decoder.final_layer_norm"), "head", d.own["lm_head.weight"].T, None)


WRITTEN_OUT: dict[str, Callable[[Definition, np.ndarray], Halves]] = {
    "llama": of_llama,
    "mistral": of_llama,
    "qwen2": of_llama,
    "gpt2": of_gpt2,
    "opt": of_opt,
}


def test_logits_are_those_of_the_definition(network: PreTrainedModel) -> None:
    tokens = tokens_of()
    with torch.inference_mode():
        found = overlay_logits(network, OverlayHardware(DESIGN))(tokens)
    for row, logits in zip(tokens.numpy(), found, strict=True):
        expected = WRITTEN_OUT[network.config.model_type](Definition(network), row)
        assert expected.astype(np.float32).tobytes() == logits.numpy().tobytes()


def test_decode_is_the_prefill_bit_for_bit(network: PreTrainedModel) -> None:
    with torch.inference_mode():
        at_once, by_token = (overlay_logits(network, OverlayHardware(DESIGN), p)(tokens_of()) for p in ("prefill", "decode"))
    assert torch.equal(at_once, by_token)


def test_logits_are_near_those_of_float(network: PreTrainedModel) -> None:
    """With weights of 8 bits; what remains is int8 activations, 8 bits of the cache, and fp16."""
    fine = OverlayDesign("fine", sparse=False, kept=16, group_size=16, weight_format="int8")
    with torch.inference_mode():
        found, expected = overlay_logits(network, OverlayHardware(fine))(tokens_of()), float_logits(network)(tokens_of())
    off = (found - expected).std() / expected.std()
    print(f"{network.config.model_type}: {off:.4f} of the logits' deviation")
    assert off < 0.03


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
    layer += [(32, 44, "e2m1"), (32, 44, "int4"), (44, 32, "int8")]
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
    overlay_logits(network, OverlayHardware(DESIGN))(tokens_of(1))


def refused_operation() -> None:
    network = network_of("llama")
    network.model.layers[1].mlp.act_fn = torch.nn.Sigmoid()
    overlay_logits(network, OverlayHardware(DESIGN))(tokens_of(1))


def refused_recipe() -> None:
    smooth = OverlayHardware(DESIGN, recipe=RECIPES["smoothquant"])
    overlay_logits(network_of("llama"), smooth)(tokens_of(1))


def refused_stored() -> None:
    layer = RECIPES["nearest"](np.ones((32, 44), np.float32), np.ones((1, 32), np.float32), DESIGN.schemes["int8"])
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
