import csv
import json

import numpy as np
import pandas as pd
import pytest

import reports.on_paper
from reports import files
from reports.page import drawn_run
from sim.errors import InputError

FILES = ["figures", "layers.csv", "layers.parquet", "report.html", "summary.json"]


@pytest.fixture(autouse=True)
def no_figures(monkeypatch, request):
    """Drawing takes seconds; one test has it done."""
    if request.node.name != "test_a_run_is_written_and_reads_back":
        monkeypatch.setattr(reports.on_paper, "on_paper", lambda _, told: {"png": told.encode(), "svg": told.encode()})


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_written_and_reads_back(run, tmp_path):
    summary, layers, blocks = run
    report = files.write_run(summary, layers, blocks, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == set(drawn_run(summary, layers, blocks)[0])
    assert (tmp_path / "figures" / "roofline.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "figures" / "roofline.svg").read_bytes()[:1000]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "layers.parquet"), layers, check_dtype=False)
    assert report == tmp_path / "report.html"
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    with (tmp_path / "layers.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == list(layers)
    kinds = [type(value) for value in layers.iloc[-1].tolist()]
    read = [[kind(cell) if cell else None for kind, cell in zip(kinds, row, strict=True)] for row in rows]
    written = layers.astype(object).where(layers.notna() & (layers != ""), None)
    assert read == written.to_numpy().tolist()


def test_numbers_that_json_lacks_become_null_and_numpy_ones_plain(run, tmp_path):
    summary, layers, blocks = run
    odd = {
        "power_W": np.float64(0.1),
        "tokens": np.int64(20),
        "accuracy": summary["accuracy"] | {"float_bits_per_byte": np.nan},
    }
    files.write_run(summary | odd, layers, blocks, tmp_path)
    read = json.loads((tmp_path / "summary.json").read_text())
    assert (read["power_W"], read["tokens"], read["accuracy"]["float_bits_per_byte"]) == (0.1, 20, None)


def test_shapes_alone_are_written_too(shapes_run, tmp_path):
    summary, layers, _ = shapes_run
    files.write_run(summary, layers, pd.DataFrame(columns=["product", "lane", "block", "start", "end"]), tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text())["accuracy"] is None
    assert set(pd.read_csv(tmp_path / "layers.csv")["sqnr_dB"].isna()) == {True}


def test_the_summary_is_written_last(run, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(files, "write_together", lambda _, contents: written.extend(contents))
    files.write_run(*run, tmp_path)
    assert sorted(written) == FILES[1:] and written[-1] == "summary.json"


def test_a_failed_report_leaves_an_earlier_run_whole(run, tmp_path, monkeypatch):
    files.write_run(*run, tmp_path)
    before = contents(tmp_path)

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(files, "render", fail)
    with pytest.raises(RuntimeError):
        files.write_run(*run, tmp_path)
    assert contents(tmp_path) == before


def test_files_that_cannot_be_written_leave_no_summary_beside_others(run, tmp_path, monkeypatch):
    files.write_run(*run, tmp_path)

    def fail(*_):
        raise InputError("the disk is full")

    monkeypatch.setattr(files, "write_together", fail)
    with pytest.raises(InputError):
        files.write_run(*run, tmp_path)
    assert not (tmp_path / "summary.json").exists()


def test_figures_of_an_earlier_run_go(run, tmp_path):
    files.write_run(*run, tmp_path)
    summary, layers, blocks = run
    files.write_run(summary, layers, blocks.head(0), tmp_path)
    left = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert "layer-in-time" in left and "blocks-in-time" not in left
