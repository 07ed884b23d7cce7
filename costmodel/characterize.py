"""Rebuild ``data/measured.csv``: ``python -m costmodel.characterize [file]`` synthesises every component of many designs."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from costmodel.measured import COMPONENTS, MEASURED_CSV, Measured, measure, write_measured
from costmodel.samples import SAMPLES
from costmodel.synthesis.targets import CHARACTERISED
from hdl.pe import has_hardware
from sim.design import PRESETS, DesignPoint, load_design

PIPELINED = ("mixpe-w4a8", "mixpe-w8a8")
"""Presets that are measured at every level of ``pipeline``."""

FUSED = ("int8", "int4")
"""Formats of both operands with which Bit Fusion's design of MixPE's study is measured, built of ``fused`` PEs."""


def designs() -> Iterator[DesignPoint]:
    """What is measured whole: all presets with hardware, some at other levels of pipelining, and arrays of fused PEs."""
    yield from filter(has_hardware, map(load_design, PRESETS))
    for design in map(load_design, PIPELINED):
        yield from (replace(design, pipeline=level) for level in design.element.pipelines if level != design.pipeline)
    for name in FUSED:
        yield replace(load_design("mixpe-study-bitfusion"), pe="fused", weight_format=name, activation_format=name)


def characterize(known: Sequence[Measured] = ()) -> list[Measured]:
    """Rows for all :func:`designs`, and the PEs of :data:`SAMPLES`, on all targets that are characterised.

    They are in addition to those that are known, each component once. Prints a line for each new row.
    """
    rows = list(known)
    of_designs = [(design, tuple(COMPONENTS)) for design in designs()]
    for design, of_design in [*of_designs, *((design, ("pe",)) for design in SAMPLES.values())]:
        for target in CHARACTERISED:
            for row in measure(design, target, rows, of_design):
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
