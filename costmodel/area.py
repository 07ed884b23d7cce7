"""Area of a design: measured area of each component times its instances, plus the scratchpads.

Components are synthesised one by one and read back from ``data/measured.csv``; constants that propagate into an
instance inside the array would otherwise make it look smaller than it is.
"""

import csv
import datetime
import io
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from costmodel.synthesis import TARGETS, Area, synthesise
from sim.design import DesignPoint
from sim.errors import InputError, choose
from sim.files import output_folder, write_whole

MEASURED_CSV = Path(__file__).parent / "data" / "measured.csv"


@dataclass(frozen=True)
class Component:
    """A part of every design: its module, the fields of the design that determine it, and how many there are.

    ``without`` names the modules inside it that are components themselves and are left out of its area.
    """

    module: Callable[[DesignPoint], str]
    fields: tuple[str, ...]
    instances: Callable[[DesignPoint], int]
    without: tuple[str, ...] = ()


_OPERANDS = ("weight_format", "activation_format", "group_size")

COMPONENTS: dict[str, Component] = {
    "shift_add_pe": Component(lambda _: "shift_add_pe", _OPERANDS, lambda design: design.rows * design.columns),
    "row_sum": Component(lambda _: "row_sum", ("activation_format", "group_size"), lambda design: design.rows),
    "epilogue": Component(lambda _: "epilogue", (*_OPERANDS, "rows"), lambda design: design.columns),
    "array_edge": Component(
        lambda design: f"array_{design.rows}x{design.columns}",
        (*_OPERANDS, "rows", "columns"),
        lambda _: 1,
        ("shift_add_pe", "row_sum", "epilogue"),
    ),
}
"""``array_edge`` is what the array holds beside its instances: skew registers and buses."""

FIELDS = (*_OPERANDS, "rows", "columns")
NUMBERS = ("lut_sites", "logic_cells", "luts", "carry", "flip_flops", "dsps", "lutram", "area_um2", "leakage_nw", "cells")
COLUMNS = ("component", *FIELDS, "target", *NUMBERS, "tool", "version", "command", "date")


@dataclass(frozen=True)
class Measured:
    """A row of ``measured.csv``: the area of a component for those fields of a design that determine it."""

    component: str
    fields: Mapping[str, str]
    area: Area
    date: str

    @property
    def key(self) -> tuple[str, ...]:
        return (self.component, self.area.target, *self.fields.values())

    @property
    def flat(self) -> dict[str, str | float]:
        """The row by column of the file; fields that do not determine the component are empty."""
        area = self.area
        fields = {field: self.fields.get(field, "") for field in FIELDS}
        run = {"tool": area.tool, "version": area.version, "command": area.command, "date": self.date}
        return {"component": self.component, **fields, "target": area.target, **area.numbers, **run}


@dataclass(frozen=True)
class Share:
    """All instances of one component: ``total`` [unit of the target] is ``instances`` times the measured area."""

    measured: Measured
    instances: int

    @property
    def total(self) -> float:
        return self.instances * self.measured.area.total


@dataclass(frozen=True)
class DesignArea:
    """Area of a design on a target: logic in ``unit``, scratchpads in ``sram_unit``; see :data:`SRAM`."""

    target: str
    unit: str
    components: Mapping[str, Share]
    sram: float
    sram_unit: str
    sram_source: str

    @property
    def logic(self) -> float:
        """All components [unit]."""
        return math.fsum(share.total for share in self.components.values())

    @property
    def total(self) -> float:
        """Logic [unit], and the scratchpads where they are counted in the same unit."""
        return self.logic + (self.sram if self.sram_unit == self.unit else 0)

    @property
    def numbers(self) -> dict[str, float]:
        """Every number that synthesis gives, over all instances."""
        shares = list(self.components.values())
        return {
            name: math.fsum(s.instances * s.measured.area.numbers[name] for s in shares)
            for name in shares[0].measured.area.numbers
        }


@dataclass(frozen=True)
class Sram:
    """How a target's scratchpads are counted: ``blocks`` of a scratchpad of so many KiB, each of ``size`` [unit]."""

    unit: str
    size: float
    blocks: Callable[[int], int]
    source: str


