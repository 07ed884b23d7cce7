"""Components of overlays as they were synthesised: ``data/overlay.csv``, a row for each."""

import csv
import datetime
import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from costmodel.overlay.components import PARTS, key_of
from costmodel.synthesis.cache import digest, keep, recall
from costmodel.synthesis.run import synthesise
from sim.files import write_whole
from sim.overlay.design import OverlayDesign

OVERLAY_CSV = Path(__file__).parents[1] / "data" / "overlay.csv"

TARGET = "xcup_dsp"
"""UltraScale+ with its DSP slices."""


@dataclass(frozen=True)
class OverlayRow:
    """LUT sites, flip-flops and DSP slices of a component, and how they were found."""

    component: str
    key: str
    lut_sites: float
    flip_flops: float
    dsps: float
    tool: str
    version: str
    command: str
    date: str


@lru_cache(maxsize=1)
def measured_parts(file: Path = OVERLAY_CSV) -> Mapping[tuple[str, str], OverlayRow]:
    """All rows by component and key."""
    with file.open(newline="") as lines:
        rows = [
            OverlayRow(**{name: float(text) if name in NUMBERS else text for name, text in row.items()})  # type: ignore[arg-type]
            for row in csv.DictReader(lines)
        ]
    return {(row.component, row.key): row for row in rows}


NUMBERS = ("lut_sites", "flip_flops", "dsps")


def known_part(component: str, design: OverlayDesign) -> OverlayRow | None:
    """A component of a design as it was measured for the project, or since on this machine; else ``None``."""
    row = measured_parts().get((component, key_of(component, design)))
    if row is None and (kept := recall(_kept_as(component, design))):
        return OverlayRow(**kept)
    return row


def _kept_as(component: str, design: OverlayDesign) -> str:
    """The name of a row in the cache, of all that decides it: the hardware's text too."""
    return digest("overlay", component, key_of(component, design), _hardware())


@cache
def _hardware() -> str:
    """A digest of the text that generates it."""
    root = Path(__file__).parents[2]
    return digest(*(path.read_text() for room in ("hdl", "sim/overlay") for path in sorted((root / room).rglob("*.py"))))


def measure_part(component: str, design: OverlayDesign) -> OverlayRow:
    """Synthesise a component of a design, and keep it for :func:`known_part`.

    Raises as :func:`costmodel.synthesis.run.synthesise` does.
    """
    top = PARTS[component].build(design)
    modules = {part.module_name: part for part in (*getattr(top, "parts", ()), top)}
    texts = [_text(part) for part in modules.values()]
    inside = [name for name in modules if name != top.module_name] if PARTS[component].alone else []
    area = synthesise("\n".join(texts), top.module_name, TARGET, inside).area
    lut_sites, flip_flops, dsps = (float(area.numbers[name]) for name in NUMBERS)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    row = OverlayRow(
        component, key_of(component, design), lut_sites, flip_flops, dsps, area.tool, area.version, area.command, today
    )
    keep(_kept_as(component, design), asdict(row))
    return row


def _text(part: Any) -> str:
    """A module as it is on UltraScale+."""
    from hdl.export import module_texts
    from hdl.overlay.cascade_slice import PRIMITIVE, CascadeSlice
    from hdl.overlay.selector import Selector

    if isinstance(part, CascadeSlice):
        return PRIMITIVE
    return part.primitive if isinstance(part, Selector) else "".join(module_texts([part]).values())


def write_rows(rows: Iterable[OverlayRow], file: Path = OVERLAY_CSV) -> None:
    """Write rows in order of component and key."""
    text = io.StringIO()
    found = sorted(rows, key=lambda row: (row.component, row.key))
    writer = csv.DictWriter(text, list(asdict(found[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) | {name: f"{getattr(row, name):g}" for name in NUMBERS} for row in found)
    write_whole(file, text.getvalue())
