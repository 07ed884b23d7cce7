"""Figures of accuracy against torch's own loss, and windows that are put together again."""

import math
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from sim.design import load_design
from sim.errors import InputError
from workloads.accuracy import WINDOW, Judged, accuracy, bits_per_byte, float_logits, judge, prefill_logits
from workloads.checkpoint import LanguageModel, load_model
from workloads.hardware import Hardware


def test_float_figures_are_torchs_loss(tiny: LanguageModel, held_out: bytes) -> None:
    """Two windows of 512 tokens and one of 75; the text's first byte is not predicted, windows overlap by one."""
    text = held_out[: 2 * WINDOW + 76]
    tokens = tiny.encode(text)
    with torch.inference_mode():
        losses = [
            float(tiny.network(part[None], labels=part[None]).loss) * (len(part) - 1)
            for part in (tokens[: WINDOW + 1], tokens[WINDOW : 2 * WINDOW + 1], tokens[2 * WINDOW :])
        ]
    mean = sum(losses) / (len(text) - 1)
    judged = list(judge(tiny, tokens, Hardware(load_design("mixpe-w8a8"))))
    found = accuracy(judged, len(text), len(text) - 1)
    assert [window.tokens for window in judged] == [512, 512, 75]
    assert found["float_perplexity"] == pytest.approx(math.exp(mean), rel=1e-5)
    assert found["float_bits_per_byte"] == pytest.approx(mean / math.log(2), rel=1e-5)
    assert found["float_bits_per_byte"] == pytest.approx(bits_per_byte(tiny, text, float_logits(tiny.network)), rel=1e-12)
    assert found["hardware_bits_per_byte"] == pytest.approx(
        bits_per_byte(tiny, text, prefill_logits(tiny.network, Hardware(load_design("mixpe-w8a8")))), rel=1e-12
    )
    assert 0.9 < found["top1_agreement"] < 1


def test_decode_finds_what_the_prefill_finds(tiny: LanguageModel, held_out: bytes) -> None:
    tokens, hardware = tiny.encode(held_out[:50]), Hardware(load_design("mixpe-w4a8"))
    (at_once,), (by_token,) = (list(judge(tiny, tokens, hardware, phase)) for phase in ("prefill", "decode"))
    assert at_once.hardware_nats == by_token.hardware_nats
    assert at_once.agreed == by_token.agreed


def test_known_windows_are_not_judged_again(tiny: LanguageModel, held_out: bytes) -> None:
    tokens, hardware = tiny.encode(held_out[: WINDOW + 60]), Hardware(load_design("mixpe-w4a8"))
    first, second = judge(tiny, tokens, hardware)
    untouched = Hardware(load_design("mixpe-w4a8"))
    assert list(judge(tiny, tokens, untouched, known=(second, first))) == [first, second]
    assert not untouched.sums


def test_a_text_of_one_token(tiny: LanguageModel) -> None:
    with pytest.raises(InputError, match="a text of at least 2 tokens is needed, not 1"):
        next(judge(tiny, tiny.encode(b"a"), Hardware(load_design("mixpe-w4a8"))))


def fair(folder: Path, begins: str, merges: list[tuple[str, str]]) -> LanguageModel:
    """A model that finds all tokens equally likely, with a tokenizer of bytes and merged ones whose texts begin so."""
    vocabulary = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<s>", *map("".join, merges)]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(vocabulary)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{begins} $A".strip(), special_tokens=[("<s>", 256)])
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    network = AutoModelForCausalLM.from_config(LlamaConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **sizes))
    network.lm_head.weight.data.zero_()
    network.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>").save_pretrained(folder)
    return load_model(str(folder))


LONG = "dvě stě, \u2113\u221e \U0001f600"
TEXTS: dict[str, tuple[str, list[tuple[str, str]], bytes, int, int]] = {
    "a special token first": ("<s>", [], b"abcdefgh", 8, 8),
    "in several windows": ("<s>", [], b"abcdefgh" * 20, 160, 160),
    "a byte first": ("", [], b"abcdefgh", 7, 7),
    "two bytes first": ("", [("a", "b")], b"ababcd", 3, 4),
    "two bytes first behind a special token": ("<s>", [("a", "b")], b"ababcd", 4, 6),
    "a part of a character first": ("", [], "ěab".encode(), 3, 3),
    "characters of many bytes": ("<s>", [], LONG.encode(), 22, 22),
    "cut behind the first byte": ("<s>", [], LONG.encode()[:-3], 18, 18),
    "cut before the last byte": ("<s>", [], LONG.encode()[:-1], 18, 18),
    "cut at both ends": ("<s>", [], "ěa\u221e".encode()[1:-1], 1, 1),
}
"""How a text begins, merges, the text; tokens and bytes that are predicted, by hand."""


@pytest.mark.parametrize("case", TEXTS)
def test_bits_per_byte_are_those_of_the_bytes_that_are_predicted(case: str, tmp_path: Path) -> None:
    """Each predicted token takes log2 of the vocabulary."""
    begins, merges, text, tokens, of_bytes = TEXTS[case]
    model = fair(tmp_path, begins, merges)
    expected = tokens * math.log2(257 + len(merges)) / of_bytes
    assert bits_per_byte(model, text, float_logits(model.network)) == pytest.approx(expected, rel=1e-5)
    judged = judge(model, model.encode(text), Hardware(load_design("mixpe-w8a8")))
    found = accuracy(judged, len(text), model.predicted_bytes(text))
    assert (found["tokens"], found["bytes"]) == (tokens, len(text))
    assert found["float_bits_per_byte"] == pytest.approx(expected, rel=1e-5)


def test_a_text_of_which_nothing_is_predicted(tmp_path: Path) -> None:
    model = fair(tmp_path, "", [("a", "b")])
    with pytest.raises(InputError, match="of which the first is not predicted, not b'ab'$"):
        model.predicted_bytes(b"ab")


def test_a_perplexity_that_no_float_holds() -> None:
    """e**710 is beyond 1.8e308."""
    found = accuracy([Judged(0, 2, 2.0, 1420.0, 1, {})], 3, 2)
    assert found["float_perplexity"] == pytest.approx(math.e)
    assert found["hardware_perplexity"] == math.inf
    assert found["hardware_bits_per_byte"] == pytest.approx(710 / math.log(2))


def test_a_tokenizer_of_another_model(tmp_path: Path) -> None:
    model = fair(tmp_path, "<s>", [("a", "b")])
    narrow = LlamaConfig(vocab_size=200, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    AutoModelForCausalLM.from_config(narrow).save_pretrained(tmp_path)
    assert model.encode(b"ab").tolist() == [256, 257]
    with pytest.raises(InputError, match=f"^tokenizer of model '{tmp_path.name}' makes tokens below the model's 200, not 257$"):
        load_model(str(tmp_path)).encode(b"ab")


def test_a_text_that_is_no_text(tmp_path: Path) -> None:
    """ISO 8859-1; a character that is cut off at the end is none of it."""
    model = fair(tmp_path, "", [("a", "b")])
    with pytest.raises(InputError, match=r"^a text for a tokenizer is UTF-8, not b'\\xfcr alle'$"):
        model.encode("für alle".encode("latin-1"))
    assert len(model.encode("für".encode()[:2])) == 1
