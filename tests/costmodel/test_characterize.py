"""A row of the library with energies, measured again."""

from dataclasses import replace
from pathlib import Path

import pytest

from costmodel.characterize import needs_energy, with_energies
from costmodel.measured import read_measured
from reports.mac_energy import traced_products


def test_energies_of_a_row_are_found_again(build_dir: Path) -> None:
    """The smallest PE: synthesis, netlist under Verilator, traced operands, toggles."""
    row = min((row for row in read_measured() if row.activity), key=lambda row: row.area.total)
    numbers = {name: value for name, value in row.area.numbers.items() if not name.endswith("_fj")}
    bare = replace(row, area=replace(row.area, numbers=numbers), activity="")
    assert needs_energy(bare)
    (found,) = with_energies([bare], traced_products, build_dir)
    assert found.activity == row.activity
    assert dict(found.area.numbers) == pytest.approx(dict(row.area.numbers), rel=1e-9)
