"""The whole path on the embedded model: every bit against torch's integer GEMM, samples against Python integers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import shiftwise
from sim import reference
from sim.design import load_design
from sim.quantized import quantize_activations, quantize_weights
from workloads.checkpoint import LanguageModel
from workloads.hardware import Hardware
from workloads.model_trace import TracedProduct
from workloads.passes import Phase
from workloads.tracing import trace

DESIGN = load_design("mixpe-w4a8")
SAMPLES = 6


@pytest.fixture(scope="module", params=["prefill", "decode"])
def traced(request: pytest.FixtureRequest, tiny: LanguageModel, held_out: bytes) -> tuple[TracedProduct, ...]:
    return trace(tiny, tiny.encode(held_out), request.param, 2, 130)


def by_torch(product: TracedProduct) -> NDArray[np.float32]:
    """Group sums and row sums by torch's int8 GEMM, the rest of the formula by torch's float32 operators."""
    results = []
    for a, w in zip(product.activations, product.weights, strict=True):
        qa = quantize_activations(a, DESIGN.activation)
        qw = quantize_weights(w, DESIGN.weight, DESIGN.group_size)
        codes = torch.from_numpy(qa.codes.astype(np.uint8).view(np.int8))
        weights = torch.from_numpy(qw.codes.view(np.int8))
        total = torch.zeros(codes.shape[0], weights.shape[1])
        for group, start in enumerate(range(0, codes.shape[1], DESIGN.group_size)):
            part = slice(start, start + DESIGN.group_size)
            sums = torch._int_mm(codes[:, part].contiguous(), weights[part].contiguous())
            row_sums = codes[:, part].sum(dim=1, dtype=torch.int32)
            corrected = sums - torch.outer(row_sums, torch.from_numpy(qw.zero_point[group].astype(np.int32)))
            total = total + corrected.float() * torch.from_numpy(qw.scale[group].astype(np.float32))
        results.append((total * torch.from_numpy(qa.scale.astype(np.float32))[:, None]).numpy())
    return np.stack(results)


def by_python_integers(product: TracedProduct, index: int, m: int, n: int) -> float:
    qa = quantize_activations(product.activations[index], DESIGN.activation)
    qw = quantize_weights(product.weights[index], DESIGN.weight, DESIGN.group_size)
    return float(
        reference.output(
            [reference.integer_of(int(c), 8, signed=True) for c in qa.codes[m]],
            int(qa.scale[m].view(np.uint16)),
            [int(c) for c in qw.codes[:, n]],
            [int(s) for s in qw.scale[:, n].view(np.uint16)],
            [int(z) for z in qw.zero_point[:, n]],
            DESIGN.group_size,
        )
    )


def by_hardware(product: TracedProduct) -> NDArray[np.float32]:
    operands = (torch.from_numpy(operand) for operand in (product.activations, product.weights))
    return Hardware(DESIGN).multiply(1)(product.name, *operands).numpy()


def test_every_output_of_every_linear_layer(traced: tuple[TracedProduct, ...]) -> None:
    for product in (product for product in traced if product.kind == "linear"):
        assert np.array_equal(by_hardware(product), by_torch(product)), product.name


def test_sampled_outputs_by_python_integers(traced: tuple[TracedProduct, ...], rng: np.random.Generator) -> None:
    for product in (product for product in traced if product.kind == "linear"):
        outputs = by_hardware(product)
        for _ in range(SAMPLES):
            place = tuple(int(rng.integers(size)) for size in outputs.shape)
            assert outputs[place] == by_python_integers(product, *place), (product.name, place)


@pytest.fixture(scope="module")
def run() -> shiftwise.Simulation:
    return shiftwise.simulate(sequence=96, accuracy_bytes=1024)


def test_macs_by_hand(run: shiftwise.Simulation) -> None:
    """Per layer and token 256*(256+128+128+256) + 3*256*704, attention 4 heads * 64 * 96 twice; lm_head for the last token."""
    per_token = 256 * (256 + 128 + 128 + 256) + 3 * 256 * 704 + 2 * 4 * 64 * 96
    assert run.summary["macs"] == 5 * 96 * per_token + 256 * 256


@pytest.mark.parametrize("name", ["macs", "dram_cycles"])
def test_totals_are_the_sums_of_the_layers(run: shiftwise.Simulation, name: str) -> None:
    assert run.summary[name] == run.layers[name].sum()


def test_where_the_cycles_go_adds_up(run: shiftwise.Simulation) -> None:
    """Every cycle of the run is one of the array's, or one in which only the vector unit works."""
    losses, array = run.summary["cycle_losses"], run.layers[run.layers.unit == "array"]
    assert sum(losses.values()) == run.summary["cycles"] == run.layers.end.max()
    assert run.summary["compute_cycles"] == (array.ideal_cycles + array.edge_cycles + array.fill_cycles).sum()
    assert run.summary["compute_cycles"] + run.summary["stall_cycles"] + losses["vector"] == run.summary["cycles"]
    parts = array.ideal_cycles + array.edge_cycles + array.fill_cycles + array.stall_cycles
    assert (parts == array.cycles).all()
    assert losses["ideal"] == array.ideal_cycles.sum() >= run.summary["macs"] / 1024
    assert losses["memory"] == (array.stall_cycles + array.dram_wait_cycles).sum()
    assert (array.end - array.start == array.cycles + array.wait_cycles).all()


