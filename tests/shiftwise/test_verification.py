"""The generated hardware, fed traced operands, against the model: in every bit and every cycle, or it is said."""

import json
from pathlib import Path

import numpy as np
import pytest

import shiftwise.verification as verification
from hdl.verdict import VerificationError
from sim.design import DesignPoint
from sim.errors import InputError
from sim.kernels.product import matrix_product


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


def test_the_preset_is_equal_on_all_pairs_and_on_traced_operands(build: Path, tmp_path: Path) -> None:
    said: list[str] = []
    result = verification.verify("mixpe-w4a8", build_dir=build, announce=said.append)
    assert result.pe.pairs == 16 * 256
    # 7 x 11 results of each product's first tiles; the groups of K = 256, 64 and 80 are 4, 1 and 2 in each of 6 tiles.
    kinds = {name.rpartition(".")[2]: verdict for name, verdict in result.products.items()}
    assert {kind: (v.results, v.tiles, v.groups) for kind, v in kinds.items()} == {
        "q_proj": (77, 6, 24),
        "scores": (77, 6, 6),
        "values": (77, 6, 12),
    }
    assert len(said) == 4
    assert json.loads(result.write(tmp_path).read_text())["pe"]["pairs"] == 4096


@pytest.mark.parametrize("place", [(0, 0), (6, 10)])
def test_one_wrong_bit_in_one_result_is_found(build: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[int, int]) -> None:
    def off_by_one_unit(*operands: object) -> np.ndarray:
        result = matrix_product(*operands)  # type: ignore[arg-type]
        result.view(np.uint32)[place] ^= 1
        return result

    monkeypatch.setattr(verification, "matrix_product", off_by_one_unit)
    with pytest.raises(VerificationError, match=f"row {place[0]}, column {place[1]} "):
        verification.verify("mixpe-w4a8", build_dir=build, announce=lambda _: None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pe": "fused"}, "^PE kinds with hardware are .*, dsp_packed, not fused$"),
        ({"dataflow": "weight_stationary"}, "^hardware of arrays is output_stationary and double-buffered, not weight_stat"),
    ],
)
def test_a_design_without_hardware_is_one_sentence(fields: dict[str, str], message: str, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(InputError, match=message):
        verification.verify(DesignPoint("test", **fields), build_dir=tmp_path, announce=said.append)  # type: ignore[arg-type]
    assert said == []
