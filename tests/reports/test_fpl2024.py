"""Minifloats beside integers from a comparison's table: widths, who loses less, what a split takes more, by hand."""

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

import shiftwise
from reports.fpl2024 import fpl_findings, fpl_markdown, fpl_study, print_fpl, read_comparison
from sim.errors import InputError

POINTS = (
    # name, family, weight format, bits of weight and activation, scaling, loss, LUT sites, um2, on the front
    ("int4 x int4", "integer", "int4", 4, 4, "fp16", 0.05, 30.0, 1000.0, True),
    ("uint4 x int4", "integer", "uint4", 4, 4, "fp16", 0.04, 32.0, 1100.0, False),
    ("e2m1 x e2m1", "minifloat", "e2m1", 4, 4, "fp16", 0.03, 36.0, 1500.0, True),
    ("e3m0 x e3m0", "minifloat", "e3m0", 4, 4, "fp16", 0.10, 33.0, 900.0, False),
    ("e2m1 x e2m1, mx", "block", "e2m1", 4, 4, "mx", 0.01, 40.0, 1500.0, True),
    ("int8 x int8", "integer", "int8", 8, 8, "fp16", 0.001, 90.0, 4000.0, False),
    ("e4m3 x e4m3", "minifloat", "e4m3", 8, 8, "fp16", 0.0005, 117.0, 6000.0, False),
    ("int4 x int8", "integer", "int4", 4, 8, "fp16", 0.02, 45.0, 2000.0, True),
)
COLUMNS = (
    "name", "family", "weight_format", "weight_bits", "activation_bits", "scaling", "loss", "luts_per_mac", "um2_per_mac",
    "front_luts_per_mac",
)  # fmt: skip


@pytest.fixture
def comparison() -> pd.DataFrame:
    return pd.DataFrame(POINTS, columns=COLUMNS)


def test_the_best_of_each_width(comparison: pd.DataFrame) -> None:
    study = fpl_study(comparison)
    assert study[["bits", "integer", "minifloat", "loses_less"]].to_numpy().tolist() == [
        [4, "uint4 x int4", "e2m1 x e2m1", "minifloat"],
        [8, "int8 x int8", "e4m3 x e4m3", "alike"],
    ]
    assert study.loc[0, ["luts_cheapest", "luts_dearest", "um2_cheapest", "um2_dearest"]].tolist() == pytest.approx(
        [0.1, 0.2, -0.1, 0.5]
    )


def test_what_follows(comparison: pd.DataFrame) -> None:
    accuracy, fronts, sizes = fpl_findings(comparison, fpl_study(comparison))
    assert "minifloats lose less at 4 bits, integers at no; at 8 bits" in accuracy
    assert "has 2 of integers, 1 of minifloats, 1 of blocks." in fronts
    assert "+10 to +30 % more LUT sites and -10 to +50 % more area" in sizes


def test_a_folder_without_a_comparison_is_refused(tmp_path: Path, comparison: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=f"none at '{tmp_path}/comparison.csv'$"):
        read_comparison(tmp_path)
    file = tmp_path / "comparison.csv"
    comparison[comparison["family"] == "integer"].to_csv(file, index=False)
    with pytest.raises(InputError, match="set `equal`"):
        read_comparison(tmp_path)
    file.write_text("no,table\n")
    with pytest.raises(InputError, match="which it is not: 'weight_bits'$"):
        read_comparison(tmp_path)


def test_the_command_writes_what_it_shows(tmp_path: Path, comparison: pd.DataFrame) -> None:
    comparison.to_csv(tmp_path / "comparison.csv", index=False)
    found = shiftwise.reproduce("fpl2024", tmp_path / "out", tmp_path)
    assert len(found.table) == 2
    text = (tmp_path / "out" / "fpl2024.md").read_text()
    assert text == fpl_markdown(comparison)
    assert (
        "| 4 | uint4 x int4 | +4.00 % | 32.0 | e2m1 x e2m1 | +3.00 % | 36.0 | minifloat | +10 to +20 % | -10 to +50 % |" in text
    )
    console = Console(width=120, record=True)
    print_fpl(console, comparison)
    assert "Damsgaard et al." in console.export_text()
