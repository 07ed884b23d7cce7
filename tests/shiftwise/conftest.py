"""What commands and functions of the front door need no time for in their tests."""

import pytest

import reports.on_paper


@pytest.fixture(autouse=True)
def no_figures_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds a run; tests/reports/test_report_files.py has it done."""
    monkeypatch.setattr(reports.on_paper, "on_paper", lambda _, told: {"png": told.encode(), "svg": told.encode()})
