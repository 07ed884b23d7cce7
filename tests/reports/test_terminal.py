import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.layers import TIMES
from reports.terminal import print_run


def printed(run, width):
    summary, layers, _ = run
    out = io.StringIO()
    print_run(summary, layers, Console(file=out, width=width))
    return out.getvalue().splitlines()


def squeezed(lines):
    return [" ".join(line.split()).replace(TIMES, "x") for line in lines]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_row_is_wrapped_or_cut(run, width):
    lines = printed(run, width)
    assert max(map(cell_len, lines)) <= width
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("╭"))]
    assert len(table) == 1 + 1 + 6 + 1 + 1  # head, rule, six kinds of operator, gap, total
    assert not any("…" in line for line in table)


def test_rows_and_totals_are_those_of_the_hand_calculation(run):
    lines = squeezed(printed(run, 100))
    assert lines[0] == "layer mxkxn bound cycles util edges stall logic nJ SRAM DRAM SQNR"
    assert lines[2] == "model.embed embedding memory 20 0.0 0.0 1.0"
    assert lines[4] == "q_proj x2 20x50x10 compute 320 62% 25% 6% 2.0 4.0 10.0 21.5".replace("q_proj", "model.layers.*.q_proj")
    assert lines[5] == "model.layers.*.scores x2 20x10x20 x2 compute 240 67% 0% 25% 2.0 2.0 6.0 0.300"
    assert lines[6] == "model.layers.*.softmax x2 softmax compute 100 2.0 0.0 4.0"
    assert lines[7] == "lm_head 1x50x40 memory 320 6% 56% 31% 2.0 4.0 9.0 n/a"
    assert lines[9] == "total 1,000 38% 26% 18% 9.0 10.0 32.0"


def test_a_narrow_terminal_goes_without_some_columns(run):
    assert squeezed(printed(run, 74))[0] == "layer mxkxn cycles util edges stall logic nJ SRAM DRAM SQNR"
    assert squeezed(printed(run, 60))[0] == "layer mxkxn cycles util edges logic nJ SRAM DRAM"
    assert squeezed(printed(run, 50))[0] == "layer mxkxn cycles logic nJ SRAM DRAM"


def test_whole_names_where_there_is_room(run):
    assert printed(run, 140)[4].startswith(f"model.layers.*.q_proj {TIMES}2 ")


def test_key_figures(run):
    text = " ".join(" ".join(printed(run, 160)).replace("│", " ").split())
    for figure in (
        "10,000,000 tokens/s; prefill of 20 tokens in 2.00 µs",
        "utilization 38.0 %; largest loss: edges 26.0 %",
        "1.00 kcycles: ideal 38.0 %, edges 26.0 %, array fill 6.0 %, memory stall 18.0 %, vector unit 12.0 %",
        "51.0 nJ: PE 11.8 %, vector unit 5.9 %, SRAM 19.6 %, DRAM 62.7 %, static 0.0 %",
        "2.55 nJ per token, 25.5 mW; 51.0 nJ at 4, 83.0 nJ at 8, 171 nJ at 19 pJ/bit",
        "efficiency 1.49 TOPS/W, 0.0380 TOPS/mm²; energy-delay product 102 fJ s",
        "80.4 kB, 0.473 MAC/B: weights 87.1 %, activations 3.7 %, keys 3.7 %, results 2.5 %, vector reads 1.9 %",
        "1.00 mm² on sky130, at most 180 MHz: SRAM 50.0 %, PE 30.0 %, epilogue 10.0 %, row sums 5.0 %, array edge 5.0 %",
        "900 LUT sites, 115 block RAMs: PE 66.7 %",
        "bits per byte 1.60 float, 1.64 hardware (+2.50 %)",
    ):
        assert figure in text
    assert "-bound" not in text


def test_shapes_alone_have_neither_accuracy_nor_noise(shapes_run):
    text = "\n".join(printed(shapes_run, 140))
    assert "total" in text and not any(word in text for word in ("SQNR", "accuracy", "bits per byte", "nan"))


def test_what_looks_like_markup_is_printed_as_it_is(run):
    summary, layers, blocks = run
    layers["name"] = [f"[red]a{index}" for index in range(9)] + ["[/b]"]
    text = "\n".join(printed((summary | {"design": "[bold]x[/bold]", "area": None, "fpga": None}, layers, blocks), 140))
    assert "[red]a" in text and "[/b]" in text
    assert text.count("[bold]x[/bold]") == 1
