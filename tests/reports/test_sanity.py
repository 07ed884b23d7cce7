"""The table of what is ours beside publications, and the rows that it is made of, measured again."""

from pathlib import Path

import pandas as pd
import pytest

import reports.sanity
from costmodel.components import key_of
from costmodel.measured import read_measured
from reports.sanity import PUBLISHED, Publication, Published, sanity_table
from reports.sanity_circuits import OPERATORS, PES, measured_operators
from reports.tables import sanity_groups


def rows_of_file() -> pd.DataFrame:
    return pd.read_csv(reports.sanity.SANITY_CSV, index_col="circuit", dtype={"version": str})


def test_figures_are_scaled_by_both_methods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """45 nm at 0.9 V is (45/130)**2 of 130 nm in area or 0.053/0.34, and 45/130/4 in energy, or a ratio of polynomials."""
    (tmp_path / "sanity.csv").write_text("circuit,area_um2,energy_fj,glitches_fj\nadder,40,1000,500\n")
    monkeypatch.setattr(reports.sanity, "SANITY_CSV", tmp_path / "sanity.csv")
    at_45, at_28 = Publication("a table", 45, 0.9, "all"), Publication("another", 28, 0.9, "all")
    known = (
        Published("adder", "adder", at_45, 20, 0.5),
        Published("adder", "adder", at_28),
        Published("x", "adder", at_28, 10, 2),
    )
    monkeypatch.setattr(reports.sanity, "PUBLISHED", known)
    table = sanity_table()
    assert table["area"].tolist() == pytest.approx([40 * 2025 / 16900, *[40 * 784 / 16900] * 2])
    assert table["area_ratio"].tolist() == pytest.approx([2 * 2025 / 16900, float("nan"), 4 * 784 / 16900], nan_ok=True)
    assert table["area_stillmaker"][0] == pytest.approx(2 * 0.053 / 0.34)
    assert table["energy"].tolist() == pytest.approx([45 / 130 / 4, *[28 / 130 / 4] * 2])
    assert table["energy_ratio"].tolist() == pytest.approx([45 / 130 / 2, float("nan"), 28 / 130 / 8], nan_ok=True)
    assert table["with_glitches"][0] == pytest.approx(1.5 * 45 / 130 / 2)
    assert table["energy_stillmaker"][0] == pytest.approx(
        2 * (1.018 * 0.81 - 0.3107 * 0.9 + 0.1539) / (7.171 * 3.24 - 6.709 * 1.8 + 2.904)
    )
    assert table["energy_stillmaker"].isna().tolist() == [False, True, True]  # the source has no 28 nm
    one, two = sanity_groups(table)
    assert one.source == "a table; 45 nm, 0.9 V"
    assert one.rows == [("adder", "adder", "4.79", "20", "0.24", "0.31", "0.0865", "0.5", "0.17", "0.26", "0.10", "")]
    assert two.rows[0] == ("adder", "adder", "1.86", *[""] * 3, "0.0538", *[""] * 4, "")


def test_every_circuit_is_measured_and_published() -> None:
    rows = rows_of_file()
    assert set(rows.index) == {*OPERATORS, *PES} == {known.ours for known in PUBLISHED}
    assert rows.index.is_unique
    assert not rows[["tool", "version", "command", "date", "activity"]].isna().any(axis=None)
    assert (rows[["area_um2", "energy_fj", "glitches_fj"]] > 0).all(axis=None)


def test_ratios_are_within_what_scaling_leaves_open() -> None:
    """Integer operators and PEs, but for what switches widths: a factor of two in area, of three in energy."""
    table = sanity_table()
    integers = table[table["source"].str.contains("Horowitz|Bit Fusion") & (table["differs"] == "")]
    assert integers["area_ratio"].between(1 / 2, 2).all()
    assert integers["energy_ratio"].between(1 / 3, 3).all()


def test_operators_are_found_again(build_dir: Path) -> None:
    """Whoever rebuilds the file finds the same."""
    rows = rows_of_file()
    for found in measured_operators(["add 8", "multiply 8"], build_dir):
        row = rows.loc[found["circuit"]]
        assert row["version"] == found["version"], "another tool gives other figures; python -m reports.sanity_circuits"
        for name in ("area_um2", "energy_fj", "glitches_fj"):
            assert found[name] == pytest.approx(row[name], rel=1e-6), (found["circuit"], name)


def test_pes_are_those_of_the_library() -> None:
    """Where ``measured.csv`` has the same PE it says the same: area, and energy with uniform operands."""
    rows, library = rows_of_file(), {row.key: row.area.numbers for row in read_measured()}
    for name, design in PES.items():
        known = library.get(key_of(design, "pe", "sky130"), {})
        if known:
            assert known["area_um2"] == pytest.approx(rows.loc[name, "area_um2"])
        if "energy_uniform_fj" in known:
            dynamic = known["energy_uniform_fj"] - known["leakage_fj"]
            assert dynamic == pytest.approx(rows.loc[name, "energy_fj"], rel=1e-6), name
