"""Accuracy of overlays from the front door: that of the logits, by any recipe, where there are weights."""

import math
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import workloads.checkpoints.weights
from reports.tables import accuracy_facts
from shiftwise.judged import FILE
from shiftwise.overlay.accuracy import NOT_HELD
from shiftwise.overlay.request import checked_overlay
from shiftwise.overlay.simulate import simulate_asked, simulate_overlay
from sim.errors import InputError
from sim.overlay.design import load_overlay
from tests.shiftwise.test_overlay import SIZES, SMALL
from workloads.checkpoint import LanguageModel
from workloads.overlay.forward import overlay_logits
from workloads.overlay.hardware import OverlayHardware
from workloads.overlay.recipes import overlay_recipe

BYTES, SEED = 60, 20261128


@pytest.mark.parametrize("design", ["dense-u280", "flightllm-u280"])
def test_it_is_that_of_the_logits(design: str, tiny: LanguageModel, held_out: bytes) -> None:
    """Cross entropy by hand of the logits of torch and of the overlay; a sparse design's weights are pruned."""
    point, tokens = load_overlay(design), tiny.encode(held_out[:BYTES])
    hardware = OverlayHardware(point, recipe=overlay_recipe(point, "nearest"))
    with torch.inference_mode():
        logits = tiny.network(tokens[None, :-1]).logits, overlay_logits(tiny.network, hardware)(tokens[None, :-1])
    chances = [found[0].softmax(-1)[range(BYTES - 1), tokens[1:]] for found in logits]
    expected = [-float(chance.double().log2().mean()) for chance in chances]
    found = simulate_overlay(design, "tiny-stdlib", sequence=8, accuracy_bytes=BYTES).summary["accuracy"]
    assert [found["float_bits_per_byte"], found["hardware_bits_per_byte"]] == pytest.approx(expected, rel=1e-5)
    assert found["hardware_perplexity"] == pytest.approx(2 ** expected[1], rel=1e-5)
    assert found["top1_agreement"] == int((logits[0].argmax(-1) == logits[1].argmax(-1)).sum()) / (BYTES - 1)
    assert (found["tokens"], found["kv_bits"], found["overflows"]) == (BYTES - 1, 8 + 16 / 64, 0)


def test_a_cache_of_fp16_numbers_has_no_scales_and_products_of_them_no_groups() -> None:
    found = simulate_overlay("dfx-u280", "tiny-stdlib", sequence=8, accuracy_bytes=8).summary["accuracy"]
    assert (found["kv_cache"], found["kv_bits"], found["group_sums"]) == ("fp16", 16, 0)
    shown = dict(accuracy_facts(found))
    assert shown["KV cache"] == "fp16, 16.0 bit for each number"
    assert "group sums that overflowed" not in shown


def test_both_phases_have_the_same(held_out: bytes, tmp_path: Path) -> None:
    """As a decode step has a prefill's bits."""
    (tmp_path / "text").write_bytes(held_out[: 2 * BYTES])
    found = [
        simulate_overlay(SMALL, "tiny-stdlib", phase, 8, tmp_path / "text", BYTES).summary["accuracy"]
        for phase in ("prefill", "decode")
    ]
    assert found[0] == found[1]


def test_a_folder_with_weights_and_a_calibrated_recipe(held_out: bytes, tmp_path: Path) -> None:
    """Half of the weights pruned, those that cost least first; 2 layers of 7 products and 2 of attention, and the head."""
    torch.manual_seed(SEED)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=256, max_position_embeddings=64, **sizes)).save_pretrained(tmp_path / "model")
    (tmp_path / "text").write_bytes(held_out[:700])
    asked, stages = (SMALL, str(tmp_path / "model"), "decode", 8, tmp_path / "text", BYTES), []
    nearest = simulate_overlay(*asked, "nearest").summary["accuracy"]
    found = simulate_overlay(*asked, "gptq", lambda what, *_: stages.append(what)).summary["accuracy"]
    assert (nearest["recipe"], found["recipe"], found["uncalibrated"]) == ("nearest", "gptq", [])
    assert found["hardware_bits_per_byte"] != nearest["hardware_bits_per_byte"]
    assert stages.count("calibrate") == 2 * (7 + 2) + 1


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(what: str, *_: int) -> None:
        if what == "tokens predicted":
            raise KeyboardInterrupt

    asked = checked_overlay(SMALL, "tiny-stdlib", "decode", 8, accuracy_bytes=BYTES)
    with pytest.raises(KeyboardInterrupt):
        simulate_asked(asked, stop, tmp_path)
    assert len((tmp_path / FILE).read_text().splitlines()) == 2
    monkeypatch.setattr("shiftwise.overlay.accuracy.overlay_logits", lambda *_: None)
    assert math.isfinite(simulate_asked(asked, folder=tmp_path).summary["accuracy"]["hardware_bits_per_byte"])


def test_there_is_none_without_weights_or_of_a_network_that_reads_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = simulate_overlay(SMALL, SIZES, sequence=8).summary
    assert (summary["accuracy"], summary["accuracy_not_measured"]) == (None, None)
    monkeypatch.setattr(workloads.checkpoints.weights, "HELD", 0)
    summary = simulate_overlay(SMALL, "tiny-stdlib", sequence=8).summary
    assert (summary["accuracy"], summary["accuracy_not_measured"]) == (None, NOT_HELD)


def test_a_board_that_there_is_not_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('slots = 2\ndevice = "u55c"')
    with pytest.raises(InputError, match="unknown device 'u55c'; known are u280"):
        simulate_overlay(str(tmp_path / "mine.toml"))
