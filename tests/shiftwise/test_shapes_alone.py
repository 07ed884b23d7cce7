"""Models without weights, topologies, and a KV cache in a format of its own, through the front door."""

from pathlib import Path

import pytest

import shiftwise
from shiftwise import DesignPoint, InputError

W4A8 = DesignPoint("plain", memory="hbm2_peak")


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_model_of_70_billion_parameters(phase: str) -> None:
    """MACs by hand: weights once for each token, keys and values of 64 heads of 128 at a context of 64 tokens.

    A layer of LLaMA-2-70B has 2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672 weights (arXiv 2307.09288: 80 layers, 8 KV heads
    of 128); the head, 8192 x 32000, is computed for the last token only.
    """
    run = shiftwise.simulate(W4A8, "llama-2-70b", phase, sequence=64)  # type: ignore[arg-type]
    tokens = 64 if phase == "prefill" else 1
    layer = 2 * 8192**2 + 2 * 8192 * 1024 + 3 * 8192 * 28672
    assert run.summary["macs"] == 80 * tokens * (layer + 2 * 64 * 128 * 64) + 8192 * 32000
    assert run.summary["parameters"] == 68_976_648_192  # the model card's 69 B: 80 layers, two embeddings, 161 norms
    assert run.summary["accuracy"] is None
    assert run.layers.sqnr_dB.isna().all()
    assert run.summary["tokens"] == tokens
    weights = 80 * layer + 8192 * 32000
    loaded = run.summary["dram_bytes_by_tensor"]["weights"] * 8
    assert loaded >= weights * (4 + 20 / 64), "4-bit codes, and 20 bits of scale and zero point for each group of 64"
    if phase == "decode":
        assert loaded < weights * (4 + 20 / 64) * 1.0001, "each weight once"


def test_a_cache_in_its_own_format() -> None:
    """Keys and values of a decode step at 512 tokens: 22 layers x 4 KV heads x 512 x 64, in groups of 64 along the reduction.

    uint4: 4 + (16 + 4) / 64 bits a number, int8: 8 + 16 / 64 (TinyLlama: arXiv 2401.02385, table 2).
    """
    numbers = 22 * 4 * 512 * 64
    for kv_format, bits in (("as_weights", 4 + 20 / 64), ("int8", 8 + 16 / 64)):
        design = DesignPoint("cache", kv_format=kv_format, memory="hbm2_peak")
        moved = shiftwise.simulate(design, "tinyllama-1.1b", "decode", sequence=512).summary["dram_bytes_by_tensor"]
        assert moved["keys"] == moved["values"] == numbers * bits / 8
        assert moved["weights"] == moved["weights"]


def test_a_topology_goes_in_and_out(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    products = shiftwise.shapes("opt-125m", "decode", 2, 33).products
    shiftwise.write_topology(products, path)
    run = shiftwise.simulate(W4A8, str(path))
    assert run.summary["macs"] == sum(product.macs for product in products)
    assert run.summary["model"] == "net"
    assert run.summary["parameters"] is None
    assert [run.summary[name] for name in ("tokens", "tokens_per_s", "energy_per_token_J")] == [None] * 3
    assert run.summary["passes_per_s"] == 1 / run.summary["time_s"]
    text = run.write(tmp_path / "report").read_text()
    assert "passes/s" in text and "Energy per pass" in text
    assert "token" not in text[text.index("<body>") : text.index("<footer>")].partition("Where the cycles go")[0]
    with pytest.raises(InputError, match="decode"):
        shiftwise.simulate(W4A8, str(path), "decode")


def test_an_image_has_its_own_length() -> None:
    """ViT-B/16 at 224 x 224: 14 x 14 patches and the class token (arXiv 2010.11929)."""
    run = shiftwise.simulate(W4A8, "vit-b")
    assert (run.summary["tokens"], run.summary["sequence"]) == (197, 197)
    with pytest.raises(InputError, match="197"):
        shiftwise.simulate(W4A8, "vit-b", sequence=512)


def test_the_report_of_shapes_alone(tmp_path: Path) -> None:
    report = shiftwise.simulate("edge-w4a8", "qwen2.5-0.5b", "decode", sequence=100).write(tmp_path)
    text = report.read_text()
    assert "edge-w4a8" in text and "qwen2.5-0.5b" in text


def test_a_study_is_written(tmp_path: Path) -> None:
    found = shiftwise.reproduce("mixpe", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mixpe.csv", "mixpe.md"]
    assert len(found.table) == 4 * 6


@pytest.mark.parametrize("dataflow", ["output_stationary", "weight_stationary", "input_stationary", "dot_product"])
def test_events_are_within_reach(dataflow: str) -> None:
    """The array register by register, from the public package: the last result is where the closed form says."""
    import numpy as np

    design = DesignPoint("events", rows=4, columns=3, dataflow=dataflow)
    rng = np.random.default_rng(1)
    events = shiftwise.simulate_events(design, rng.integers(-128, 128, (9, 70)), rng.integers(0, 16, (70, 5)))
    assert events.result_cycles.max() + 1 == design.array.compute_cycles(9, 70, 5) + design.array.drain_cycles
    assert events.busy.shape == (4, 3)
    assert events.busy.sum() == 9 * 70 * 5
