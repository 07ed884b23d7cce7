"""Figures for print are drawn where they would show something else than their files do."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reports import drawn
from reports.drawn import write_figures


@pytest.fixture
def drawings() -> list[str]:
    """Descriptions that a figure was drawn with."""
    return []


@pytest.fixture
def write(tmp_path: Path, drawings: list[str]):
    def draw(told: str) -> Mapping[str, bytes]:
        drawings.append(told)
        return {"png": b"\x89PNG" + told.encode(), "svg": f"<svg>{told}</svg>".encode()}

    def written(shown: bytes) -> int:
        write_figures(tmp_path, {"one": draw}, shown)
        return len(drawings)

    return written


def test_what_is_drawn_is_not_drawn_again(write) -> None:
    assert [write(b"table"), write(b"table"), write(b"other table"), write(b"other table")] == [1, 1, 2, 2]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_file_that_is_lost_or_changed_is_drawn_anew(write, tmp_path: Path, ending: str) -> None:
    write(b"table")
    (tmp_path / f"one.{ending}").unlink()
    assert write(b"table") == 2
    (tmp_path / f"one.{ending}").write_bytes(b"")
    assert write(b"table") == 3
    assert write(b"table") == 3


def test_other_text_draws_anew(write, monkeypatch: pytest.MonkeyPatch) -> None:
    write(b"table")
    monkeypatch.setattr(drawn, "_program", lambda: b"changed")
    assert write(b"table") == 2


def test_files_of_matplotlib_carry_what_they_are_told() -> None:
    import pandas as pd

    from reports.printed import printed_points
    from shiftwise.exploration.objectives import OBJECTIVES

    x, y = list(OBJECTIVES.values())[:2]
    table = pd.DataFrame({x.name: [1.0, 2.0], y.name: [2.0, 1.0]})
    files = printed_points(table, table, x, y, "b1946ac92492d2347c6235b4d2611184")
    assert all(b"b1946ac92492d2347c6235b4d2611184" in files[ending] for ending in drawn.ENDINGS)
