"""``synth``: a design's components on a target, how much of it each is, what its PE's cells are for and what a MAC takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from costmodel.area import Share
from costmodel.characterize import SILICON, with_energies
from costmodel.components import COMPONENTS, components_of, pe_component
from costmodel.energy import FEMTOJOULE
from costmodel.measure import measure, synthesise_component
from costmodel.measured import Measured, known_rows, remember
from costmodel.synthesis.parts import Part, pe_parts
from costmodel.synthesis.targets import TARGETS, flow_of
from shiftwise.generation import hardware_design
from sim.design import DesignPoint

ENERGY = "_fj"
"""How numbers of a row end that are energies [fJ]."""


@dataclass(frozen=True)
class DesignSynthesis:
    """A design on a target: instances of each component and their area [``unit``], cells of the PE by part [``cell_unit``]."""

    design: str
    target: str
    unit: str
    components: Mapping[str, Share]
    pe: Mapping[str, Part]
    cell_unit: str

    @property
    def total(self) -> float:
        """Area of all components [unit]; memories are not in it."""
        return sum(share.total for share in self.components.values())

    @property
    def dsps(self) -> float:
        """DSP slices of all components, which are beside the LUTs of an FPGA; 0 on targets without."""
        return sum(share.instances * share.measured.area.numbers.get("dsps", 0.0) for share in self.components.values())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each component: what was measured of one, and what all of them come to."""
        return [
            {
                **share.measured.flat,
                "instances": share.instances,
                "total": share.total,
                "share": share.total / self.total if self.total else 0.0,
            }
            for share in self.components.values()
        ]

    @property
    def mac_energy(self) -> dict[str, float]:
        """Energy of a MAC [pJ]: with traced and with uniform operands, and parts of the former; ``glitches`` are in none.

        Empty on targets on which it is not measured.
        """
        (row,) = (share.measured for name, share in self.components.items() if COMPONENTS[name].part == "pe")
        numbers = {name: value for name, value in row.area.numbers.items() if name.endswith(ENERGY)}
        return {name.removesuffix(ENERGY).removeprefix("energy_"): FEMTOJOULE * value for name, value in numbers.items()}

    @property
    def pe_rows(self) -> list[dict[str, Any]]:
        """A row for each part of the PE."""
        total = sum(part.size for part in self.pe.values())
        return [
            {"part": name, "cells": part.cells, self.cell_unit: part.size, "share": part.size / total if total else 0.0}
            for name, part in self.pe.items()
        ]


def synth(
    design: str | DesignPoint = "mixpe-w4a8", target: str = "sky130", progress: Callable[[str, int, int], None] | None = None
) -> DesignSynthesis:
    """Synthesise all components of a design for a target of :func:`costmodel.synthesis.targets.flow_of`.

    On ``sky130`` the energy of a MAC is measured too, with operands of the embedded model. What was measured on a target with a
    name is remembered for ``simulate``. ``progress`` is told after each component. Raises ``InputError`` for a design without
    hardware, an unknown target, a Liberty file that cannot be used, and a synthesis or a placement that fails; the message of
    the latter two names a log.
    """
    flow = flow_of(target)
    point = hardware_design(design)
    names = list(components_of(point))
    pe, known = pe_component(point), known_rows().by_key
    measured: dict[str, Measured] = {}
    for row in measure(point, target):
        measured[row.component] = row
        if target in TARGETS:
            remember([row])
        if progress:
            progress(f"synthesis for {target}", len(measured), len(names))
    if target == SILICON:
        measured[pe] = _with_energy(measured[pe], known.get(measured[pe].key), progress)
        remember([measured[pe]])
    parts = pe_parts(synthesise_component(point, pe, target).module, flow)
    shares = {name: Share(measured[name], COMPONENTS[name].instances(point)) for name in names}
    cell_unit = "um2" if flow.library else "luts"
    return DesignSynthesis(point.name, target, flow.unit, MappingProxyType(shares), MappingProxyType(parts), cell_unit)


def _with_energy(row: Measured, known: Measured | None, progress: Callable[[str, int, int], None] | None) -> Measured:
    """The row of a PE with the energy of a MAC; what is known of the same cells is not measured again."""
    if known and known.activity and known.area.cells == row.area.cells:
        return known
    from reports.mac_energy import traced_products  # here, as it loads torch

    what = "energy of a MAC"
    if progress:
        progress(what, 0, 1)
    (found,) = with_energies([row], traced_products)
    if progress:
        progress(what, 1, 1)
    return found
