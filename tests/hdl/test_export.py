"""Exported files: reproducible, clean under lint, and of the widths that the design point names."""

import dataclasses
import json
from pathlib import Path

import pytest

from hdl.export import design_hash, verilog_modules, write_design
from hdl.pe import has_hardware
from hdl.verilator import lint
from sim.design import PRESETS, DesignPoint, load_design

SMALL = DesignPoint("small", rows=2, columns=3, group_size=32)


def test_text_is_the_same_in_every_run() -> None:
    assert verilog_modules(SMALL) == verilog_modules(SMALL)


def test_files_and_manifest(tmp_path: Path) -> None:
    export = write_design(SMALL, tmp_path / "new" / "folder")
    names = ["shift_add_pe.v", "row_sum.v", "epilogue.v", "array_2x3.v", "manifest.json"]
    assert [file.name for file in export.files] == names
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == sorted(names)
    manifest = json.loads(export.files[-1].read_text())
    assert manifest["top"] == export.top == "array_2x3"
    assert manifest["design_sha256"] == design_hash(SMALL) != design_hash(dataclasses.replace(SMALL, group_size=64))
    assert manifest["latency_cycles"] == {"shift_add": 2, "row_sum": 2, "epilogue": 6, "result": 8}
    for name, module in manifest["modules"].items():
        text = (tmp_path / "new" / "folder" / module["file"]).read_text()
        for port, fields in module["ports"].items():
            width = f"[{fields['width'] - 1}:0] " if fields["width"] > 1 else ""
            assert f"\n  {fields['direction']}put {width}{port};\n" in text, f"{name}.{port}"


@pytest.mark.parametrize("preset", list(filter(has_hardware, map(load_design, PRESETS))), ids=lambda d: d.name)
def test_lint_is_clean_and_widths_are_those_of_the_design(preset: DesignPoint, tmp_path: Path) -> None:
    design = dataclasses.replace(preset, rows=2, columns=3)
    export = write_design(design, tmp_path)
    assert lint([file for file in export.files if file.suffix == ".v"], export.top) == ""
    widths = {
        f"{design.pe}_pe": {"sum": design.accumulator_bits, "weight": design.weight.bits, "activation": design.activation.bits},
        "row_sum": {"sum": design.row_sum_bits, "activation": design.activation.bits},
        "epilogue": {"sum": design.accumulator_bits, "row_sum": design.row_sum_bits, "zero_point": design.zero_point_bits},
        "array_2x3": {"weight_2": design.weight.bits, "activation_1": design.activation.bits, "result_2": 32},
    }
    modules = json.loads(export.files[-1].read_text())["modules"]
    assert modules.keys() == widths.keys()
    for name, expected in widths.items():
        ports = modules[name]["ports"]
        assert {port: ports[port]["width"] for port in expected} == expected
        assert {port for port, fields in ports.items() if fields["signed"]} == {"sum", "row_sum", "row_sum_out"} & ports.keys()


def test_lint_is_clean_of_an_array_of_one(tmp_path: Path) -> None:
    export = write_design(dataclasses.replace(SMALL, rows=1, columns=1), tmp_path)
    assert lint([file for file in export.files if file.suffix == ".v"], export.top) == ""
