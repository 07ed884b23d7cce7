"""Exported files: reproducible, clean under lint, and of the widths that the design point names."""

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from costmodel.synthesis.liberty import sky130_liberty
from hdl.bench.vectors import COUNT_BYTES, input_widths, output_widths
from hdl.delivery import Export, design_hash, write_design
from hdl.export import components, verilog_modules
from hdl.pe import has_hardware
from hdl.scripts import YOSYS_FLOWS
from hdl.tools.verilator import environment, lint
from hdl.tools.yosys import find_yosys
from hdl.verify.example import example_vectors
from sim.accelerator.depths import OPERANDS
from sim.design import PRESETS, DesignPoint, load_design
from sim.errors import InputError

LIBERTY = "library(none) {}"

SMALL = DesignPoint("small", rows=2, columns=3, group_size=32)


def test_every_byte_is_the_same_in_every_run(tmp_path: Path) -> None:
    first, second = (write_design(SMALL, tmp_path / name, LIBERTY) for name in ("a", "b"))
    assert [file.read_bytes() for file in first.files] == [file.read_bytes() for file in second.files]
    assert verilog_modules(SMALL) == verilog_modules(SMALL)


def test_files_and_manifest(tmp_path: Path) -> None:
    export = write_design(SMALL, tmp_path / "new" / "folder", LIBERTY)
    names = ["shift_add_pe.v", "row_sum.v", "epilogue.v", "array_2x3.v"]
    names += [f"{pad}_{what}.v" for pad in OPERANDS for what in ("ram", "scratchpad")]
    names += ["controller.v", "result_ram.v", "result_buffer.v", "accelerator.v"]
    names += ["bench.v", "yosys_xcup.ys", "yosys_ecp5.ys", "yosys_cells.ys", "vivado.tcl", "cells.lib"]
    names += ["shift_add_pe.vectors", "accelerator.vectors", "manifest.json"]
    assert [file.name for file in export.files] == names
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == sorted(names)
    manifest = json.loads(export.files[-1].read_text())
    assert manifest["top"] == export.top == "accelerator"
    assert manifest["design_sha256"] == design_hash(SMALL) != design_hash(dataclasses.replace(SMALL, group_size=64))
    assert manifest["latency_cycles"] == {"shift_add": 2, "row_sum": 2, "epilogue": 6, "result": 8}
    assert list(manifest["files"]) == names[:-1]
    for file in export.files[:-1]:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == manifest["files"][file.name]
    for name, module in manifest["modules"].items():
        text = (tmp_path / "new" / "folder" / module["file"]).read_text()
        for port, fields in module["ports"].items():
            width = f"[{fields['width'] - 1}:0] " if fields["width"] > 1 else ""
            assert f"\n  {fields['direction']}put {width}{port};\n" in text, f"{name}.{port}"


