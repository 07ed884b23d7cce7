"""Rebuild ``costmodel/data/measured.csv``: ``python -m reports.characterize [file]``, with ``--go-on`` from what is in it."""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

from costmodel.characterize import jobs, needs_energy, ordered, synthesised, with_energies
from costmodel.measured import MEASURED_CSV, Measured, read_measured, write_measured
from reports.mac_energy import traced_products

EVERY = 60
"""[s] So often what was found is written."""


def main() -> None:
    """Write rows as they are found; what stops half-way goes on from there."""
    parser = argparse.ArgumentParser(prog="python -m reports.characterize", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=MEASURED_CSV, help="default: the file in the package")
    parser.add_argument("--go-on", action="store_true", help="keep the rows that are in the file")
    arguments = parser.parse_args()
    there = read_measured(arguments.file) if arguments.go_on and arguments.file.is_file() else []
    wanted = jobs()
    rows = {row.key: row for row in there if row.key in wanted}
    found = synthesised({key: job for key, job in wanted.items() if key not in rows})
    _save(found, rows, arguments.file)
    _save(with_energies([row for row in rows.values() if needs_energy(row)], traced_products), rows, arguments.file)


def _save(found: Iterable[Measured], rows: dict[tuple[str, ...], Measured], file: Path) -> None:
    """Add what is found to the rows, which are written now and then and at the end."""
    last = time.monotonic()
    for row in found:
        rows[row.key] = row
        fields = " ".join(row.fields.values())
        print(f"{row.component} {fields} on {row.area.target}: {row.area.total:g} {row.area.unit}", flush=True)
        if time.monotonic() - last > EVERY:
            write_measured(ordered(rows.values()), file)
            last = time.monotonic()
    write_measured(ordered(rows.values()), file)


if __name__ == "__main__":
    main()
