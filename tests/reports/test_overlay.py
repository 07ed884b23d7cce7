"""What a terminal and a page show of an overlay's run."""

import io

import pandas as pd
import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.overlay import key_figures, print_overlay, render, table
from shiftwise.overlay.simulate import OverlayRun, simulate_overlay


@pytest.fixture(scope="module")
def run() -> OverlayRun:
    return simulate_overlay("dense-u280", "llama-2-7b", sequence=128)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_number_is_cut(run: OverlayRun, width: int) -> None:
    """Where whole numbers have no room they have three digits."""
    out = io.StringIO()
    print_overlay(run.summary, run.steps, Console(file=out, width=width))
    lines = out.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("╭"))]
    assert len(table) == 2 + len(run.steps)
    assert not any("…" in line for line in table)
    down = next(row for row in table if row.startswith("down"))
    loaded = int(run.steps.set_index("step").loc["down", "dram_bytes"])
    assert (f"{loaded:,}" in down) == (width > 80)
    assert down.split()[-1] == (f"{loaded:,}" if width > 80 else "M")


@pytest.mark.parametrize(
    ("design", "engine", "weights"),
    [
        ("dfx-u280", "of its products a cycle", "each"),
        ("dense-u280", "of its products a cycle", "each, with scales"),
        (
            "flightllm-u280",
            "of its products a cycle, pruned weights left out",
            "each, with indices and scales, pruned ones among them",
        ),
    ],
)
def test_of_weights_is_said_what_they_have(design: str, engine: str, weights: str) -> None:
    remarks = {what: remark for what, _, remark in key_figures(simulate_overlay(design, "opt-125m", sequence=8).summary)}
    assert (remarks["Engine"], remarks["Weights"]) == (engine, weights)


def test_filters_of_the_page_name_what_it_has(run: OverlayRun) -> None:
    page = render(run.summary, run.steps, run.timeline)
    assert 'placeholder="query, softmax …"' in page
    assert {"query", "softmax"} < set(run.steps["step"])
    assert "q_proj" not in page


def test_what_is_not_known_of_a_board_is_no_zero() -> None:
    """Of a VHK158 no flip-flops, block RAMs and UltraRAMs; nor are the flip-flops of DFX's core."""
    run = simulate_overlay("dense-vhk158", "opt-125m", sequence=16)
    board = run.summary["resources"]["blocks"][-1]
    assert board == {"block": "board", "lut": 1_750_000, "ff": None, "dsp": 7_392, "bram36": None, "uram": None}
    rows = {row[0][0]: [text for text, _ in row[1:]] for row in table(pd.DataFrame(run.summary["resources"]["blocks"])).rows}
    assert rows["board"] == ["1,750,000", "not known", "7,392", "not known", "not known"]
    assert "not known" in render(run.summary, run.steps, run.timeline)
    fp16 = simulate_overlay("dfx-u280", "opt-125m", sequence=16).summary["resources"]["blocks"]
    assert [row["ff"] for row in fp16 if row["block"] in ("core", "total")] == [None, None]


def test_energy_of_a_design_that_does_not_fit_is_told_so() -> None:
    words = "of a design that does not fit"
    for design, fits in (("flightllm-u280", False), ("dense-u280", True)):
        found = simulate_overlay(design, "opt-125m", sequence=16)
        out = io.StringIO()
        print_overlay(found.summary, found.steps, Console(file=out, width=160))
        assert (words in out.getvalue()) != fits
        assert (words in render(found.summary, found.steps, found.timeline)) != fits
