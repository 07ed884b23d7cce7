"""Models on shapes alone: as a real model computes it, and small parts by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    GptOssConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    OPTConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen2Config,
    T5Config,
)

from sim.errors import InputError
from sim.operators import Operator, Product, VectorWork
from workloads.checkpoint import LanguageModel, load_model
from workloads.embedded import MODELS
from workloads.meta_network import network
from workloads.recorder import Recorder
from workloads.shapes import shapes
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
LLAMA_LIKE = COMMON | {"intermediate_size": 96, "num_key_value_heads": 2}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
"""Frequencies that depend on the largest position, a number."""

REAL: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**LLAMA_LIKE),
    "mistral": MistralConfig(**LLAMA_LIKE, sliding_window=16),
    "qwen2": Qwen2Config(**LLAMA_LIKE, tie_word_embeddings=True),
    "phi3": Phi3Config(**LLAMA_LIKE),
    "opt": OPTConfig(**COMMON, ffn_dim=96, word_embed_proj_dim=64),
    "gpt_neox": GPTNeoXConfig(**COMMON, intermediate_size=96),
}


def configured(folder: Path, config: PretrainedConfig) -> str:
    (folder / "config.json").write_text(config.to_json_string(use_diff=False))
    return str(folder)


def sizes(products: tuple[Product, ...]) -> list[tuple[str, int, int, int, int]]:
    return [(p.name, p.m, p.k, p.n, p.count) for p in products]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small products are slower on threads that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[str, LanguageModel]]:
    """Randomly initialised models with weights, by the name of their architecture."""

    def make(name: str) -> tuple[str, LanguageModel]:
        folder = str(tmp_path_factory.mktemp(name))
        torch.manual_seed(20261122)
        AutoModelForCausalLM.from_config(REAL[name]).save_pretrained(folder)
        return folder, load_model(folder)

    return make


@pytest.mark.parametrize("name", REAL)
def test_products_are_those_that_a_real_model_computes(name: str, real: Callable[[str], tuple[str, LanguageModel]]) -> None:
    folder, model = real(name)
    tokens = torch.arange(3 * 40) * 37 % 256
    for phase in ("prefill", "decode"):
        for batch, sequence in ((1, 40), (3, 40), (3, 7), (1, 1)):
            traced = trace(model, tokens, phase, batch, sequence)  # type: ignore[arg-type]
            found = shapes(folder, phase, batch, sequence)  # type: ignore[arg-type]
            shaped = [(p.name, p.activations.shape[1], *p.weights.shape[1:], len(p.weights)) for p in traced]
            assert sizes(found.products) == shaped
            assert [p.kind for p in found.products] == [p.kind for p in traced]
    assert shapes(folder).parameters == sum(p.numel() for p in model.network.parameters())


def test_the_embedded_model(tiny: LanguageModel, held_out: bytes) -> None:
    folder = str(MODELS["tiny-stdlib"])
    traced = trace(tiny, tiny.encode(held_out[:200]), "decode", 2, 100)
    found = shapes(folder, "decode", 2, 100)
    assert sizes(found.products) == [(p.name, p.shape.m, p.shape.k, p.shape.n, p.shape.count) for p in traced]


# A block of Llama on 2 sequences of 5 tokens: 10 tokens of 64 numbers, 4 heads and 2 of keys and values of 16 numbers, 96
# in the feed-forward. For each number of an RMS norm: square, add, multiply, multiply; for each row: add, root. Rotary: two
# products and a sum for each number, a negation for every other one; cosines and sines of 5 positions x 16. Attention:
# 4 * 5 * 5 scores of each sequence, each scaled, masked, and in the softmax compared, subtracted, raised, added, divided.
NORM = {"operations": 10 * (4 * 64 + 2), "reads": 640 + 64, "writes": 640}
BLOCK: list[Operator] = [
    VectorWork("model.embed_tokens", "embedding", 0, 640, 640),
    # position x frequency; cosine, sine, and a product with the scale of 1; 5 positions and 8 frequencies are read
    VectorWork("model.rotary_emb", "rotary", 5 * 8 + 4 * 80, 5 + 8, 160),
    VectorWork("model.layers.0.input_layernorm", "norm", **NORM, inputs=(0,)),
    Product("model.layers.0.self_attn.q_proj", 10, 64, 64, 1, "linear", (2,)),
    Product("model.layers.0.self_attn.k_proj", 10, 64, 32, 1, "linear", (2,)),
    Product("model.layers.0.self_attn.v_proj", 10, 64, 32, 1, "linear", (2,)),
    VectorWork("model.layers.0.self_attn", "rotary", 960 * 7 // 2, 960 + 160, 960, inputs=(1, 3, 4)),
    Product("model.layers.0.self_attn.scores", 10, 16, 5, 4, "scores", (6,)),
    VectorWork("model.layers.0.self_attn.softmax", "softmax", 200 * 7, 200, 200, 4, (7,)),
    Product("model.layers.0.self_attn.values", 10, 5, 16, 4, "values", (5, 8)),
    Product("model.layers.0.self_attn.o_proj", 10, 64, 64, 1, "linear", (9,)),
    VectorWork("model.layers.0", "elementwise", 640, 1280, 640, inputs=(0, 10)),
    VectorWork("model.layers.0.post_attention_layernorm", "norm", **NORM, inputs=(11,)),
    Product("model.layers.0.mlp.gate_proj", 10, 64, 96, 1, "linear", (12,)),
    VectorWork("model.layers.0.mlp.act_fn", "activation", 2 * 960, 960, 960, inputs=(13,)),
    Product("model.layers.0.mlp.up_proj", 10, 64, 96, 1, "linear", (12,)),
    VectorWork("model.layers.0.mlp", "activation", 960, 1920, 960, inputs=(14, 15)),
    Product("model.layers.0.mlp.down_proj", 10, 96, 64, 1, "linear", (16,)),
    VectorWork("model.layers.0", "elementwise", 640, 1280, 640, inputs=(11, 17)),
    VectorWork("model.norm", "norm", **NORM, inputs=(18,)),
    Product("lm_head", 2, 64, 256, 1, "linear", (19,)),
]


def test_a_block_of_llama_by_hand(tmp_path: Path) -> None:
    model = shapes(configured(tmp_path, LlamaConfig(**LLAMA_LIKE | {"num_hidden_layers": 1})), "prefill", 2, 5)
    for found, expected in zip(model.operators, BLOCK, strict=True):
        assert found == expected
    assert (model.sequence, model.tokens, model.unknown) == (5, 10, {})


def test_a_decode_step_by_hand(tmp_path: Path) -> None:
    """One token of each of 2 sequences against 8; nothing is masked, and a cache is no operator's result."""
    model = shapes(configured(tmp_path, LlamaConfig(**LLAMA_LIKE | {"num_hidden_layers": 1})), "decode", 2, 8)
    by_name = {operator.name: (place, operator) for place, operator in enumerate(model.operators)}
    rotary, _ = by_name["model.layers.0.self_attn"]
    value, _ = by_name["model.layers.0.self_attn.v_proj"]
    scores, found = by_name["model.layers.0.self_attn.scores"]
    assert found == Product("model.layers.0.self_attn.scores", 2, 16, 8, 4, "scores", (rotary,))
    softmax, work = by_name["model.layers.0.self_attn.softmax"]
    assert work == VectorWork("model.layers.0.self_attn.softmax", "softmax", 64 * 6, 64, 64, 4, (scores,))
    _, values = by_name["model.layers.0.self_attn.values"]
    assert values == Product("model.layers.0.self_attn.values", 2, 8, 16, 4, "values", (value, softmax))


