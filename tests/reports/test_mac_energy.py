"""The table of energies with traced and random operands."""

from pathlib import Path

import pytest

from costmodel.samples import SAMPLES
from reports.mac_energy import mac_energy_table, measured_designs
from sim.design import load_design

PARTS = ["multiplier_part", "accumulator_part", "registers_part", "clock_part", "leakage_part"]


def test_every_pe_of_samples_and_presets_is_measured_once() -> None:
    designs = list(measured_designs())
    elements = [(design.dataflow, design.element, design.group_size) for design in designs]
    assert len(set(elements)) == len(elements)
    assert {design.pe for design in designs} == set(SAMPLES)
    assert "weight_stationary" in {design.dataflow for design in designs}


def test_a_row_adds_up(build_dir: Path) -> None:
    """int4 x int4 with traced operands: a whole pass through netlist, words and glitches."""
    (row,) = mac_energy_table([load_design("mixpe-study-ant")], build_dir).to_dict("records")
    assert row["traced"] == pytest.approx(sum(row[part] for part in PARTS))
    assert row["traced_over_uniform"] == pytest.approx(row["traced"] / row["uniform"])
    assert row["with_glitches"] > row["traced"]
    assert row["traced_error"] < 0.05 * row["traced"]
    assert row["uniform_error"] < 0.01 * row["uniform"]
    assert 0 < row["word_median_error"] < 0.02
    assert row["word_worst_error"] < 0.15


@pytest.mark.exhaustive
def test_words_tell_the_energy_of_every_pe(build_dir: Path) -> None:
    table = mac_energy_table(folder=build_dir)
    assert (table["word_median_error"] < 0.02).all()
    assert (table["word_worst_error"] < 0.15).all()
