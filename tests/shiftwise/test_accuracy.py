"""Accuracy as a user asks for it: recipes, caches, an interrupted run that goes on, refusals."""

from pathlib import Path

import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

import shiftwise
from shiftwise.judged import FILE
from shiftwise.request import Request, checked_request
from shiftwise.simulation import simulate_request
from sim.errors import InputError
from workloads.passes import Phase

MINIFLOAT = shiftwise.DesignPoint("fp4", pe="minifloat", weight_format="e2m1", activation_format="e4m3")
SHORT = {"sequence": 8, "accuracy_bytes": 1100}


def request(phase: Phase = "prefill", recipe: str | None = None, bytes_: int = 1100) -> Request:
    return checked_request("mixpe-w4a8", "tiny-stdlib", phase, 1, 8, None, bytes_, recipe, None)


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after the first of three windows; a window that is known costs no pass."""
    whole = simulate_request(request()).summary["accuracy"]

    def stop(what: str, done: int, total: int) -> None:
        del total
        if what == "tokens predicted" and done >= 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_request(request(), stop, tmp_path)
    lines = (tmp_path / FILE).read_text().splitlines()
    assert len(lines) == 2
    (tmp_path / FILE).write_text("\n".join([*lines, '{"start": 512, "tok']))  # cut off in the middle of a line
    passes = []
    monkeypatch.setattr("workloads.accuracy.BY_HARDWARE", {"prefill": _counted(passes)})
    assert simulate_request(request(), folder=tmp_path).summary["accuracy"] == whole
    assert len(passes) == 2
    other = simulate_request(request(bytes_=1101), folder=tmp_path)
    assert len(passes) == 5, "of another text nothing is known"
    assert other.summary["accuracy"] != whole


def _counted(passes: list[int]) -> object:
    from workloads.accuracy import prefill_logits

    def make(network: object, hardware: object) -> object:
        logits = prefill_logits(network, hardware)  # type: ignore[arg-type]

        def counted(tokens: object) -> object:
            passes.append(1)
            return logits(tokens)  # type: ignore[arg-type]

        return counted

    return make


def test_a_recipe_and_a_cache() -> None:
    """In W3, GPTQ loses less than rounding to nearest (Frantar et al., ICLR 2023, table 1)."""
    found = {
        recipe: shiftwise.simulate("mixpe-w3a8", recipe=recipe, kv_cache="float", **SHORT).summary["accuracy"]
        for recipe in ("nearest", "gptq_activation_order")
    }
    nearest, gptq = found.values()
    assert gptq["hardware_bits_per_byte"] < nearest["hardware_bits_per_byte"]
    assert gptq["float_bits_per_byte"] == nearest["float_bits_per_byte"]
    assert (gptq["recipe"], gptq["kv_cache"], gptq["kv_bits"]) == ("gptq_activation_order", "float", 32)


def test_experts_that_no_calibration_token_reached(tmp_path: Path) -> None:
    """Calibrated on one letter over and over, whose tokens are all alike: each goes to the same 2 of 4 experts."""
    torch.manual_seed(20261128)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MixtralConfig(vocab_size=256, max_position_embeddings=64, num_key_value_heads=2, num_local_experts=4, **sizes)
    MixtralForCausalLM(config).save_pretrained(tmp_path / "model")
    (tmp_path / "text").write_bytes(bytes(range(32, 127)) * 2 + b"A" * 600)
    asked = {"model": str(tmp_path / "model"), "text": tmp_path / "text", "sequence": 8, "accuracy_bytes": 190}
    found = shiftwise.simulate(**asked, recipe="gptq").summary["accuracy"]["uncalibrated"]
    for layer in range(2):
        experts = [name.removeprefix(f"model.layers.{layer}.mlp.experts.") for name in found if f"layers.{layer}." in name]
        numbers = sorted({name.rpartition(".")[2] for name in experts})
        assert len(numbers) == 2
        assert experts == [f"{matrix}.{n}" for matrix in ("down_proj", "gate_up_proj") for n in numbers]
    assert shiftwise.simulate(**asked, recipe="nearest").summary["accuracy"]["uncalibrated"] == []


def test_overflows_are_in_the_rows() -> None:
    design = shiftwise.DesignPoint("narrow", weight_format="int4", accumulator="saturate12")
    run = shiftwise.simulate(design, **SHORT)
    accuracy, rows = run.summary["accuracy"], run.layers
    assert accuracy["overflows"] == rows.overflows.sum() > 0
    assert accuracy["group_sums"] == rows.group_sums.sum()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"recipe": "gptz"}, "unknown recipe 'gptz'; known are nearest,"),
        ({"kv_cache": "kiwi"}, "unknown KV recipe 'kiwi'; known are float, per_token, kivi"),
        ({"recipe": "gptq", "accuracy_bytes": 65536}, "at least 512 bytes, not 0; a longer text or fewer accuracy_bytes"),
        ({"recipe": "mixed_outputs", "design": MINIFLOAT}, "weights of .* are in a format that the PE takes"),
        ({"model": "llama-2-7b", "recipe": "gptq"}, "recipe goes with a model that has weights, not with the shapes of"),
        ({"model": "/nowhere", "recipe": "gptq"}, "unknown model '/nowhere'; known are .*, a GGUF file, or a topology"),
        ({"model": "llama-2-7b", "kv_cache": "kivi"}, "kv_cache goes with a model that has weights, not with the shapes of"),
    ],
)
def test_refusals(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        shiftwise.simulate(**arguments)  # type: ignore[arg-type]
