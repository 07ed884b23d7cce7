"""The whole accelerator against the model: bits, handshakes and cycles, of several kinds of designs in one build."""

import dataclasses
from pathlib import Path

import pytest

from hdl.accelerator.top import Accelerator
from hdl.bench.testbench import Dut
from hdl.export import module_texts
from hdl.tools.verilator import Bench, lint
from hdl.verify.accelerator import accelerator_vectors, verify_accelerator
from hdl.verify.example import padded_example
from hdl.verify.verdict import VerificationError
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


@dataclasses.dataclass(frozen=True)
class Built:
    """An accelerator of each design in one bench, and the Verilog files of each."""

    bench: Bench
    files: tuple[tuple[str, ...], ...]


@pytest.fixture(scope="module")
def built(build_dir: Path) -> Built:
    duts, texts, files = [], {}, []
    for i, design in enumerate(DESIGNS.values()):
        accelerator = Accelerator(design)
        parts = [*accelerator.parts, accelerator]
        for part in parts:
            if part.module_name != "dsp_slice":  # the same for all
                part.module_name = f"{part.module_name}_{i}"
        duts.append(Dut(accelerator.module_name, accelerator))
        of_design = module_texts(parts)
        files.append(tuple(of_design))
        texts |= of_design
    return Built(Bench(duts, texts, build_dir, "-O0"), tuple(files))


@pytest.mark.parametrize("patient", [True, False], ids=["free", "back pressure and reset"])
def test_every_kind(built: Built, seed: int, patient: bool) -> None:
    vectors = []
    for design, shape in zip(DESIGNS.values(), 3 * SHAPES, strict=True):
        operands, expected = padded_example(design, shape, seed)
        vectors.append(accelerator_vectors(design, blocks_of(design, *shape), operands, expected, seed, patient))
    assert built.bench.run(*vectors) == []


def test_lint_is_clean(built: Built) -> None:
    for dut, files in zip(built.bench.duts, built.files, strict=True):
        assert lint([built.bench.folder / name for name in files], dut.module) == "", dut.module


@pytest.mark.parametrize(("name", "patient"), [("shift_add", True), ("weights stay", False)])
def test_a_wrong_result_is_found_and_named(build_dir: Path, seed: int, name: str, patient: bool) -> None:
    design, shape = DESIGNS[name], (5, 19, 7)
    operands, expected = padded_example(design, shape, seed)
    assert verify_accelerator(design, shape, operands, expected, build_dir, seed, patient).results == 35
    wrong = expected.copy()
    wrong[4, 6] = -wrong[4, 6]
    with pytest.raises(VerificationError, match="accelerator: row 4, column 6 is wrong: .* m_axis_result_tdata in cycle "):
        verify_accelerator(design, shape, operands, wrong, build_dir, seed, patient)
