"""MixPE's study on equal areas: sizes of PEs from the measured rows, arrays and cycles by hand."""

import csv
import math
from pathlib import Path

import pytest

import costmodel
from reports.mixpe import MODELS, STUDY
from reports.mixpe_area import ROWS, area_finding, area_study, fitting_columns, measured_design, on_area, pe_area
from reports.mixpe_tables import PROPOSED, RIVALS

ROWS_MEASURED = Path(costmodel.__file__).parent / "data" / "measured.csv"
PES = {
    "FP16": ("multiplier", "fp16", "fp16", "fp32"),
    "INT8": ("multiplier", "int8", "int8", "exact"),
    "Bit Fusion": ("fused", "int4", "int4", "exact"),
    "ANT": ("fused", "int4", "int4", "exact"),
    "W4A16": ("shift_add_float", "uint4", "fp16", "fp32"),
    "W4A8": ("shift_add", "uint4", "int8", "exact"),
}


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, ...], float]:
    """Area [um2] of PEs on sky130 with one register before the sum, in groups of 128."""
    with ROWS_MEASURED.open() as lines:
        rows = [r for r in csv.DictReader(lines) if (r["component"], r["target"], r["pipeline"]) == ("pe", "sky130", "1")]
    fields = ("pe", "weight_format", "activation_format", "accumulator")
    return {tuple(r[f] for f in fields): float(r["area_um2"]) for r in rows if r["group_size"] in ("128", "")}


@pytest.mark.parametrize("name", STUDY)
def test_as_many_pes_as_fit_the_area_of_int8s(name: str, measured: dict[tuple[str, ...], float]) -> None:
    assert pe_area(name) == measured[PES[name]]
    assert fitting_columns(name, "PEs") == math.floor(ROWS * measured[PES["INT8"]] / measured[PES[name]])


def test_what_stands_beside_the_pes_takes_area_too() -> None:
    """Epilogues, one a column, are the same for INT8 and less of a whole array that has larger PEs."""
    assert fitting_columns("INT8", "array") == fitting_columns("INT8", "PEs") == ROWS
    assert fitting_columns("W4A8", "array") < fitting_columns("W4A8", "PEs")
    assert fitting_columns("FP16", "array") > fitting_columns("FP16", "PEs")


@pytest.mark.parametrize(("name", "rate"), [("INT8", 1), ("W4A8", 1), ("ANT", 4)])
def test_cycles_are_those_of_the_columns(name: str, rate: int) -> None:
    """Two folds of 32 rows, as many of outputs as the columns need; ANT does four products at once in most of its layers."""
    model, found = MODELS["OPT-6.7B"], on_area(MODELS["OPT-6.7B"], name, "PEs")
    h, side = model.hidden, int(math.sqrt(rate))

    def folds(share: float, side: int) -> float:
        shapes = ((h, 3 * h), (h, h), (h, 4 * h), (4 * h, h))
        return share * sum(math.ceil(64 / ROWS / side) * math.ceil(n / found.columns / side) * k for k, n in shapes)

    rare = round(float(STUDY[name].exceptions.share) * model.layers)
    expected = folds(model.layers - rare, side) + folds(rare, 1)
    assert expected <= found.cycles < 1.02 * expected


def test_energy_is_at_least_that_of_the_macs() -> None:
    """7.8 pJ traced for a product of INT8 with its clock; memories and epilogues take some more, and less than twice that."""
    model, found = MODELS["OPT-6.7B"], on_area(MODELS["OPT-6.7B"], "INT8", "PEs")
    macs = 64 * 12 * model.hidden**2 * model.layers
    assert 7.83e-12 * macs < found.energy_j < 3 * 7.83e-12 * macs


def test_designs_are_those_that_are_generated() -> None:
    assert [measured_design(name, STUDY[name].bits).pe for name in STUDY] == [PES[name][0] for name in STUDY]


def test_the_table_and_what_follows() -> None:
    study = area_study(RIVALS)
    assert len(study) == 2 * len(STUDY)
    own = study[study["design"] == PROPOSED].iloc[0]
    others = study[(study["model"] == own["model"]) & study["design"].isin(RIVALS)]
    assert own["array_speedup_over_rival"] == pytest.approx(others["array_cycles"].min() / own["array_cycles"])
    best = study[(study["model"] == own["model"]) & (study["design"] == "ANT")].iloc[0]
    assert best["PEs_speedup_over_rival"] == pytest.approx(
        others[others["design"] != "ANT"]["PEs_cycles"].min() / best["PEs_cycles"]
    )
    assert "2.6 times the speed and 1.4 times" in area_finding(study, PROPOSED)
