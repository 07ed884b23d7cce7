"""Measured areas: a row for each synthesised component, those that come with the project and this user's own.

Components are synthesised one by one; constants that propagate into an instance inside the array would otherwise make
it look smaller than it is.
"""

import csv
import datetime
import hashlib
import io
import math
import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from costmodel.synthesis.cache import cache_folder
from costmodel.synthesis.run import Area, Synthesis, start_tools, synthesise
from costmodel.synthesis.targets import TARGETS
from sim.accelerator.blocks import is_accelerated
from sim.design import DesignPoint
from sim.errors import InputError
from sim.files import output_folder, write_whole

MEASURED_CSV = Path(__file__).parent / "data" / "measured.csv"


@dataclass(frozen=True)
class Component:
    """A part of designs: its module, the fields of the design that determine it, and how many a design of its dataflow has.

    ``part`` is what it is to the design, whatever the dataflow; one for any dataflow names none. ``without`` are the modules
    inside it that are components themselves, or a scratchpad's memory, and are left out of its area, ``within`` those that
    belong to it; names, with ``*`` for any text.
    """

    part: str
    dataflow: str | None
    module: Callable[[DesignPoint], str]
    fields: tuple[str, ...]
    instances: Callable[[DesignPoint], int]
    without: tuple[str, ...] = ()
    within: tuple[str, ...] = ()


_OPERANDS = ("weight_format", "activation_format", "accumulator", "group_size")
_OF_PE = ("pe", "pipeline", *_OPERANDS)
_OF_TOTALS = (*_OPERANDS, "rows", "columns", "output_buffer_kib")
_OF_CONTROL = (
    *(*_OF_PE, "rows", "columns", "dataflow", "double_buffered"),
    *("weight_buffer_kib", "activation_buffer_kib", "output_buffer_kib"),
)


def _pes(design: DesignPoint) -> int:
    return design.rows * design.columns


def _accelerators(design: DesignPoint) -> int:
    return int(is_accelerated(design))


def _array(design: DesignPoint) -> str:
    return f"array_{design.rows}x{design.columns}"


COMPONENTS: dict[str, Component] = {
    "pe": Component("pe", "output_stationary", lambda design: f"{design.pe}_pe", _OF_PE, _pes, within=("dsp_slice",)),
    "row_sum": Component(
        "row_sum",
        "output_stationary",
        lambda _: "row_sum",
        _OF_PE,
        lambda design: design.rows * design.element.lanes[0] * design.has_zero_points,
    ),
    "epilogue": Component(
        "epilogue",
        "output_stationary",
        lambda _: "epilogue",
        (*_OPERANDS, "rows"),
        lambda design: design.columns * math.prod(design.element.lanes),
    ),
    "array_edge": Component(
        "array_edge",
        "output_stationary",
        _array,
        (*_OF_PE, "rows", "columns"),
        lambda _: 1,
        ("*_pe", "row_sum", "epilogue"),
    ),
    "stationary_pe": Component("pe", "weight_stationary", lambda design: f"{design.pe}_stationary_pe", _OF_PE, _pes),
    "row_sum_stage": Component(
        "row_sum", "weight_stationary", lambda _: "row_sum_stage", _OF_PE, lambda design: design.rows * design.has_zero_points
    ),
    "row_sum_foot": Component(
        "row_sum_foot",
        "weight_stationary",
        lambda _: "row_sum_foot",
        _OF_TOTALS,
        lambda design: int(design.has_zero_points),
        ("row_sum_foot_totals",),
    ),
    "foot": Component(
        "foot", "weight_stationary", lambda _: "foot", _OF_TOTALS, lambda design: design.columns, ("foot_totals",)
    ),
    "stationary_epilogue": Component(
        "epilogue",
        "weight_stationary",
        lambda _: "epilogue",
        _OF_TOTALS,
        lambda design: design.columns,
        ("epilogue_totals",),
    ),
    "stationary_edge": Component(
        "array_edge",
        "weight_stationary",
        _array,
        (*_OF_PE, "rows", "columns"),
        lambda _: 1,
        ("*_stationary_pe", "row_sum_stage", "row_sum_foot", "foot", "epilogue"),
    ),
    "controller": Component("controller", None, lambda _: "controller", _OF_CONTROL, _accelerators),
    "result_buffer": Component("result_buffer", None, lambda _: "result_buffer", _OF_CONTROL, _accelerators, ("result_ram",)),
    "scratchpads": Component(
        "scratchpads",
        None,
        lambda _: "accelerator",
        _OF_CONTROL,
        _accelerators,
        ("array_*", "controller", "result_buffer", "*_ram"),
        ("*_scratchpad",),
    ),
}
"""An array's edge is what it holds beside its instances: skew registers and buses. The memory of totals of an array whose
weights stay is the output scratchpad's. Around the array are the tile controller, what writes and sends results, and what
fills and reads the scratchpads, with the accelerator's own gates; their memories are not counted here."""

