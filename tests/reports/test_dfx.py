"""DFX's latencies beside ours."""

import io

import pytest
from rich.console import Console

from reports.dfx import PUBLISHED, dfx_markdown, dfx_study, print_dfx


def test_ours_are_between_what_the_ports_give_and_what_was_published() -> None:
    """24 layers of 12 x 1024**2 weights and a head of 50,257 x 1,024, of 2 bytes each, at 32 x 64 bytes a cycle of 5 ns."""
    table = dfx_study().set_index(["model", "tokens"])
    layers, head = 24 * 12 * 1024**2 * 2 / 2048 * 5e-6, 50_257 * 1024 * 2 / 2048 * 5e-6
    for tokens, (first, in_all) in PUBLISHED.items():
        row = table.loc["gpt2-345m", tokens]
        assert layers + head < row["each"] < row["published_each"] == pytest.approx(5.4, abs=0.01)
        assert tokens * layers + head < row["first"] < first
        assert row["in_all"] == pytest.approx(row["first"] + tokens * row["each"])
        assert row["in_all"] < row["published_in_all"] == in_all
        assert row["head_from_ddr"] > layers + 50_257 * 1024 * 2 / 38e9 * 1e3
    assert table.loc["gpt2-1.5b", 64]["each"] > (48 * 12 * 1600**2 + 50_257 * 1600) * 2 / 2048 * 5e-6


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_a_terminal_has_all_figures(width: int) -> None:
    out = io.StringIO()
    print_dfx(Console(file=out, width=width))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    rows = [line.split() for line in lines if line.startswith("gpt2-345m")]
    assert [(row[1], row[3], row[7]) for row in rows] == [
        (str(tokens), f"{first:.0f}", f"{in_all:.0f}") for tokens, (first, in_all) in PUBLISHED.items()
    ]
    assert len({len(line) for line in lines if line.startswith("gpt2")}) == 1
    assert dfx_markdown().count("\n") == 1 + 6
