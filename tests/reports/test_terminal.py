import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.layers import TIMES
from reports.terminal import print_run


def printed(run, width):
    out = io.StringIO()
    print_run(*run, Console(file=out, width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_row_is_wrapped_or_cut(run, width):
    lines = printed(run, width)
    assert max(map(cell_len, lines)) <= width
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("╭"))]
    assert len(table) == 1 + 1 + 3 + 1 + 1  # head, rule, three kinds of product, gap, total
    assert not any("…" in line for line in table)


def test_rows_and_totals_are_those_of_the_hand_calculation(run):
    lines = [" ".join(line.split()).replace(TIMES, "x") for line in printed(run, 80)]
    assert lines[0] == "layer mxkxn bound cycles util stall PE nJ SRAM DRAM SQNR"
    assert lines[2] == "q_proj x2 20x50x10 compute 320 62% 6% 2.0 4.0 10.0 21.5"
    assert lines[3] == "scores 20x10x20 x2 compute 100 80% 10% 1.0 1.0 3.0 0.300"
    assert lines[4] == "lm_head 1x50x40 memory 580 3% 66% 2.0 4.0 9.0 n/a"
    assert lines[6] == "total 1,000 30% 41% 5.0 9.0 22.0"


def test_whole_names_where_there_is_room(run):
    assert printed(run, 140)[2].startswith(f"model.layers.*.q_proj {TIMES}2 ")


def test_key_figures(run):
    text = " ".join(" ".join(printed(run, 140)).replace("│", " ").split())
    for figure in (
        "10,000,000 tokens/s; prefill of 20 tokens in 2.00 µs",
        "1.00 kcycles: ideal 30.0 %, array fill and edges 29.0 %, memory stall 41.0 %",
        "36.0 nJ: PE 13.9 %, SRAM 25.0 %, DRAM 61.1 %, static 0.0 %",
        "74.9 kB; total energy 36.0 nJ at 4, 58.0 nJ at 8, 118 nJ at 19 pJ/bit",
        "1.00 mm² on sky130hd: SRAM 50.0 %, PE 30.0 %, epilogue 10.0 %, row sums 5.0 %, array edge 5.0 %",
        "900 LUT sites, 115 block RAMs: PE 66.7 %",
        "bits per byte 1.60 float, 1.64 hardware (+2.50 %)",
    ):
        assert figure in text


def test_what_looks_like_markup_is_printed_as_it_is(run):
    summary, layers = run
    layers["name"] = ["[red]a", "[/b]", "[red]c", "d"]
    text = "\n".join(printed((summary | {"design": "[bold]x[/bold]", "area": None, "fpga": None}, layers), 140))
    assert "[red]a" in text and "[/b]" in text
    assert text.count("[bold]x[/bold]") == 1
