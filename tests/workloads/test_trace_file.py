"""Traces in files: read as they were written, by another library too, and refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from sim.errors import InputError
from workloads.checkpoint import LanguageModel
from workloads.model_trace import ModelTrace
from workloads.shapes import shapes
from workloads.trace_file import KEY, load_trace, save_trace
from workloads.tracing import trace_model


@pytest.fixture(scope="module")
def found(tiny: LanguageModel, held_out: bytes) -> ModelTrace:
    return trace_model(tiny, tiny.encode(held_out[:64]), "prefill", 2, 6, keep_operands=True)


@pytest.fixture
def file(found: ModelTrace, tmp_path: Path) -> Path:
    save_trace(found, tmp_path / "trace.safetensors")
    return tmp_path / "trace.safetensors"


def test_a_trace_is_read_as_it_was_written(found: ModelTrace, file: Path) -> None:
    again = load_trace(file)
    assert again.operators == found.operators
    for name in ("name", "parameters", "sequence", "tokens", "unknown"):
        assert getattr(again, name) == getattr(found, name)
    assert again.operands.keys() == found.operands.keys()
    for place, pair in found.operands.items():
        assert all(map(np.array_equal, pair, again.operands[place]))
    assert len(again.traced) == len(found.products) == 46


def test_sizes_alone_are_a_trace_too(tmp_path: Path) -> None:
    sizes = shapes("opt-125m", "decode", 1, 32)
    save_trace(sizes, tmp_path / "trace.safetensors")
    assert load_trace(tmp_path / "trace.safetensors") == sizes


def test_the_file_says_what_it_is_to_any_reader(file: Path, tiny: LanguageModel) -> None:
    """Weights under the place of their operator; shares of the multiply-accumulates add up to all of them."""
    with safe_open(file, framework="pt") as opened:
        told = json.loads(opened.metadata()[KEY])
        names = [row["name"] for row in told["operators"]]
        weights = opened.get_tensor(f"{names.index('model.layers.3.mlp.up_proj')}.weights")
    assert torch.equal(weights[0].T, tiny.network.model.layers[3].mlp.up_proj.weight)
    assert sum(row["share"] for row in told["operators"]) == pytest.approx(1, abs=1e-12)
    row = told["operators"][names.index("lm_head")]
    assert (row["m"], row["k"], row["n"], row["count"]) == (2, 256, 256, 1)


def test_shares_are_of_all_that_is_known() -> None:
    trace = ModelTrace("", 0, shapes("opt-125m").operators, 1, 1, unknown={"fft": 10, "_scaled_mm": 30})
    assert trace.not_understood == {"_scaled_mm": 30 / (trace.macs + 40), "fft": 10 / (trace.macs + 40)}
    assert sum(trace.shares) + sum(trace.not_understood.values()) == pytest.approx(1)


Change = Callable[[dict[str, Any], dict[str, Any], int], object]

WRONG: dict[str, tuple[Change, str]] = {
    "version": (lambda told, _, _p: told.update(version=2), "its version is 2"),
    "no operators": (lambda told, _, _p: told.pop("operators"), "lacks 'operators'"),
    "operators": (lambda told, _, _p: told.update(operators=7), "not iterable"),
    "field": (lambda told, _, _p: told["operators"][0].update(colour=1), "colour"),
    "size": (lambda told, _, p: told["operators"][p].update(m="7; import os"), "has a name and counts"),
    "no size": (lambda told, _, p: told["operators"][p].update(m=0), "at least 1"),
    "kind": (lambda told, _, _p: told["operators"][0].update(kind="magic"), "unknown kind"),
    "inputs": (lambda told, _, p: told["operators"][p].update(inputs=[p]), "come before it"),
    "tokens": (lambda told, _, _p: told.update(tokens=-1), "a name and counts are needed"),
    "tensor's name": (lambda _, tensors, _p: tensors.update(a=np.zeros(1)), "called as 7.activations"),
    "place": (lambda _, tensors, _p: tensors.update({"9999.weights": np.zeros(1)}), "which operator 9999 is not"),
    "half": (lambda _, tensors, p: tensors.pop(f"{p}.weights"), "lacks '.*weights'"),
    "shape": (lambda _, t, p: t.update({f"{p}.weights": np.zeros((1, 2, 3), np.float32)}), r"of shape \(1, 256, 256\)"),
    "infinite": (lambda _, t, p: t[f"{p}.weights"].fill(np.inf), "finite numbers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_trace(file: Path, found: ModelTrace, name: str) -> None:
    change, reason = WRONG[name]
    tensors = load_file(file)
    with safe_open(file, framework="numpy") as opened:
        told = json.loads(opened.metadata()[KEY])
    change(told, tensors, min(found.operands))
    save_file(tensors, file, metadata={KEY: json.dumps(told)})
    with pytest.raises(InputError, match=reason) as caught:
        load_trace(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: "),
        (b"", "is not a trace, which is a whole safetensors file"),
        (b"\x80\x04cos\nsystem\n", "is not a trace, which is a whole safetensors file"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "its metadata have 'shiftwise_trace', which this file has not"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "x.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        load_trace(path)


def test_a_truncated_trace(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a trace, which is a whole safetensors file"):
        load_trace(file)


def test_metadata_that_are_no_json(tmp_path: Path) -> None:
    save_file({}, tmp_path / "x", metadata={KEY: "{"})
    with pytest.raises(InputError, match="is not a trace of version 1"):
        load_trace(tmp_path / "x")
