"""What a terminal and a page show of an overlay's run."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.overlay import key_figures, print_overlay, render
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
