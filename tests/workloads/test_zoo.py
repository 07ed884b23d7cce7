"""Every bundled model: its parameters against the number published for it, its products against a formula by hand."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sim.errors import InputError
from workloads.embedded import MODELS
from workloads.shapes import shapes
from workloads.zoo import CONFIGS, SOURCES, load_config


@dataclass(frozen=True)
class Decoder:
    """A decoder as its paper states it; ``tables``, ``small`` are parameters outside matrices, in all and of a layer."""

    published: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    head_dim: int = 128
    matrices_of_ffn: int = 3
    experts: int = 1
    active: int = 1
    head: bool = True
    tables: int = 0
    small: int = 0
    last: int = 1
    router: int = 0

    @property
    def attention(self) -> int:
        return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)

    @property
    def feed_forward(self) -> int:
        return self.matrices_of_ffn * self.hidden * self.ffn

    @property
    def parameters(self) -> int:
        layer = self.attention + self.experts * self.feed_forward + self.router * self.hidden + self.small
        embeddings = (1 + self.head) * self.vocabulary * self.hidden
        return embeddings + self.tables + self.layers * layer + self.last * self.hidden

    def macs(self, batch: int, new: int, context: int) -> int:
        """A multiply-accumulate for each token and weight, and for each score and its value; one row of logits."""
        each = self.attention + self.active * self.feed_forward + self.router * self.hidden
        scores = 2 * self.heads * self.head_dim * new * context
        return batch * (self.layers * (new * each + scores) + self.hidden * self.vocabulary)


# Published numbers: those of the safetensors files on the Hugging Face pages named in SOURCES ("model size"), to the unit;
# GPT-2's and OPT's are those of the loaded model, without the buffers that the files hold.
DECODERS = {
    "llama-2-7b": Decoder(6_738_415_616, 32, 4096, 32, 32, 11008, 32000, small=2 * 4096),
    "llama-2-13b": Decoder(13_015_864_320, 40, 5120, 40, 40, 13824, 32000, small=2 * 5120),
    "llama-2-70b": Decoder(68_976_648_192, 80, 8192, 64, 8, 28672, 32000, small=2 * 8192),
    "llama-3-8b": Decoder(8_030_261_248, 32, 4096, 32, 8, 14336, 128256, small=2 * 4096),
    "llama-3-70b": Decoder(70_553_706_496, 80, 8192, 64, 8, 28672, 128256, small=2 * 8192),
    "tinyllama-1.1b": Decoder(1_100_048_384, 22, 2048, 32, 4, 5632, 32000, head_dim=64, small=2 * 2048),
    "mistral-7b": Decoder(7_241_732_096, 32, 4096, 32, 8, 14336, 32000, small=2 * 4096),
    "mixtral-8x7b": Decoder(46_702_792_704, 32, 4096, 32, 8, 14336, 32000, experts=8, active=2, router=8, small=2 * 4096),
    # biases of q, k, v; the smaller one's head is its embedding
    "qwen2.5-0.5b": Decoder(
        494_032_768, 24, 896, 14, 2, 4864, 151936, head_dim=64, head=False, small=2 * 896 + 64 * (14 + 2 + 2)
    ),
    "qwen2.5-7b": Decoder(7_615_616_512, 28, 3584, 28, 4, 18944, 152064, small=2 * 3584 + 128 * (28 + 4 + 4)),
    # four norms to a layer
    "gemma-2-9b": Decoder(9_241_705_984, 42, 3584, 16, 8, 14336, 256000, head_dim=256, head=False, small=4 * 3584),
    # biases of six matrices, two layer norms; a table of 2048 + 2 positions; a last layer norm
    "opt-125m": Decoder(
        125_239_296, 12, 768, 12, 12, 3072, 50272, head_dim=64, matrices_of_ffn=2, head=False,
        tables=2050 * 768, small=(4 + 1 + 4) * 768 + 3072, last=2,
    ),
    "opt-6.7b": Decoder(
        6_658_473_984, 32, 4096, 32, 32, 16384, 50272, matrices_of_ffn=2, head=False,
        tables=2050 * 4096, small=(4 + 1 + 4) * 4096 + 16384, last=2,
    ),
    "gpt2-345m": Decoder(
        354_823_168, 24, 1024, 16, 16, 4096, 50257, head_dim=64, matrices_of_ffn=2, head=False,
        tables=1024 * 1024, small=(4 + 1 + 4) * 1024 + 4096, last=2,
    ),
    "gpt2-774m": Decoder(
        774_030_080, 36, 1280, 20, 20, 5120, 50257, head_dim=64, matrices_of_ffn=2, head=False,
        tables=1024 * 1280, small=(4 + 1 + 4) * 1280 + 5120, last=2,
    ),
    "gpt2-1.5b": Decoder(
        1_557_611_200, 48, 1600, 25, 25, 6400, 50257, head_dim=64, matrices_of_ffn=2, head=False,
        tables=1024 * 1600, small=(4 + 1 + 4) * 1600 + 6400, last=2,
    ),
}  # fmt: skip

# torchvision 0.20, models/vision_transformer.py: "num_params" and "_ops" [G] of ViT_B_16_Weights.IMAGENET1K_V1 and
# ViT_H_14_Weights.IMAGENET1K_SWAG_LINEAR_V1, both at 224x224
IMAGE_MODELS = {"vit-b": (86_567_656, 17.564, 197), "vit-h": (632_045_800, 167.295, 257)}


def test_every_bundled_model_is_tested_and_has_its_source() -> None:
    assert DECODERS.keys() | IMAGE_MODELS.keys() == CONFIGS.keys() == SOURCES.keys()
    assert {path.stem for path in next(iter(CONFIGS.values())).parent.glob("*")} == CONFIGS.keys()


@pytest.mark.parametrize("name", DECODERS)
def test_parameters_are_the_published_ones(name: str) -> None:
    assert DECODERS[name].parameters == DECODERS[name].published
    assert shapes(name).parameters == DECODERS[name].published


@pytest.mark.parametrize("name", DECODERS)
def test_macs(name: str) -> None:
    prefill, decode = shapes(name, "prefill", 2, 96), shapes(name, "decode", 3, 1000)
    assert prefill.macs == DECODERS[name].macs(2, 96, 96)
    assert decode.macs == DECODERS[name].macs(3, 1, 1000)
    assert (prefill.tokens, decode.tokens, decode.sequence) == (2 * 96, 3, 1000)
    assert prefill.unknown == decode.unknown == {}


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_image_models(name: str) -> None:
    parameters, giga_macs, tokens = IMAGE_MODELS[name]
    model = shapes(name)
    assert (model.parameters, model.sequence, model.tokens, model.unknown) == (parameters, tokens, tokens, {})
    assert round(model.macs / 1e9, 3) == giga_macs
    assert shapes(name, batch=3).macs == 3 * model.macs
    assert shapes(name, sequence=tokens) == model


def test_image_models_have_their_own_number_of_tokens_and_no_decode() -> None:
    with pytest.raises(InputError, match=r"^sequence of model 'vit-b' is the 197 tokens of its images, not 128$"):
        shapes("vit-b", sequence=128)
    with pytest.raises(InputError, match=r"^model 'vit-h' makes no tokens one after the other; allowed is phase 'prefill'$"):
        shapes("vit-h", "decode")


def test_a_name_a_folder_and_a_file_are_alike(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(CONFIGS["tinyllama-1.1b"].read_text())
    for where in (tmp_path, tmp_path / "config.json"):
        assert load_config(str(where)).to_dict() == load_config("tinyllama-1.1b").to_dict()
        assert shapes(str(where)).operators == shapes("tinyllama-1.1b").operators
    assert shapes(str(tmp_path)).name == tmp_path.name
    assert shapes(str(CONFIGS["tinyllama-1.1b"])).name == "tinyllama-1.1b"


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="^unknown model 'llama-9'; known are tiny-stdlib, llama-2-7b, .*, or a folder with config.json$"
    ):
        load_config("llama-9")
    with pytest.raises(InputError, match=r"has no config\.json"):
        load_config(str(tmp_path))


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "{}", '{"model_type": "nothing"}', '{"model_type": "llama", "hidden_size": "x"}']
)
def test_what_is_no_configuration(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    for use in (load_config, shapes):
        with pytest.raises(InputError, match="is not a configuration that transformers knows") as caught:
            use(str(file))
        assert not re.search(r"Error|Exception", str(caught.value)), "names of Python's classes mean nothing to a user"


def test_a_configuration_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b'{"model_type": "\xff"}')
    for use in (load_config, shapes):
        with pytest.raises(InputError, match=r"^configuration '.*config.json' is not JSON: it is no text in UTF-8$"):
            use(str(file))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("num_attention_heads", 7, r"The hidden size \(2048\) is not a multiple of the number of attention heads \(7\)\.$"),
        ("hidden_act", "zap", "does not configure a model that can be built: 'zap' is not known$"),
        ("architectures", 5, "architectures of .* is a list of names, not 5$"),
        ("vocab_size", 10**30, "Overflow when unpacking long long$"),
    ],
)
def test_a_reason_is_in_words(tmp_path: Path, field: str, value: Any, message: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(CONFIGS["tinyllama-1.1b"].read_text()) | {field: value}))
    with pytest.raises(InputError, match=message) as caught:
        shapes(str(file))
    assert not re.search(r"Error|Exception", str(caught.value))


def test_an_embedded_model_has_shapes_by_its_name() -> None:
    assert shapes("tiny-stdlib", sequence=96) == shapes(str(MODELS["tiny-stdlib"]), sequence=96)