@pytest.mark.parametrize("preset", list(filter(has_hardware, map(load_design, PRESETS))), ids=lambda d: d.name)
def test_lint_is_clean_and_widths_are_those_of_the_design(preset: DesignPoint, tmp_path: Path) -> None:
    design = dataclasses.replace(preset, rows=4, columns=3)
    export = write_design(design, tmp_path, LIBERTY)
    assert lint(modules_of(export), export.top) == ""
    stays = design.dataflow == "weight_stationary"
    pe, row_sum = (f"{design.pe}_stationary_pe", "row_sum_stage") if stays else (f"{design.pe}_pe", "row_sum")
    widths = {
        pe: {"sum": design.accumulator_bits, "weight": design.weight.bits, "activation": design.activation.bits},
        row_sum: {"sum": design.row_sum_bits, "activation": design.activation.bits},
        "epilogue": {"sum": design.accumulator_bits, "row_sum": design.row_sum_bits, "zero_point": design.zero_point_bits},
        "array_4x3": {"weight_2": design.weight.bits, "activation_3": design.activation.bits, "result_2": 32},
        "accelerator": {"s_axis_weight_tdata": -(-3 * design.weight.bits // 8) * 8, "m_axis_result_tdata": 96},
        **({"foot": {"total": design.accumulator_bits}, "row_sum_foot": {"total": design.row_sum_bits}} if stays else {}),
    }
    if not design.has_zero_points:
        del widths[row_sum], widths["epilogue"]["row_sum"], widths["epilogue"]["zero_point"]
    numbers = set() if design.element.accumulation.is_float else {"sum", "sum_above", "total", "row_sum", "row_sum_out"}
    modules = json.loads(export.files[-1].read_text())["modules"]
    assert modules.keys() >= widths.keys()
    assert (row_sum in modules) == design.has_zero_points
    for name, expected in widths.items():
        ports = modules[name]["ports"]
        assert {port: ports[port]["width"] for port in expected} == expected
        assert {port for port, fields in ports.items() if fields["signed"]} == numbers & ports.keys()


def test_lint_is_clean_of_an_array_of_one(tmp_path: Path) -> None:
    export = write_design(dataclasses.replace(SMALL, rows=1, columns=1), tmp_path, LIBERTY)
    assert lint(modules_of(export), export.top) == ""


def modules_of(export: Export) -> list[Path]:
    """Files of the design's modules."""
    modules = json.loads(export.files[-1].read_text())["modules"].values()
    return [export.files[0].parent / module["file"] for module in modules]


def test_an_earlier_design_is_replaced_and_nothing_else_is_touched(tmp_path: Path) -> None:
    write_design(dataclasses.replace(SMALL, rows=1), tmp_path, LIBERTY)
    export = write_design(SMALL, tmp_path, LIBERTY)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in export.files}
    (tmp_path / "thesis.tex").write_text("mine")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(InputError, match="holds 'thesis.tex'; a new or empty one is needed"):
        write_design(SMALL, tmp_path, LIBERTY)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_the_bench_runs_by_the_manifests_command_without_python(tmp_path: Path) -> None:
    """It passes; and with one bit of an expected output inverted it names the output and its cycle, and fails."""
    export = write_design(SMALL, tmp_path, LIBERTY)
    command = json.loads(export.files[-1].read_text())["bench"]["run"]

    def run(line: str, status: bool) -> list[str]:
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == status, done.stderr
        return [said for said in done.stdout.splitlines() if said == "PASS" or said == "FAIL" or "accelerator" in said]

    assert run(command, True)[-1] == "PASS"
    vectors = tmp_path / "accelerator.vectors"
    whole = vectors.read_bytes()
    data = bytearray(whole)
    (dut, given) = example_vectors(SMALL, components(SMALL))[1]
    port = "m_axis_result_tdata"
    size, cycle = dut.word_bytes, int(np.flatnonzero(given.checked[port])[5])
    outputs = output_widths(dut.component)
    before = list(outputs)[: list(outputs).index(port)]
    place = sum(input_widths(dut.component).values()) + sum(outputs[name] for name in before)
    data[COUNT_BYTES + cycle * size + size - 1 - place // 8] ^= 1 << place % 8
    vectors.write_bytes(data)
    wrong, verdict = run("obj_dir/Vbench", False)[:2]
    assert wrong.startswith(f"accelerator: {port} in cycle {cycle} is ")
    assert verdict == "FAIL"
    for cut, said in (
        (len(data) - size // 2, f"has {given.cycles - 1} words, not {given.cycles}"),
        (0, "is not here, or empty"),
    ):
        vectors.write_bytes(whole[:cut])
        missing, verdict = run("obj_dir/Vbench", False)[:2]
        assert missing == f"accelerator: the file accelerator.vectors {said}"
        assert verdict == "FAIL"
    vectors.unlink()
    assert run("obj_dir/Vbench", False)[:2] == [missing, "FAIL"]


@pytest.mark.parametrize("target", YOSYS_FLOWS)
def test_the_yosys_scripts_run(target: str, tmp_path: Path) -> None:
    tiny = dataclasses.replace(SMALL, rows=1, columns=1, weight_buffer_kib=1, activation_buffer_kib=1, output_buffer_kib=1)
    export = write_design(tiny, tmp_path, sky130_liberty())
    find_yosys().run(f"script yosys_{target}.ys", {}, tmp_path)
    assert export.top == "accelerator"
