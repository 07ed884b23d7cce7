"""Area of a design: measured area of each component times its instances, plus the scratchpads."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from costmodel.components import components_of, fields_of, key_of
from costmodel.fit import OutsideError, estimated
from costmodel.forms import FORMS
from costmodel.fpga.block_ram import blocks, memories
from costmodel.measured import Measured, Rows, known_rows
from costmodel.sources import Source
from costmodel.synthesis.targets import TARGETS
from sim.design import PRESETS, DesignPoint
from sim.errors import InputError, choose


class NotMeasuredError(InputError):
    """A component of the design has not been synthesised for the target."""


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
    """Area of a design on a target: logic by part in ``unit``, scratchpads in ``sram_unit``; see :data:`SRAM`."""

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
    def source(self) -> Source:
        """Where the components' areas come from: what is fitted of one is so of all together."""
        parts: dict[str, list[str]] = {}
        for part, share in self.components.items():
            parts.setdefault(share.measured.source.text, []).append(part.replace("_", " "))
        if not self.fitted:
            return Source("measured", "; ".join(parts))
        return Source("fitted", "; ".join(f"{', '.join(named)}: {text}" for text, named in parts.items()))

    @property
    def fitted(self) -> tuple[str, ...]:
        """Components whose size is fitted and was not measured."""
        return tuple(part for part, share in self.components.items() if share.measured.source.kind == "fitted")

    @property
    def reachable_hz(self) -> float | None:
        """The clock [Hz] that the slowest component reaches, ``None`` where a component's delay is not known."""
        numbers = self.numbers
        if "delay_ps" in numbers:
            return 1e12 / numbers["delay_ps"]
        return numbers["fmax_mhz"] * 1e6 if "fmax_mhz" in numbers else None

    @property
    def numbers(self) -> dict[str, float]:
        """Every number that synthesis gives of all components: over all instances, of a clock the slowest component's."""
        shares = list(self.components.values())
        names = [name for name in shares[0].measured.area.numbers if all(name in s.measured.area.numbers for s in shares)]
        return {name: _of_all(name, shares) for name in names}


def _of_all(name: str, shares: Sequence[Share]) -> float:
    if name in SLOWEST:
        return SLOWEST[name](share.measured.area.numbers[name] for share in shares)
    return math.fsum(share.instances * share.measured.area.numbers[name] for share in shares)


SLOWEST: dict[str, Callable[[Iterable[float]], float]] = {"delay_ps": max, "fmax_mhz": min}
"""Numbers that do not add up."""


@dataclass(frozen=True)
class Sram:
    """How a target's scratchpads are counted: so many ``blocks`` of a design, each of ``size`` [unit]."""

    unit: str
    size: float
    blocks: Callable[[DesignPoint], int]
    source: str


_BRAM36 = Sram(
    unit="bram36",
    size=1,
    blocks=lambda design: blocks(memories(design)).bram36,
    source="block RAMs of 36 Kbit for each memory of the accelerator by its width and depth (AMD UG573, chapter 1)",
)

SRAM: dict[str, Sram] = {
    "xcup": _BRAM36,
    "xcup_dsp": _BRAM36,
    "ecp5": Sram(
        unit="ebr",
        size=1,
        blocks=lambda design: sum(memory.ebr for memory in memories(design).values()),
        source="block RAMs of 18 Kbit for each memory of the accelerator by its width and depth (brams_16kd.txt of Yosys)",
    ),
    "sky130": Sram(
        unit="um2",
        size=479.78 * 397.5,
        blocks=lambda design: sum(pad.kib for pad in design.scratchpads.values()),
        source="OpenRAM macro sky130_sram_1kbyte_1rw1r_32x256_8 of 479.78 um x 397.5 um for each KiB "
        "(its LEF in fossi-foundation/sky130_sram_macros at 5ad1c96)",
    ),
}
"""Scratchpads by target."""


def component_areas(design: DesignPoint, target: str, rows: Sequence[Measured] | None = None) -> DesignArea:
    """Area of a design from measured rows, those that are known unless others are given, and fits to them.

    Raises ``InputError`` for an unknown target, :class:`NotMeasuredError` for a design of which a component has no row.
    """
    choose("synthesis target", target, TARGETS)
    return _areas(design, target, known_rows() if rows is None else Rows.of(rows))


@lru_cache(maxsize=64)
def _areas(design: DesignPoint, target: str, known: Rows) -> DesignArea:
    """Remembered, as each of area, energy and what is spent in every cycle asks for it."""
    from hdl.pe import check_hardware  # here, as it waits for Amaranth, which other users of this file do not need

    sram = SRAM[target]
    try:
        check_hardware(design)
        sram_blocks = sram.blocks(design)
    except InputError as error:
        raise NotMeasuredError(str(error)) from None
    shares = {
        part.part: Share(_row(design, component, target, known), part.instances(design))
        for component, part in components_of(design).items()
    }
    return DesignArea(target, TARGETS[target].unit, MappingProxyType(shares), sram_blocks * sram.size, sram.unit, sram.source)


CONTROL = ("controller", "result_buffer", "scratchpads")
"""Parts that an accelerator has once, and that hardly grow with its array."""


def array_area(design: DesignPoint, target: str) -> float:
    """Area [unit of the target] of all that grows with a design's array: PEs, row sums, edges, epilogues.

    Raises :class:`NotMeasuredError` as :func:`component_areas` does.
    """
    return math.fsum(
        part.instances(design) * component(design, name, target).area.total
        for name, part in components_of(design).items()
        if part.part not in CONTROL
    )


def component(design: DesignPoint, name: str, target: str) -> Measured:
    """One component of a design, measured or fitted. Raises :class:`NotMeasuredError`."""
    return _row(design, name, target, known_rows())


def _row(design: DesignPoint, component: str, target: str, rows: Rows) -> Measured:
    """The row of a component, or what it would be by a fit to others."""
    key = key_of(design, component, target)
    if key in rows.by_key:
        return rows.by_key[key]
    fields = ", ".join(f"{field} {value}" for field, value in fields_of(design, component).items())
    hint = f"run `{synth_command(design, target)}`"
    try:
        found = estimated(design, component, target, rows)
    except OutsideError as error:
        raise NotMeasuredError(f"the area of {component} on {target} is not known: {error}; {hint}") from None
    if found is None:
        line = FORMS[component].alike(design)
        others = f" nor enough others with {line}" if line else ""
        raise NotMeasuredError(f"the area of {component} on {target} was not measured for {fields}{others}; {hint}")
    return found


def synth_command(design: DesignPoint, target: str) -> str:
    """What measures a design: of one that is no preset the command takes its file, whose path nobody knows here."""
    return f"shiftwise synth --design {design.name if design.name in PRESETS else 'FILE.toml'} --target {target}"
