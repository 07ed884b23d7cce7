"""The example notebooks run from beginning to end, and are kept without what they print."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs/notebooks").glob("*.ipynb"))
FIGURE = "application/vnd.plotly.v1+json"
SLOWEST = 300  # [s] of a cell, on a machine that does much else


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["designs", "formats"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    """Cells raise nothing, and there are tables and a figure."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    NotebookClient(notebook, timeout=SLOWEST, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    shown = [output.data for cell in cells for output in cell.outputs if "data" in output]
    assert sum("text/html" in data and "<table" in data["text/html"] for data in shown) >= 2
    assert sum(FIGURE in data for data in shown) == 1
