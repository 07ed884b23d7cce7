"""``synth``: a design's components on a target, how much of it each is, and what the cells of its PE are for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from costmodel.area import Share
from costmodel.components import COMPONENTS, components_of, pe_component
from costmodel.measure import measure, synthesise_component
from costmodel.measured import Measured, remember
from costmodel.synthesis.parts import Part, pe_parts
from costmodel.synthesis.targets import TARGETS, flow_of
from shiftwise.generation import hardware_design
from sim.design import DesignPoint


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

    Areas on a target with a name are remembered for ``simulate``. ``progress`` is told after each component. Raises
    ``InputError`` for a design without hardware, an unknown target, a Liberty file that cannot be used, and a synthesis or a
    placement that fails; the message of the latter two names a log.
    """
    flow = flow_of(target)
    point = hardware_design(design)
    names = list(components_of(point))
    measured: dict[str, Measured] = {}
    for row in measure(point, target):
        measured[row.component] = row
        if target in TARGETS:
            remember([row])
        if progress:
            progress(f"synthesis for {target}", len(measured), len(names))
    parts = pe_parts(synthesise_component(point, pe_component(point), target).module, flow)
    shares = {name: Share(measured[name], COMPONENTS[name].instances(point)) for name in names}
    cell_unit = "um2" if flow.library else "luts"
    return DesignSynthesis(point.name, target, flow.unit, MappingProxyType(shares), MappingProxyType(parts), cell_unit)
