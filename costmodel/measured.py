"""Measured areas: a row for each synthesised component, those that come with the project and this user's own."""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from costmodel.components import COMPONENTS, FIELDS
from costmodel.sources import Source
from costmodel.synthesis.cache import cache_folder
from costmodel.synthesis.run import Area
from costmodel.synthesis.targets import TARGETS
from sim.design import DesignPoint
from sim.errors import InputError
from sim.files import output_folder, write_whole
from sim.pe import PES

MEASURED_CSV = Path(__file__).parent / "data" / "measured.csv"

NUMBERS = (
    *("lut_sites", "logic_cells", "luts", "carry", "flip_flops", "dsps", "brams", "lutram", "fmax_mhz"),
    *("area_um2", "leakage_nw", "cells", "delay_ps"),
    *("energy_traced_fj", "energy_uniform_fj", "energy_multiplier_fj", "energy_accumulator_fj", "energy_registers_fj"),
    *("energy_clock_fj", "leakage_fj", "glitches_fj", "energy_error_fj"),
)
COLUMNS = ("component", *FIELDS, "target", *NUMBERS, "cells_by_type", "tool", "version", "command", "date", "activity")


@dataclass(frozen=True)
class Measured:
    """The area of a component for those fields of a design that determine it; ``file`` is where the row was read.

    ``activity`` says how the energies were found, if there are any; ``fitted``, of a row that is none of a file, from what each
    of its numbers was guessed.
    """

    component: str
    fields: Mapping[str, str]
    area: Area
    date: str
    activity: str = ""
    file: str = field(default="", compare=False)
    fitted: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """Where the area comes from."""
        return self.source_of(TARGETS[self.area.target].total)

    def source_of(self, number: str) -> Source:
        """Where one of the numbers comes from."""
        if self.fitted:
            return Source("fitted", self.fitted[number])
        return Source("measured", f"{self.area.tool} {self.area.version}, {self.date}, {self.file}")

    @cached_property
    def design(self) -> DesignPoint:
        """A design that has the component; fields that do not determine it are the defaults, its PE the first that can be."""
        default = DesignPoint("default")
        kinds = {name: type(getattr(default, name)) for name in self.fields}
        fields: dict[str, Any] = {
            name: text == "True" if kinds[name] is bool else kinds[name](text) for name, text in self.fields.items()
        }
        if dataflow := COMPONENTS[self.component].dataflow:
            fields["dataflow"] = dataflow
        for kind in [fields.pop("pe")] if "pe" in fields else PES:
            try:
                return replace(default, name=self.component, pe=kind, **fields)
            except InputError as error:
                refused = error
        raise refused

    @property
    def key(self) -> tuple[str, ...]:
        return (self.component, self.area.target, *self.fields.values())

    @property
    def flat(self) -> dict[str, str | float]:
        """The row by column of the file; fields that do not determine the component are empty."""
        area = self.area
        fields = {field: self.fields.get(field, "") for field in FIELDS}
        cells = " ".join(f"{name}:{count}" for name, count in area.cells.items())
        run = {"tool": area.tool, "version": area.version, "command": area.command}
        found = {"cells_by_type": cells, **run, "date": self.date, "activity": self.activity}
        return {"component": self.component, **fields, "target": area.target, **area.numbers, **found}


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
    return Measured(row["component"], MappingProxyType(fields), area, row["date"], row.get("activity") or "", file)


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


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows by key. Two of these are equal if they are one, so that what follows from rows can be kept by them."""

    by_key: Mapping[tuple[str, ...], Measured]

    @classmethod
    def of(cls, rows: Iterable[Measured]) -> "Rows":
        """These; of two with one key the last."""
        return cls({row.key: row for row in rows})


def known_rows() -> Rows:
    """This user's own rows and those that come with the project, which stand where both have one.

    The files are read again when one of them has changed.
    """
    own = own_measured_csv()
    return _known(own, *map(_stamp, (own, MEASURED_CSV)))


@lru_cache(maxsize=1)
def _known(own: Path, *stamps: tuple[int, int]) -> Rows:  # noqa: ARG001 - what it is kept by
    return Rows.of([*(read_measured(own) if own.is_file() else []), *read_measured()])


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
