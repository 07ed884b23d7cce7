"""Figures of accuracy against torch's own loss, and windows that are put together again."""

import math

import pytest
import torch

from sim.design import load_design
from sim.errors import InputError
from workloads.accuracy import WINDOW, accuracy, bits_per_byte, float_logits, judge, prefill_logits
from workloads.checkpoint import LanguageModel
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
    found = accuracy(judged, len(text), len(tokens))
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
