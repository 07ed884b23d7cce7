"""The generated hardware, fed traced operands, against the model: in every bit and every cycle, or it is said."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import shiftwise.verification as verification
from hdl.verify.example import Padded, padded_product
from hdl.verify.verdict import VerificationError
from sim.design import DesignPoint
from sim.errors import InputError


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


def test_the_preset_is_equal_on_all_pairs_and_on_traced_operands(build: Path) -> None:
    said: list[str] = []
    result = verification.verify("mixpe-w4a8", out=build, announce=said.append)
    assert result.pe.pairs == 16 * 256
    # 7 x 11 results of each product's first tiles; the groups of K = 256, 64 and 80 are 4, 1 and 2 in each of 6 tiles.
    # Random ones have 6 x 6 results in four tiles of four groups each.
    kinds = {name.partition(" ")[2].rpartition(".")[2]: verdict for name, verdict in result.products.items()}
    ways = ("array: {}", "accelerator: {}, streams that never wait", "accelerator: {}, back pressure and a reset")
    random = [way.format(f"random product in groups of {size}") for size in (1, 32, 64) for way in ways]
    assert {kind: (v.results, v.tiles, v.groups) for kind, v in kinds.items()} == {
        **dict.fromkeys(random, (36, 4, 16)),
        "q_proj": (77, 6, 24),
        "scores": (77, 6, 6),
        "values": (77, 6, 12),
    }
    assert said == list(result.found)
    assert json.loads((build / "verification.json").read_text())["pe"]["pairs"] == 4096
    suite = ElementTree.parse(build / "junit.xml").getroot()
    assert (suite.tag, suite.attrib["tests"], suite.attrib["failures"]) == ("testsuite", "13", "0")
    assert [case.attrib["name"] for case in suite] == said
    assert "Every bit is that of the model" in (build / "summary.md").read_text()


@pytest.mark.parametrize("place", [(6, 10)])
def test_one_wrong_bit_in_one_result_is_found(build: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[int, int]) -> None:
    def off_by_one_unit(*given: object) -> Padded:
        operands, results = padded_product(*given)  # type: ignore[arg-type]
        results.view(np.uint32)[place] ^= 1
        return operands, results

    monkeypatch.setattr(verification, "padded_product", off_by_one_unit)
    with pytest.raises(
        VerificationError, match=f"row {place[0]}, column {place[1]} is wrong: .*; waveform .*wave.vcd$"
    ) as caught:
        verification.verify("mixpe-w4a8", out=build, announce=lambda _: None)
    assert (build / "wave.vcd").read_text().count("$var") > 100
    assert not (build / "verification.json").exists()
    assert str(caught.value) in (build / "summary.md").read_text()
    (failure,) = ElementTree.parse(build / "junit.xml").getroot().iter("failure")
    assert failure.attrib["message"] == str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"pe": "bit_serial", "dataflow": "weight_stationary"},
            "^hardware of PEs that hold a weight is shift_add, .*, fused with 1 MAC a cycle, not bit_serial with 1/4$",
        ),
        ({"dataflow": "dot_product"}, "^hardware of arrays is output_stationary or weight_stationary, not dot_product$"),
    ],
)
def test_a_design_without_hardware_is_one_sentence(fields: dict[str, str], message: str, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(InputError, match=message):
        verification.verify(DesignPoint("test", **fields), out=tmp_path, announce=said.append)  # type: ignore[arg-type]
    assert said == []


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """As ``generate`` does: what an earlier call did not write is nobody's to mix with."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds 'notes.txt'; a new or empty one is needed, or one with nothing but a verif"):
        verification.verify("mixpe-w4a8", out=tmp_path, announce=lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
