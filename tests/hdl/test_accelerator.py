"""The whole accelerator against the model: bits, handshakes and cycles, of several kinds of designs in one build."""

import dataclasses
from pathlib import Path

import pytest

from hdl.accelerator.top import Accelerator
from hdl.bench.testbench import Dut
from hdl.example import padded_example
from hdl.export import module_texts
from hdl.verdict import VerificationError
from hdl.verify_accelerator import accelerator_vectors, verify_accelerator
from hdl.verilator import Bench, lint
from sim.accelerator import blocks_of
from sim.design import DesignPoint

SMALL = DesignPoint("small", rows=2, columns=3, group_size=8, weight_buffer_kib=1, activation_buffer_kib=1, output_buffer_kib=1)
STATIONARY = dataclasses.replace(SMALL, rows=4, dataflow="weight_stationary")
DESIGNS = {
    "shift_add": SMALL,
    "not double-buffered": dataclasses.replace(SMALL, double_buffered=False),
    "bit_serial": dataclasses.replace(SMALL, pe="bit_serial", rows=3, columns=2),
    "lanes": dataclasses.replace(SMALL, pe="dsp_packed", weight_format="uint4", activation_format="int4", columns=2),
    "no zero points": dataclasses.replace(SMALL, pe="minifloat", weight_format="e2m1", activation_format="e4m3", rows=1),
    "waits for its group": dataclasses.replace(SMALL, pe="mixed", activation_format="e4m3", accumulator="aligned2"),
    "one PE": dataclasses.replace(SMALL, rows=1, columns=1),
    "weights stay": STATIONARY,
    "folds of floats": dataclasses.replace(STATIONARY, pe="mixed", activation_format="e4m3", rows=3),
    "one stationary PE": dataclasses.replace(STATIONARY, rows=1, columns=1),
    "loads after streams": dataclasses.replace(STATIONARY, double_buffered=False, columns=5),
    "a fold is a group": dataclasses.replace(STATIONARY, pe="shift_only", weight_format="apot5", group_size=3),
}
SHAPES = [(5, 19, 7), (1, 1, 1), (49, 9, 23), (3, 699, 4)]
"""An edge everywhere; the least; several blocks; a reduction that does not fit."""


@pytest.mark.parametrize("patient", [True, False], ids=["free", "back pressure and reset"])
def test_every_kind(build_dir: Path, seed: int, patient: bool) -> None:
    duts, texts, vectors = [], {}, []
    for i, (design, shape) in enumerate(zip(DESIGNS.values(), 3 * SHAPES, strict=True)):
        accelerator = Accelerator(design)
        parts = [*accelerator.parts, accelerator]
        for part in parts:
            if part.module_name != "dsp_slice":  # the same for all
                part.module_name = f"{part.module_name}_{i}"
        duts.append(Dut(accelerator.module_name, accelerator))
        texts |= module_texts(parts)
        operands, expected = padded_example(design, shape, seed)
        vectors.append(accelerator_vectors(design, blocks_of(design, *shape), operands, expected, seed, patient))
    assert Bench(duts, texts, build_dir, "-O0").run(*vectors) == []


@pytest.mark.parametrize("name", ["shift_add", "lanes", "weights stay"])
@pytest.mark.parametrize("patient", [True, False])
def test_a_wrong_result_is_found_and_named(build_dir: Path, seed: int, name: str, patient: bool) -> None:
    design, shape = DESIGNS[name], (5, 19, 7)
    operands, expected = padded_example(design, shape, seed)
    assert verify_accelerator(design, shape, operands, expected, build_dir, seed, patient).results == 35
    wrong = expected.copy()
    wrong[4, 6] = -wrong[4, 6]
    with pytest.raises(VerificationError, match="accelerator: row 4, column 6 is wrong: .* m_axis_result_tdata in cycle "):
        verify_accelerator(design, shape, operands, wrong, build_dir, seed, patient)


def test_lint_is_clean(tmp_path: Path) -> None:
    for design in DESIGNS.values():
        accelerator = Accelerator(design)
        folder = tmp_path / design.pe / str(design.rows)
        folder.mkdir(parents=True, exist_ok=True)
        texts = module_texts([*accelerator.parts, accelerator])
        paths = [folder / name for name in texts]
        for path in paths:
            path.write_text(texts[path.name])
        assert lint(paths, accelerator.module_name) == "", design
