"""Overlays from the front door."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from shiftwise.cli import app
from shiftwise.overlay.code import decode_cycles, storage
from shiftwise.overlay.simulate import simulate_overlay
from sim.design import load_design
from sim.errors import InputError
from sim.overlay.compiler import compile_step
from sim.overlay.design import OverlayDesign, is_overlay, load_overlay
from sim.overlay.isa.encoding import BYTES
from sim.overlay.presets import PRESETS
from sim.overlay.timing import simulate
from workloads.embedded import MODELS
from workloads.overlay.decoder import load_decoder

SMALL = OverlayDesign(
    "small <b>", units=2, vector_units=4, chain=2, group_size=32, slot_kib=64, activation_buffer_kib=512, prefill_step=16
)  # fmt: skip


SIZES = str(MODELS["tiny-stdlib"] / "config.json")
"""The embedded model without its weights, and so without accuracy, which takes seconds."""


def test_a_decode_step_of_llama_2_7b_is_within_a_fifth_of_what_was_published() -> None:
    """FlightLLM on a U280: about 55 tokens/s (Zeng et al., FPGA 2024), of which nothing here was fitted; 20 % are allowed."""
    found = simulate_overlay("flightllm-u280", "llama-2-7b", sequence=1024).summary
    assert found["tokens_per_s"] == pytest.approx(55, rel=0.2)
    assert found["port_use"] < 1


def test_its_three_steps_are_in_order() -> None:
    """Naive, with sparse chains, with all on the chip and mixed precision: each is faster than the one before."""
    whole = load_overlay("flightllm-u280")
    naive = replace(whole, sparse=False, kept=16, per_block=False, weight_format="int8", formats=(), on_chip=False)
    steps = [naive, replace(naive, sparse=True, kept=8), whole]
    speeds = [simulate_overlay(step, "llama-2-7b", sequence=1024).summary["tokens_per_s"] for step in steps]
    assert speeds == sorted(speeds)
    assert len(set(speeds)) == 3


def test_n_of_each_block_needs_no_weights(tmp_path: Path) -> None:
    """A mean of 6 of 16 by hand: 6 times int4 and an index; 3 bits for each block's N; a scale for 64; and a bit for what fills
    up cells. A mean of 8 takes the bytes and cycles of 8 of all."""
    path = tmp_path / "six.toml"
    path.write_text("per_block = true\nkept = 6\nslot_kib = 1024")
    found = simulate_overlay(str(path), "llama-2-7b", sequence=64).summary
    least = 6 / 16 * 8 + 3 / 256 + 16 / 64
    assert least < found["bits_per_weight"] < least + 0.1
    own = load_overlay("flightllm-u280")
    same = [simulate_overlay(design, "llama-2-7b", sequence=64).summary for design in (own, replace(own, per_block=False))]
    assert same[0]["dram_bytes"] == same[1]["dram_bytes"] > found["dram_bytes"]
    assert same[0]["cycles"] == same[1]["cycles"] > found["cycles"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs_a_model_that_fits_it(preset: str) -> None:
    found = simulate_overlay(preset, "opt-125m", sequence=64).summary
    assert found["design"] == preset
    assert sum(found["cycles_by_unit"].values()) == found["cycles"]


def test_a_prefill_is_as_many_programs_as_it_has_steps_of_tokens() -> None:
    decoder = load_decoder("tiny-stdlib")
    found = simulate_overlay(SMALL, SIZES, "prefill", 40)
    programs = [compile_step(decoder, SMALL, 16, end, 48, logits=end == 48).program for end in (16, 32, 48)]
    assert found.summary["cycles"] == sum(simulate(program, SMALL).cycles for program in programs)
    assert found.summary["instructions"] == sum(map(len, programs)) == found.steps["instructions"].sum()
    assert found.summary["dram_bytes"] == found.steps["dram_bytes"].sum()


def test_a_prompt_goes_token_by_token_through_an_engine_of_fp16_numbers() -> None:
    """Decode steps without logits but for the last one; those that share code take as long."""
    design, decoder = load_overlay("dfx-u280"), load_decoder("tiny-stdlib")
    found = simulate_overlay(design, SIZES, "prefill", 40).summary
    ends = (16, 32, 48)
    last, alone = ([compile_step(decoder, design, 1, end, 48, logits).program for end in ends] for logits in (True, False))
    cycles = [simulate(program, design).cycles for program in (*alone, last[-1])]
    assert found["cycles"] == np.dot(cycles, (16, 16, 7, 1))
    assert found["utilization"] < 1
    code = storage(decoder, design, 40)
    assert code["shared"] == sum(program.size for program in (*last, *alone))
    assert code["each_length"] == sum(16 * (a.size + b.size) for a, b in zip(last[:2], alone[:2], strict=True)) + 8 * (
        last[2].size + alone[2].size
    )


def test_dfx_is_faster_than_published_by_what_it_leaves_out() -> None:
    """5.4 ms for a token of GPT-2 345M on one U280, 185.19 tokens/s (Hong et al., MICRO 2022, as table 4 of StreamTensor, MICRO
    2025, has it); 708 MB of fp16 weights at 409.6 GB/s are 1.73 ms."""
    found = simulate_overlay("dfx-u280", "gpt2-345m", sequence=64).summary
    assert 2 * 353_500_000 < found["weight_bytes"] < 2 * 354_900_000
    assert 1 / 185.19 > found["time_s"] > found["weight_bytes"] / 409.6e9


def test_a_model_that_the_memory_does_not_hold_is_refused_with_what_would_do() -> None:
    with pytest.raises(InputError, match=r"llama-2-7b .* takes 13,5.* has 8,589,934,592: memory_gib of 13 would do"):
        simulate_overlay("dfx-u280", "llama-2-7b")


def test_macs_are_those_of_the_array() -> None:
    """Of the simulator of arrays, whose prefill has the whole square of attention, by hand: linear and half the square."""
    found = simulate_overlay(SMALL, SIZES, "prefill", 16).summary
    linear = 256 * (256 + 2 * 128) + 256 * 256 + 3 * 256 * 704
    assert found["macs"] == 5 * (16 * linear + 2 * 4 * 64 * 16 * 17 // 2) + 256 * 256


@pytest.mark.parametrize("slot_kib", [64, 8])
def test_code_of_all_lengths_by_compiling_it_all(slot_kib: int) -> None:
    """In a small slot are the keys of both heads of up to 48 tokens, of more tokens those of one: then code is longer."""
    decoder, design = load_decoder("tiny-stdlib"), replace(SMALL, slot_kib=slot_kib)
    found = storage(decoder, design, 65)
    ends = (16, 32, 48, 64, 80)
    decode, prefill, first = (
        [compile_step(decoder, design, *of, logits=logits).program.size for of in ((new, end) for end in ends)]
        for new, logits in ((1, True), (16, True), (16, False))
    )
    assert (decode[2] < decode[3]) == (slot_kib == 8)
    assert found["shared"] == sum(decode) + sum(prefill) + sum(first[:4])
    each = 16 * sum(decode[:4]) + decode[4]
    each += sum(16 * (sum(first[:steps]) + prefill[steps]) for steps in (0, 1, 2, 3)) + sum(first[:4]) + prefill[4]
    assert found["each_length"] == each
    assert each % BYTES == 0


def test_steps_that_share_code_take_as_long() -> None:
    cycles = decode_cycles(load_decoder("tiny-stdlib"), SMALL, 1, 40)
    assert len(set(cycles[:16])) == 1
    assert (np.diff(cycles) >= 0).all()
    assert cycles[0] < cycles[39]


def test_the_command_writes_a_report(tmp_path: Path) -> None:
    design = tmp_path / "mine.toml"
    design.write_text('name = "<script>alert(1)</script>"\nslots = 3\nvector_units = 8\nunits = 2\n')
    out = tmp_path / "out"
    asked = ["simulate", "--design", str(design), "--phase", "decode", "--accuracy-bytes", "40", "--out", str(out)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "tokens/s" in result.output
    assert re.search(r"Bits per byte +\S+ +float \S+, [+-]\S+ %", result.output)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["accuracy"]["bytes"], summary["accuracy"]["recipe"]) == (40, "nearest")
    assert summary["design"] == "<script>alert(1)</script>"
    page = (out / "report.html").read_text()
    assert "alert(1)</script> decodes" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<h2>Accuracy</h2>" in page
    assert {path.name for path in out.iterdir()} == {"summary.json", "steps.csv", "timeline.csv", "report.html"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slots = 1", "slots of an overlay are at least 2, one to fill and one to read, not 1"),
        (
            "slots = 2\nfeathers = 1",
            "unknown field 'feathers' of an overlay, for which a file is taken that has slots; known are name, device",
        ),
        ("slots = 2\nkept = 17", "kept of an overlay, of 16 weights, is 2, 4, 8, 16, not 17"),
        ("slots = 2\nkept = 6", "is 2, 4, 8, 16, not 6, which goes with per_block = true"),
        ("slots = 2\nkept = 8\nsparse = false", "is 16 without multiplexers, not 8"),
        ("slots = 2\ngroup_size = 24", "multiple of 16 such as 32, not 24"),
        ('slots = 2\nmemory = "hbm9"', "unknown memory of an overlay 'hbm9'"),
        ('slots = 2\nweight_format = "fp16"', "unknown weight format of an overlay 'fp16'"),
        ('slots = 2\nformats = ["value"]', "formats of an overlay are pairs of a product and a format"),
        ('slots = 2\nformats = "int4"', "formats of an overlay are pairs of a product and a format"),
        ("slots = 2\nformats = [1, 2]", "formats of an overlay are pairs of a product and a format"),
        ('slots = 2\nformats = [["q_proj", "int4"]]', "unknown product of an overlay 'q_proj'; known are query, key"),
        ("slots = 2.5", "slots of an overlay is an integer, not 2.5"),
        ("slots = true", "slots of an overlay is an integer, not True"),
        ("slots = 0", "slots of an overlay is between 1 and 65536, not 0"),
        ("slots = 65537", "slots of an overlay is between 1 and 65536, not 65537"),
        ('slots = 2\non_chip = "no"', "on_chip of an overlay is true or false, not 'no'"),
    ],
)
def test_designs_that_cannot_be_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert is_overlay(str(path))
    with pytest.raises(InputError, match=message):
        load_overlay(str(path))
    with pytest.raises(InputError, match="mine.toml is an overlay, which simulate .*, generate and fit take alone"):
        load_design(str(path))


def test_formats_may_be_a_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('slots = 2\nformats = {value = "int5"}')
    assert load_overlay(str(path)).format_of("value") == "int5"


def test_what_does_not_go_with_an_overlay_is_refused(tmp_path: Path) -> None:
    for more, message in (
        (["--batch", "2"], "batch of an overlay is 1, not 2"),
        (["--kv-cache", "kivi"], "kv_cache does not go with an overlay"),
        (["--allocation", "a.json"], "allocation does not go with an overlay"),
        (["--recipe", "nearest"], "recipe goes with a model that has weights, not with the shapes of 'llama-2-7b'"),
        (["--model", "tiny-stdlib", "--recipe", "awq"], "recipe of an overlay is one that leaves one tensor: nearest,"),
        (["--model", "tiny-stdlib", "--recipe", "nope"], "unknown recipe 'nope'"),
        (["--model", "tiny.csv"], "a model on an overlay is a decoder of known sizes, not a topology: 'tiny.csv'"),
        (["--model", "vit-b"], "an overlay runs decoders of the families"),
        (["--sequence", "5000"], "sequence is at most the model's context of 4096 tokens, not 5000"),
    ):
        asked = ["simulate", "--design", "flightllm-u280", "--model", "llama-2-7b", "--out", str(tmp_path / "o"), *more]
        result = CliRunner().invoke(app, asked)
        assert isinstance(result.exception, InputError)
        assert message in str(result.exception)
        assert not (tmp_path / "o").exists()
