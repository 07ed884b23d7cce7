"""What a terminal and a page show of an overlay's run."""

import io

import pandas as pd
import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.overlay import key_figures, memory_facts, print_overlay, render, table
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


def test_layers_in_time_are_the_second_and_third(run: OverlayRun) -> None:
    assert set(run.timeline["layer"]) == {2, 3}
    page = render(run.summary, run.steps, run.timeline)
    assert "Layers 2 and 3 of the last program." in page
    assert ", layer 3<br>" in page.replace("\\u003c", "<").replace("\\u003e", ">")


def test_units_that_are_busy_at_once_are_shown() -> None:
    """Loads and products of an engine of fp16 numbers take most of the time, each."""
    found = simulate_overlay("dfx-u280", "opt-125m", sequence=16)
    busy = {unit: found.summary["busy_cycles"][unit] / found.summary["cycles"] for unit in ("load", "engine")}
    assert sum(busy.values()) > 1
    out = io.StringIO()
    print_overlay(found.summary, found.steps, Console(file=out, width=160))
    for shown in (out.getvalue(), render(found.summary, found.steps, found.timeline)):
        assert all(f"{unit} {100 * share:.1f} %, " in shown for unit, share in busy.items())


def test_code_that_is_carried_out_is_told_from_code_that_is_stored() -> None:
    """A prompt that goes through token by token carries out one step's code many times."""
    found = simulate_overlay("dfx-u280", "opt-125m", "prefill", sequence=32).summary
    facts = dict(memory_facts(found))
    assert found["instruction_bytes"] > found["instruction_storage"]["shared"]
    assert facts["Code of this pass"].endswith("B carried out")
    assert " stored, up to 32 tokens" in facts["Code of all lengths"]