def test_weights_of_other_modules_than_linear_are_seen(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=256, n_embd=64, n_layer=1, n_head=4, n_positions=128)
    model = shapes(configured(tmp_path, config), "prefill", 1, 6)
    assert sizes(model.products) == [
        ("transformer.h.0.attn.c_attn", 6, 64, 192, 1),
        ("transformer.h.0.attn.scores", 6, 16, 6, 4),
        ("transformer.h.0.attn.values", 6, 6, 16, 4),
        ("transformer.h.0.attn.c_proj", 6, 64, 64, 1),
        ("transformer.h.0.mlp.c_fc", 6, 64, 256, 1),
        ("transformer.h.0.mlp.c_proj", 6, 256, 64, 1),
        ("lm_head", 1, 64, 256, 1),
    ]
    place = next(place for place, operator in enumerate(model.operators) if operator.name.endswith("c_attn"))
    # the bias; 192 of them, and queries, keys and values go on from there
    assert model.operators[place + 1] == VectorWork(
        "transformer.h.0.attn.c_attn", "elementwise", 6 * 192, 6 * 192 + 192, 6 * 192, inputs=(place,)
    )
    assert model.operators[place + 2].inputs == (place + 1,)
    assert model.operators[place + 4].inputs == (place + 1, place + 3)