def test_traffic_by_tensor_adds_up(run: shiftwise.Simulation) -> None:
    counts = run.summary["counts"]
    bits = 8 * run.summary["dram_bytes"]
    assert counts["dram_read"] + counts["dram_write"] - 8 < bits <= counts["dram_read"] + counts["dram_write"]
    parts = run.summary["dram_bytes_by_tensor"]
    assert run.summary["dram_bytes"] - len(parts) <= sum(parts.values()) <= run.summary["dram_bytes"]
    for name in ("weight", "activation", "output"):
        moved = counts[f"{name}_buffer_read"] + counts[f"{name}_buffer_write"]
        assert run.summary["buffer_bytes"][name] == moved // 8


def test_every_traced_product_is_among_the_operators(traced: tuple[TracedProduct, ...], tiny: LanguageModel) -> None:
    """Names and sizes of the meta device's products are those of the real pass, in the same order."""
    phase = "decode" if traced[0].activations.shape[1] == 2 else "prefill"
    operators = shiftwise.shapes(str(tiny.folder), phase, 2, 130).products
    assert [(p.name, p.m, p.k, p.n, p.count) for p in operators] == [
        (t.shape.name, t.shape.m, t.shape.k, t.shape.n, t.shape.count) for t in traced
    ]


def test_the_summary_has_what_readers_count_on(run: shiftwise.Simulation) -> None:
    named = (
        "model design phase batch sequence macs cycles time_s utilization tokens_per_s energy_J area dram_bytes bound sources"
    )
    assert set(named.split()) <= run.summary.keys()
    assert {"total", "pe", "vector", "sram", "dram", "static"} == run.summary["energy_J"].keys()
    assert {"unit", "total", "pe", "sram"} <= run.summary["area"].keys()
    assert run.summary["tokens_per_s"] == 96 / run.summary["time_s"]
    assert run.summary["time_s"] == run.summary["cycles"] / 500e6


def test_the_same_run_twice_is_the_same(run: shiftwise.Simulation, tmp_path: Path) -> None:
    again = shiftwise.simulate(sequence=96, accuracy_bytes=1024)
    for folder, result in (("a", run), ("b", again)):
        result.write(tmp_path / folder)
    for name in ("summary.json", "layers.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["cycles"] == run.summary["cycles"]


def test_quantization_costs_accuracy_but_little(run: shiftwise.Simulation) -> None:
    """W4A8 in groups of 64 loses a few percent at most on language models (QServe, arXiv 2405.04532, table 2)."""
    accuracy = run.summary["accuracy"]
    assert accuracy["float_bits_per_byte"] < accuracy["hardware_bits_per_byte"] < 1.1 * accuracy["float_bits_per_byte"]


def test_more_bits_are_more_accurate() -> None:
    by_design = {
        name: shiftwise.simulate(name, sequence=8, accuracy_bytes=2048) for name in ("mixpe-w3a8", "mixpe-w4a8", "mixpe-w8a8")
    }
    losses = [run.summary["accuracy"]["hardware_bits_per_byte"] for run in by_design.values()]
    assert losses == sorted(losses, reverse=True)
    noise = [run.layers.sqnr_dB.mean() for run in by_design.values()]
    assert noise == sorted(noise)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_a_design_of_ones_own(phase: Phase) -> None:
    design = shiftwise.DesignPoint("mine", rows=8, columns=16, weight_format="int5", activation_format="int6", group_size=48)
    run = shiftwise.simulate(design, phase=phase, sequence=20, accuracy_bytes=100)
    assert run.summary["design"] == "mine"
    assert run.summary["area"]["total"] > 0
    assert run.summary["sources"]["area on sky130"].startswith("fitted: "), "nobody has synthesised it"
    assert run.summary["cycles"] >= run.summary["macs"] / 128
