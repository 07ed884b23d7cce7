"""The scaled-down accelerator that is generated of an overlay: its files, and its programs as the models have them."""

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shiftwise
from hdl.delivery import write_design
from hdl.overlay.scaled_down import NEW, scaled_down
from hdl.tools.verilator import environment
from hdl.verify.overlay import program_vectors
from hdl.verify.overlay_example import example_program, sizes
from sim.errors import InputError
from sim.overlay.design import OverlayDesign, load_overlay
from tests.hdl.overlay.programs import as_simulated

LIBERTY = "library(none) {}"
OWN = OverlayDesign("own", chain=4, sparse=False, kept=16, group_size=32, weight_format="uint4", formats=(("value", "int5"),))

PER_BLOCK = OverlayDesign("per_block", per_block=True, kept=6)


@pytest.mark.parametrize("new", NEW)
def test_its_programs(new: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vectors expect what the interpreter leaves in memory, when the simulator says."""
    design, rng = scaled_down(OWN), np.random.default_rng(seed)
    example = example_program(design, new, rng)
    vectors, run = program_vectors(design, example.memory, example.program, example.buffers, rng)
    as_simulated(example.program, vectors, run, example.memory, monkeypatch)


@pytest.mark.parametrize(
    "change",
    [
        *({"per_block": True, "kept": kept} for kept in range(1, 9)),
        *({"kept": kept} for kept in (2, 4)),
        {"per_block": True, "kept": 3, "group_size": 128},
    ],
    ids=str,
)
def test_every_budget(change: dict[str, Any], seed: int) -> None:
    """A program's weights are pruned to it, and slots hold them and a head's keys."""
    design = scaled_down(OverlayDesign("own", **change))
    assert len(example_program(design, max(NEW), np.random.default_rng(seed)).program)


@pytest.mark.parametrize(
    ("kept", "group_size", "most"), [(2, 1024, 256), (8, 256, 128), (16, 256, 128)], ids=("kept 2", "kept 8", "kept 16")
)
def test_the_longest_groups(kept: int, group_size: int, most: int) -> None:
    """Of 1024 a cell of two is 128 blocks, and of the others the example's weights are more than half a MiB."""
    design = OverlayDesign("own", group_size=group_size, kept=kept)
    with pytest.raises(InputError, match=f"16,384 words of memory, so group_size is at most {most}, not {group_size}"):
        scaled_down(design)
    small = scaled_down(replace(design, group_size=most))
    example = example_program(small, max(NEW), np.random.default_rng(0))
    memory, *_ = sizes(small)
    assert memory // 2 < len(example.memory) // 32 <= memory <= 16_384


def test_files_and_manifest(tmp_path: Path) -> None:
    export = write_design(scaled_down(OWN), tmp_path, LIBERTY)
    manifest = json.loads(export.files[-1].read_text())
    assert manifest["top"] == export.top == "overlay"
    assert manifest["scaled_down"].startswith("own scaled down: 1 unit of 2 vector units with chains of 4, 2 slots of ")
    assert manifest["design"]["vector_units"] == 2
    assert {"vector_unit", "chain", "dispatcher", "load_unit", "engine_unit", "memory"} < manifest["modules"].keys()
    names = {file.name for file in export.files}
    assert names == {path.name for path in tmp_path.iterdir()} == {*manifest["files"], "manifest.json"}
    assert {"bench.v", "vector_unit.vectors", "overlay.vectors", "vivado.tcl", "yosys_xcup.ys", "cells.lib"} < names
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    vivado = (tmp_path / "vivado.tcl").read_text()
    assert "cascade_slice_dsp48e2.v" in vivado
    assert "cascade_slice.v" not in vivado


@pytest.mark.exhaustive
@pytest.mark.parametrize("design", [load_overlay("flightllm-u280"), OWN, PER_BLOCK], ids=lambda design: design.name)
def test_the_bench_passes(design: OverlayDesign, tmp_path: Path) -> None:
    export = write_design(scaled_down(design), tmp_path, LIBERTY)
    command = json.loads(export.files[-1].read_text())["bench"]["run"]
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "PASS" in done.stdout.splitlines()


def test_what_cannot_be_generated(tmp_path: Path) -> None:
    design = tmp_path / "own.toml"
    design.write_text('name = "own"\nvector_units = 4\nchain = 2\n')
    with pytest.raises(InputError, match="hardware of an overlay with multiplexers has a chain of 4 or 8, not of 2"):
        shiftwise.generate(str(design), tmp_path / "out")
    with pytest.raises(InputError, match="hardware of an overlay has the element dsp or shift_add, not fp16_tree"):
        shiftwise.generate("dfx-u280", tmp_path / "out")
    assert not (tmp_path / "out").exists()