@pytest.mark.parametrize(
    ("phase", "batch", "sequence", "rows"),
    [
        ("prefill", 1, 5, [(2, 4), (1, 2)]),  # 10 rows for 6 experts: four with 2, two with 1
        ("prefill", 2, 6, [(4, 6)]),
        ("decode", 1, 20, [(1, 2)]),  # one token wakes two experts
        ("decode", 4, 20, [(2, 2), (1, 4)]),
    ],
)
def test_tokens_are_spread_over_experts(
    tmp_path: Path, phase: Any, batch: int, sequence: int, rows: list[tuple[int, int]]
) -> None:
    config = MixtralConfig(**LLAMA_LIKE, num_local_experts=6, num_experts_per_tok=2)
    model = shapes(configured(tmp_path, config), phase, batch, sequence)
    tokens = model.tokens
    in_first = [place for place, operator in enumerate(model.operators) if operator.name.startswith("model.layers.0.mlp")]
    found = [model.operators[place] for place in in_first]
    first, last = "model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.mlp.experts.down_proj"
    assert sizes(tuple(operator for operator in found if isinstance(operator, Product))) == [
        ("model.layers.0.mlp.gate", tokens, 64, 6, 1),
        *((first, m, 64, 192, count) for m, count in rows),
        *((last, m, 96, 64, count) for m, count in rows),
    ]
    router = found[1]
    assert isinstance(router, VectorWork)
    # softmax and the choice on 6 scores, the sum and the division of 2; weights and numbers of the chosen go out
    assert (router.kind, router.operations, router.writes) == ("softmax", tokens * (6 * 6 + 2 * 2), tokens * 4)
    weighted = found[-1]
    assert isinstance(weighted, VectorWork)
    downs = tuple(place for place in in_first if model.operators[place].name == last)
    assert (weighted.operations, weighted.writes) == (tokens * 2 * 64 * 2, tokens * 64)
    assert weighted.inputs == (in_first[1], *downs)


def test_sliding_windows_limit_what_a_step_reads(tmp_path: Path) -> None:
    """Gemma 2: every other layer sees its window alone, from the first one on."""
    folder = configured(tmp_path, Gemma2Config(**LLAMA_LIKE, head_dim=16, sliding_window=16))
    for sequence, contexts in ((40, [16, 40]), (16, [16, 16]), (10, [10, 10])):
        decode = shapes(folder, "decode", 2, sequence)
        assert [p.n for p in decode.products if p.kind == "scores"] == contexts
        assert [p.k for p in decode.products if p.kind == "values"] == contexts
    prefill = shapes(folder, "prefill", 2, 40)
    assert [p.n for p in prefill.products if p.kind == "scores"] == [40, 40]
    softmax = next(operator for operator in prefill.operators if operator.kind == "softmax")
    assert isinstance(softmax, VectorWork)
    # scaling, mask, three for the soft cap, five for the softmax
    assert softmax.operations == 2 * 4 * 40 * 40 * 10