SRAM: dict[str, Sram] = {
    "xcup": Sram(
        unit="bram36",
        size=1,
        blocks=lambda kib: math.ceil(kib * 1024 * 8 / 36_864),
        source="block RAM of 36,864 bits, all of them used, for each scratchpad (AMD UG573, chapter 1); widths are not checked",
    ),
    "sky130hd": Sram(
        unit="um2",
        size=479.78 * 397.5,
        blocks=lambda kib: kib,
        source="OpenRAM macro sky130_sram_1kbyte_1rw1r_32x256_8 of 479.78 um x 397.5 um for each KiB "
        "(its LEF in fossi-foundation/sky130_sram_macros at 5ad1c96)",
    ),
}
"""Scratchpads by target."""


def _fields(design: DesignPoint, component: str) -> dict[str, str]:
    return {field: str(getattr(design, field)) for field in COMPONENTS[component].fields}


def _key(design: DesignPoint, component: str, target: str) -> tuple[str, ...]:
    return (component, target, *_fields(design, component).values())


def read_measured(path: Path = MEASURED_CSV) -> list[Measured]:
    """The rows of a file of measured areas."""
    rows = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            flow = TARGETS[row["target"]]
            numbers = {name: float(row[name]) for name in NUMBERS if row[name]}
            area = Area(
                row["target"],
                flow.unit,
                numbers[flow.total],
                MappingProxyType(numbers),
                row["tool"],
                row["version"],
                row["command"],
            )
            fields = {field: row[field] for field in COMPONENTS[row["component"]].fields}
            rows.append(Measured(row["component"], MappingProxyType(fields), area, row["date"]))
    return rows


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
    """The file of rows that this user measured, beside those that come with the project."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "shiftwise" / "measured.csv"


def known_rows() -> list[Measured]:
    """The rows that come with the project and this user's own, which replace them."""
    own = own_measured_csv()
    return read_measured() + (read_measured(own) if own.is_file() else [])


def remember(rows: Iterable[Measured]) -> None:
    """Add rows to this user's own, in place of older ones of the same components."""
    own = own_measured_csv()
    by_key = {row.key: row for row in [*(read_measured(own) if own.is_file() else []), *rows]}
    write_measured(by_key.values(), output_folder(own.parent) / own.name)


def measure_component(design: DesignPoint, component: str, target: str, verilog: Mapping[str, str]) -> Measured:
    """Synthesise one component of a design from the design's Verilog files, text by file name.

    Raises ``InputError`` for an unknown target, :class:`costmodel.synthesis.SynthesisError` when synthesis fails.
    """
    part = COMPONENTS[component]
    module = part.module(design)
    declaration = re.compile(rf"^\s*module\s+\\?{re.escape(module)}\s*\(", re.MULTILINE)
    text = [text for text in verilog.values() if part.without or declaration.search(text)]
    area = synthesise("\n".join(text), module, target, part.without)
    fields = MappingProxyType(_fields(design, component))
    return Measured(component, fields, area, datetime.datetime.now(tz=datetime.UTC).date().isoformat())


def measure(design: DesignPoint, target: str, known: Sequence[Measured] = ()) -> Iterator[Measured]:
    """A row for every component of a design that is not among ``known``, each as soon as it is synthesised.

    Raises as :func:`measure_component` does.
    """
    choose("synthesis target", target, TARGETS)
    keys = {row.key for row in known}
    missing = [component for component in COMPONENTS if _key(design, component, target) not in keys]
    from hdl.export import verilog_modules  # here, so that looking an area up does not wait for Amaranth

    verilog = verilog_modules(design) if missing else {}
    return (measure_component(design, component, target, verilog) for component in missing)


def component_areas(design: DesignPoint, target: str, rows: Sequence[Measured] | None = None) -> DesignArea:
    """Area of a design from measured rows, :func:`known_rows` unless others are given.

    Raises ``InputError`` for an unknown target and for a design of which a component has not been measured.
    """
    flow = choose("synthesis target", target, TARGETS)
    by_key = {row.key: row for row in (known_rows() if rows is None else rows)}
    shares = {}
    for component, part in COMPONENTS.items():
        key = _key(design, component, target)
        if key not in by_key:
            fields = ", ".join(f"{field} {value}" for field, value in _fields(design, component).items())
            raise InputError(
                f"the area of {component} on {target} was not measured for {fields}; "
                f"run `shiftwise synth --design {design.name}`"
            )
        shares[component] = Share(by_key[key], part.instances(design))
    sram = SRAM[target]
    sizes = (design.weight_buffer_kib, design.activation_buffer_kib, design.output_buffer_kib)
    blocks = sum(sram.blocks(kib) for kib in sizes)
    return DesignArea(target, flow.unit, MappingProxyType(shares), blocks * sram.size, sram.unit, sram.source)
