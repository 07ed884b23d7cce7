"""Rebuild ``data/measured.csv``: ``python -m costmodel.characterize [file]`` synthesises every component of every preset."""

import argparse
from pathlib import Path

from costmodel.measured import COMPONENTS, MEASURED_CSV, Measured, measure, write_measured
from costmodel.synthesis import TARGETS
from hdl.pe import has_hardware
from sim.design import PRESETS, load_design


def characterize() -> list[Measured]:
    """Rows for all presets with hardware on all targets, each component once. Prints a line for each row."""
    rows: list[Measured] = []
    for design in filter(has_hardware, map(load_design, PRESETS)):
        for target in TARGETS:
            for row in measure(design, target, rows):
                rows.append(row)
                fields = " ".join(row.fields.values())
                print(f"{design.name}: {row.component} {fields} on {target}: {row.area.total:g} {row.area.unit}", flush=True)
    components = list(COMPONENTS)
    return sorted(rows, key=lambda row: (row.area.target, components.index(row.component)))


def main() -> None:
    """Write the file only when everything has been measured."""
    parser = argparse.ArgumentParser(prog="python -m costmodel.characterize", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=MEASURED_CSV, help="default: the file in the package")
    path = parser.parse_args().file
    write_measured(characterize(), path)


if __name__ == "__main__":
    main()