def test_attention_sinks_take_part_in_the_softmax(tmp_path: Path) -> None:
    folder = configured(tmp_path, GptOssConfig(**LLAMA_LIKE, head_dim=16, num_local_experts=4))
    softmax = next(operator for operator in shapes(folder, "decode", 1, 9).operators if operator.name.endswith("softmax"))
    assert isinstance(softmax, VectorWork)
    # the sink's own probability is a result of the softmax like the others
    assert (softmax.operations, softmax.reads, softmax.writes) == (4 * 9 * 6 + 4 * 5, 4 * 9 + 4, 4 * 9 + 4)


def test_nothing_is_allocated_and_a_second_call_finds_the_first(tmp_path: Path) -> None:
    folder = configured(tmp_path, REAL["llama"])
    model = shapes(folder, "prefill", 1, 8)
    assert shapes(folder, "prefill", 1, 8) is model
    path = tmp_path / "config.json"
    assert all(parameter.is_meta for parameter in network(str(path), path.read_text()).parameters())
    configured(tmp_path, REAL["opt"])
    assert shapes(folder, "prefill", 1, 8).products != model.products


def test_sizes_that_were_found_before_are_those_that_torch_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = GptOssConfig(**LLAMA_LIKE, head_dim=16, num_local_experts=4)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with_memory = shapes(configured(tmp_path / "a", config), "prefill", 2, 9)
    monkeypatch.setattr(Recorder, "_sized", lambda _, func, args, kwargs: func(*args, **kwargs))
    assert shapes(configured(tmp_path / "b", config), "prefill", 2, 9).operators == with_memory.operators


def test_a_quantized_configuration_has_the_sizes_of_the_model(tmp_path: Path) -> None:
    plain = shapes(configured(tmp_path, REAL["llama"])).operators
    config = LlamaConfig(**LLAMA_LIKE)
    config.quantization_config = {"quant_method": "gptq", "bits": 4}
    assert shapes(configured(tmp_path, config)).operators == plain


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("train", 1, 8), "unknown phase 'train'; known are prefill, decode"),
        (("prefill", 0, 8), "batch is at least 1, not 0"),
        (("decode", 1, 0), "sequence is at least 1, not 0"),
        (("decode", 1, 129), "sequence is at most the model's context of 128 tokens, not 129"),
    ],
)
def test_what_cannot_be_run(tmp_path: Path, arguments: Any, reason: str) -> None:
    with pytest.raises(InputError, match=f"^{reason}$"):
        shapes(configured(tmp_path, REAL["llama"]), *arguments)


@pytest.mark.parametrize(
    ("config", "architecture", "reason"),
    [
        (T5Config(), "T5ForConditionalGeneration", "is a T5ForConditionalGeneration of type t5; understood are ForCausalLM, "),
        (LlamaConfig(**LLAMA_LIKE, rope_parameters=DYNAMIC), "LlamaForCausalLM", "cannot be run on sizes alone: Tensor.item"),
    ],
)
def test_models_that_are_not_understood(tmp_path: Path, config: PretrainedConfig, architecture: str, reason: str) -> None:
    config.architectures = [architecture]
    with pytest.raises(InputError, match=reason):
        shapes(configured(tmp_path, config))


def test_without_a_sequence_it_is_512_or_the_context(tmp_path: Path) -> None:
    assert shapes(configured(tmp_path, REAL["llama"])).sequence == 128
    assert shapes("tinyllama-1.1b", "decode").sequence == 512


def recorded(function: Callable[..., Any], *operands: Tensor) -> tuple[tuple[Operator, ...], dict[str, int]]:
    recorder = Recorder(function if isinstance(function, nn.Module) else nn.Module())
    with recorder.watching():
        recorder.sources([function(*operands)])
    return recorder.operators(), dict(recorder.unknown)


def meta(*size: int) -> Tensor:
    return torch.empty(*size, device="meta")


def test_operations_in_no_table_are_counted_and_named() -> None:
    operators, unknown = recorded(lambda x: torch.erfinv(x + 1) * 2, meta(3, 4))
    assert operators == (VectorWork("", "elementwise", 36, 12, 12),)
    assert unknown == {"erfinv": 12}
    assert recorded(lambda x: x[:, 0] * torch.view_as_complex(x), meta(3, 2))[1] == {"mul of complex numbers": 3}