FIELDS = _OF_CONTROL
NUMBERS = (
    *("lut_sites", "logic_cells", "luts", "carry", "flip_flops", "dsps", "brams", "lutram", "fmax_mhz"),
    *("area_um2", "leakage_nw", "cells", "delay_ps"),
)
COLUMNS = ("component", *FIELDS, "target", *NUMBERS, "cells_by_type", "tool", "version", "command", "date")


@dataclass(frozen=True)
class Measured:
    """The area of a component for those fields of a design that determine it; ``file`` is where the row was read."""

    component: str
    fields: Mapping[str, str]
    area: Area
    date: str
    file: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[str, ...]:
        return (self.component, self.area.target, *self.fields.values())

    @property
    def flat(self) -> dict[str, str | float]:
        """The row by column of the file; fields that do not determine the component are empty."""
        area = self.area
        fields = {field: self.fields.get(field, "") for field in FIELDS}
        cells = " ".join(f"{name}:{count}" for name, count in area.cells.items())
        run = {"tool": area.tool, "version": area.version, "command": area.command, "date": self.date}
        return {"component": self.component, **fields, "target": area.target, **area.numbers, "cells_by_type": cells, **run}


def components_of(design: DesignPoint) -> dict[str, Component]:
    """The components that a design has: row sums are there for zero points."""
    of_dataflow = {name: part for name, part in COMPONENTS.items() if part.dataflow in (None, design.dataflow)}
    return {name: component for name, component in of_dataflow.items() if component.instances(design)}


def fields_of(design: DesignPoint, component: str) -> dict[str, str]:
    """Those fields of a design that determine a component, as text."""
    return {field: str(getattr(design, field)) for field in COMPONENTS[component].fields}


def key_of(design: DesignPoint, component: str, target: str) -> tuple[str, ...]:
    """What :attr:`Measured.key` is in the row of this component of a design."""
    return (component, target, *fields_of(design, component).values())


def read_measured(path: Path = MEASURED_CSV) -> list[Measured]:
    """The rows of a file of measured areas. Raises ``InputError`` for a file that holds something else."""
    name = "costmodel/data/measured.csv" if path == MEASURED_CSV else str(path)
    try:
        with path.open(newline="") as file:
            return [_row(row, name) for row in csv.DictReader(file)]
    except (KeyError, ValueError, TypeError, csv.Error):
        if path == MEASURED_CSV:
            raise  # a file of the project, and none of the user's
        raise InputError(f"{name!r} is not a file of measured areas; remove it, and shiftwise synth makes a new one") from None


def _row(row: Mapping[str, str], file: str) -> Measured:
    flow = TARGETS[row["target"]]
    numbers = {name: float(row[name]) for name in NUMBERS if row.get(name)}
    counts = (pair.rpartition(":") for pair in (row.get("cells_by_type") or "").split())
    cells = {name: int(count) for name, _, count in counts}
    run = (row["tool"], row["version"], row["command"])
    area = Area(row["target"], flow.unit, numbers[flow.total], MappingProxyType(numbers), *run, cells=MappingProxyType(cells))
    fields = {name: row[name] for name in COMPONENTS[row["component"]].fields}
    return Measured(row["component"], MappingProxyType(fields), area, row["date"], file)


def write_measured(rows: Iterable[Measured], path: Path) -> None:
    """Write rows in the form that :func:`read_measured` reads."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        numbers = {name: f"{value:.10g}" for name, value in row.area.numbers.items()}
        writer.writerow({**row.flat, **numbers})
    write_whole(path, text.getvalue())


def own_measured_csv() -> Path:
    """The file of rows that this user measured; another one for other sources of the hardware, whose areas may differ."""
    return cache_folder() / f"measured-{_digest_of_hardware()[:12]}.csv"


@cache
def _digest_of_hardware() -> str:
    root = MEASURED_CSV.parent.parent.parent
    sources = sorted([*(root / "hdl").rglob("*.py"), *(root / "sim").rglob("*.py")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def known_rows() -> list[Measured]:
    """This user's own rows and those that come with the project, which stand where both have one."""
    own = own_measured_csv()
    return (read_measured(own) if own.is_file() else []) + read_measured()