def test_numbers_are_followed_through_views_copies_and_writing_in_place() -> None:
    def passes(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        y = x @ w  # 0
        halves = y.view(2, 2, 8).transpose(0, 1).contiguous().chunk(2, dim=-1)
        z = torch.cat([halves[1], halves[0]], dim=-1).relu()  # 1 reads all 32 numbers of 0 by way of two copies
        v = z @ w.T  # 2
        v[:, 0].add_(b)  # 3 adds to 8 of the 32 numbers of 2
        return v @ w  # 4 reads those of 2 and of 3

    operators, _ = recorded(passes, meta(4, 8), meta(8, 8), meta(2, 8))
    assert [operator.inputs for operator in operators] == [(), (0,), (1,), (2,), (2, 3)]
    relu, addition = operators[1], operators[3]
    assert isinstance(relu, VectorWork) and isinstance(addition, VectorWork)
    assert (relu.kind, relu.operations, relu.reads, relu.writes) == ("activation", 32, 32, 32)
    assert (addition.operations, addition.reads, addition.writes) == (16, 32, 16)


@pytest.mark.parametrize(("gate", "kind"), [(torch.mul, "activation"), (torch.add, "elementwise")])
def test_what_multiplies_an_activation_is_its_gate(gate: Callable[[Tensor, Tensor], Tensor], kind: str) -> None:
    act = nn.ReLU()
    recorder = Recorder(nn.ModuleDict({"act": act}))
    with recorder.watching():
        x = meta(4, 8)
        recorder.sources([gate(act(x), x)])
    assert recorder.operators() == (
        VectorWork("act", "activation", 32, 32, 32),
        VectorWork("", kind, 32, 64, 32, inputs=(0,)),
    )


def test_numbers_that_are_expanded_are_read_once_and_what_stays_inside_is_not_counted() -> None:
    operators, _ = recorded(lambda x, table: (x * table[3].expand(4, 8) + x).sum(), meta(4, 8), meta(100, 8))
    assert operators == (VectorWork("", "elementwise", 3 * 32, 32 + 8, 1),)


def test_one_and_one_point_zero_are_not_the_same_operand() -> None:
    whole = torch.empty(3, dtype=torch.long, device="meta")
    kinds: list[torch.dtype] = []
    recorded(lambda x: [kinds.append((x * factor).dtype) for factor in (1, 1.0)], whole)
    assert kinds == [torch.int64, torch.float32]


def test_products_of_every_form() -> None:
    convolution = nn.Conv2d(6, 8, (3, 2), padding=1, groups=2, device="meta")
    operators, _ = recorded(convolution, meta(5, 6, 7, 9))
    # 5 images, 7 x 10 places; 3 channels x 6 places in a group of 4
    assert operators == (
        Product("", 350, 18, 4, 2),
        VectorWork("", "elementwise", 2800, 2808, 2800, inputs=(0,)),
    )
    # each of 5 x 7 x 9 places is spread over 2 x 2 places of 8 channels
    spread = nn.ConvTranspose2d(6, 8, 2, bias=False, device="meta")
    assert recorded(spread, meta(5, 6, 7, 9))[0] == (Product("", 315, 6, 32),)
    assert recorded(torch.bmm, meta(3, 4, 5), meta(3, 5, 6))[0] == (Product("scores", 4, 5, 6, 3, "scores"),)
    assert recorded(torch.baddbmm, meta(3, 4, 6), meta(3, 4, 5), meta(3, 5, 6))[0] == (
        Product("scores", 4, 5, 6, 3, "scores"),
        VectorWork("", "elementwise", 72, 144, 72, inputs=(0,)),
    )


def test_arithmetic_on_whole_numbers_is_addressing() -> None:
    rows = torch.empty(7, dtype=torch.long, device="meta")
    operators, unknown = recorded(lambda table, rows: nn.functional.embedding((rows + 1).cumsum(0), table), meta(100, 8), rows)
    assert operators == (VectorWork("", "embedding", 0, 56, 56),)
    assert unknown == {}