def known_by_key() -> Mapping[tuple[str, ...], Measured]:
    """The rows of :func:`known_rows` by key; the files are read again when one of them has changed."""
    own = own_measured_csv()
    return _by_key(own, *map(_stamp, (own, MEASURED_CSV)))


@lru_cache(maxsize=1)
def _by_key(own: Path, *stamps: tuple[int, int]) -> Mapping[tuple[str, ...], Measured]:  # noqa: ARG001 - what it is kept by
    return {row.key: row for row in known_rows()}


def _stamp(path: Path) -> tuple[int, int]:
    if not path.is_file():
        return 0, 0
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def remember(rows: Iterable[Measured]) -> None:
    """Add rows to this user's own, in place of older ones of the same components."""
    own = own_measured_csv()
    by_key = {row.key: row for row in [*(read_measured(own) if own.is_file() else []), *rows]}
    write_measured(by_key.values(), output_folder(own.parent) / own.name)


@dataclass(frozen=True)
class Source:
    """What of a design is synthesised: Verilog, the top module, and the modules inside it that are left out."""

    verilog: str
    top: str
    black_boxes: tuple[str, ...]


def source_of(design: DesignPoint, component: str, target: str) -> Source:
    """The Verilog of a component of a design. A slice of ``dsp_packed`` is one on UltraScale+, and its behaviour elsewhere."""
    from hdl.pe.dsp_slice import PRIMITIVE, DspSlice  # here, so that looking an area up does not wait for Amaranth

    part, modules = COMPONENTS[component], _modules(design)
    top = part.module(design)
    boxes = _matching(modules, part.without)
    names = [name for name in modules if name in {top, *_matching(modules, part.within), *boxes}]
    sliced = {DspSlice.module_name} if target in ("xcup", "xcup_dsp") else set()
    return Source("\n".join(PRIMITIVE if name in sliced else _verilog(design, name) for name in names), top, boxes)


@lru_cache(maxsize=1)
def _modules(design: DesignPoint) -> Mapping[str, Any]:
    """Components of the design's hardware by the name of their module."""
    from amaranth.hdl import UnusedElaboratable

    from hdl.export import components

    warnings.simplefilter("ignore", UnusedElaboratable)  # of components that nobody asks for
    return {part.module_name: part for part in components(design)}


@lru_cache(maxsize=64)
def _verilog(design: DesignPoint, module: str) -> str:
    from hdl.export import module_texts

    return "".join(module_texts([_modules(design)[module]]).values())


def _matching(names: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def synthesise_component(design: DesignPoint, component: str, target: str) -> Synthesis:
    """Synthesise one component of a design. Raises as :func:`costmodel.synthesis.run.synthesise` does."""
    source = source_of(design, component, target)
    return synthesise(source.verilog, source.top, target, source.black_boxes)


def measure_component(design: DesignPoint, component: str, target: str) -> Measured:
    """A row for one component of a design. Raises as :func:`synthesise_component` does."""
    area = synthesise_component(design, component, target).area
    fields = MappingProxyType(fields_of(design, component))
    return Measured(component, fields, area, datetime.datetime.now(tz=datetime.UTC).date().isoformat())


def measure(
    design: DesignPoint, target: str, known: Sequence[Measured] = (), components: Collection[str] = COMPONENTS
) -> Iterator[Measured]:
    """A row for every one of a design's components that is not among ``known``, each as soon as it is synthesised.

    As many are synthesised at once as there are cores. Raises as :func:`measure_component` does, at once for an unknown
    target.
    """
    start_tools(target)
    keys = {row.key for row in known}
    missing = [name for name in components_of(design) if name in components and key_of(design, name, target) not in keys]
    for name in missing:
        source_of(design, name, target)  # one after the other, as Amaranth is no faster in threads
    return _measured(design, target, missing)


def _measured(design: DesignPoint, target: str, components: Sequence[str]) -> Iterator[Measured]:
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        runs = [pool.submit(measure_component, design, component, target) for component in components]
        for run in as_completed(runs):
            yield run.result()
    finally:
        pool.shutdown(cancel_futures=True)
