"""Cost of a run: time from the trace's cycles, energy as the sum of count times energy per action, area as measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from costmodel.area import DesignArea, NotMeasuredError, component_areas
from costmodel.energy import PICOJOULE, Priced, per_cycle, priced
from costmodel.sources import Source
from costmodel.technology import TECHNOLOGIES, Fabric, Operations, Technology
from sim.design import CACHE_KINDS, DesignPoint
from sim.errors import choose
from sim.memory import DRAM_ENERGY_SWEEP
from sim.operators import Operator, Product
from sim.schedule import Schedule
from sim.trace import ACTIONS, Trace
from sim.widths import mac_share

TERA = 1e12
OPERATIONS_PER_MAC = 2
UM2_PER_MM2 = 1e6

SILICON = "sky130"
"""The target whose areas stand for silicon."""

SHARES: dict[str, tuple[str, ...]] = {
    "pe": ("mac", "row_sum", "partial_sum", "group_epilogue", "token_scale"),
    "vector": ("vector_operation",),
    "sram": (
        "weight_buffer_read",
        "weight_buffer_write",
        "activation_buffer_read",
        "activation_buffer_write",
        "output_buffer_read",
        "output_buffer_write",
    ),
    "dram": ("dram_read", "dram_write"),
}
"""Which actions make up each share of the energy."""

PLACES = {action: place for place, action in enumerate(ACTIONS)}

COMPONENTS: dict[str, tuple[str, ...]] = {
    "pe": ("mac",),
    "row_sum": ("row_sum",),
    "foot": ("partial_sum",),
    "epilogue": ("group_epilogue", "token_scale"),
    "vector": ("vector_operation",),
    **{f"{name}_buffer": (f"{name}_buffer_read", f"{name}_buffer_write") for name in ("weight", "activation", "output")},
    "dram": ("dram_read", "dram_write"),
}
"""Which component does each action."""


@dataclass(frozen=True)
class Energy:
    """Energy [J] and its shares; ``static`` is what is spent in every cycle, zero where the technology's source has no such."""

    pe: float
    vector: float
    sram: float
    dram: float
    static: float

    @property
    def total(self) -> float:
        return self.pe + self.vector + self.sram + self.dram + self.static


@dataclass(frozen=True)
class Cost:
    """What a run costs.

    ``layers`` is the energy of each operator of a schedule, in order; ``components`` the energy [J] by what spends it, of a PE
    that was measured by its parts;
    ``per_action`` [pJ]; ``dram_sweep`` maps each energy of :data:`sim.memory.DRAM_ENERGY_SWEEP` [pJ/bit] to the DRAM's share
    [J] at it; ``range_j`` is the total at the ends of an estimate's spread. ``area`` is as synthesised for ``sky130``, or for
    ``xcup`` where the technology is an FPGA's, ``None`` if that was not done, and ``area_mm2`` the same in the technology,
    where it has one. ``sources`` says for each share, and for ``area``, where its figures come from and of what kind they are.
    """

    time_s: float
    macs: int
    energy_j: Energy
    layers: tuple[Energy, ...]
    components: Mapping[str, float]
    per_action: Mapping[str, float]
    dram_sweep: Mapping[float, float]
    range_j: tuple[float, float]
    area: DesignArea | None
    area_mm2: float | None
    sources: Mapping[str, Source]

    @property
    def power_w(self) -> float:
        """Mean power [W]; zero for a run without cycles."""
        return self.energy_j.total / self.time_s if self.time_s else 0.0

    @property
    def tops(self) -> float:
        """Operations done [10**12/s], two for each MAC."""
        return OPERATIONS_PER_MAC * self.macs / self.time_s / TERA if self.time_s else 0.0

    @property
    def tops_per_w(self) -> float:
        """Operations for the energy, DRAM included [10**12/J]."""
        total = self.energy_j.total
        return OPERATIONS_PER_MAC * self.macs / total / TERA if total else 0.0

    @property
    def tops_per_mm2(self) -> float | None:
        """Operations done on the area [10**12/s/mm2], ``None`` where that is not known."""
        return self.tops / self.area_mm2 if self.area_mm2 else None

    @property
    def energy_delay_js(self) -> float:
        """Energy-delay product [J s]."""
        return self.energy_j.total * self.time_s


def evaluate(design: DesignPoint, run: Trace | Schedule, technology: str | None = None) -> Cost:
    """Cost of a trace on a design, or of a schedule operator by operator, with the design as each of them sees it.

    ``technology`` is the design's own unless another is named. Raises ``InputError`` as :func:`costmodel.energy.priced` does.
    """
    name = design.technology if technology is None else technology
    table = choose("technology", name, TECHNOLOGIES)
    prices = priced(design, name)
    spent = _spent(design, run, prices, name)
    whole = run.trace if isinstance(run, Schedule) else run
    area = _area(design, table.measured if isinstance(table, Fabric) else SILICON)
    time_s = whole.cycles / design.clock_hz
    always = per_cycle(design, name, area) if isinstance(area, DesignArea) else {}
    static = {part: energy * whole.cycles * PICOJOULE for part, energy in always.items()}
    static_j = sum(static.values())
    by_action = spent.sum(axis=0)
    total = Energy(**{share: _sum(by_action, actions) for share, actions in SHARES.items()}, static=static_j)
    dram_bits = sum(whole.counts.get(action, 0) for action in SHARES["dram"])
    return Cost(
        time_s=time_s,
        macs=whole.counts.get("mac", 0),
        energy_j=total,
        layers=_layers(run, spent, static_j) if isinstance(run, Schedule) else (),
        components=MappingProxyType({**_by_component(by_action, prices["mac"].parts), **static}),
        per_action=MappingProxyType({action: price.energy for action, price in prices.items()}),
        dram_sweep=MappingProxyType({energy: dram_bits * energy * PICOJOULE for energy in DRAM_ENERGY_SWEEP}),
        range_j=_range(total, table),
        area=area if isinstance(area, DesignArea) else None,
        area_mm2=_area_mm2(area, table),
        sources=MappingProxyType({**_energy_sources(prices, table, area), "area": _area_source(design, area, table)}),
    )


def _spent(design: DesignPoint, run: Trace | Schedule, prices: Mapping[str, Priced], technology: str) -> NDArray[np.float64]:
    """Energy [J] of each operator and action; a trace is one operator."""
    traces = [step.run.trace for step in run.steps] if isinstance(run, Schedule) else [run]
    never = dict.fromkeys(ACTIONS, 0)
    counts = np.array([list({**never, **trace.counts}.values()) for trace in traces], dtype=np.float64)
    energies = _energies(prices)
    if isinstance(run, Schedule):
        seen = [_seen(design, step.operator) for step in run.steps]
        of_each = {(cache, name): _energies_seen(design, prices, technology, cache, name) for cache, name in set(seen)}
        energies = np.array([of_each[one] for one in seen]).reshape(-1, len(ACTIONS))
    spent: NDArray[np.float64] = counts * energies * PICOJOULE
    return spent


def _seen(design: DesignPoint, operator: Operator) -> tuple[bool, str]:
    """Whether the design is seen as by the KV cache, in a format of its own, and which other format weights have."""
    if not isinstance(operator, Product):
        return False, ""
    return operator.kind in CACHE_KINDS and design.attention is not design, operator.weight_format


def _energies_seen(
    design: DesignPoint, prices: Mapping[str, Priced], technology: str, of_cache: bool, weight_format: str
) -> NDArray[np.float64]:
    """Energy [pJ] of each action; narrower weights take the PE that was built for its own as long as their width needs."""
    if of_cache:
        return _energies(priced(design.attention, technology))
    energies = _energies(prices)
    if weight_format:
        energies[PLACES["mac"]] *= mac_share(design, design.with_weights(weight_format))
    return energies


def _energies(prices: Mapping[str, Priced]) -> NDArray[np.float64]:
    return np.array([prices[action].energy for action in ACTIONS])


def _sum(spent: NDArray[np.float64], actions: Iterable[str]) -> float:
    """Energy of some actions, of the last axis."""
    return float(spent[[PLACES[action] for action in actions]].sum())


def _by_component(by_action: NDArray[np.float64], parts_of_mac: Mapping[str, float]) -> dict[str, float]:
    """Energy of each component; of the PEs by part where a MAC's parts are known."""
    found = {part: _sum(by_action, actions) for part, actions in COMPONENTS.items()}
    if not parts_of_mac:
        return found
    each = found.pop("pe") / sum(parts_of_mac.values())
    return {f"pe_{part}": each * energy for part, energy in parts_of_mac.items()} | found


def _layers(run: Schedule, spent: NDArray[np.float64], static_j: float) -> tuple[Energy, ...]:
    """Energy of each operator; what is spent all the time is shared out by their cycles."""
    cycles = np.array([step.run.trace.cycles for step in run.steps], dtype=np.float64)
    shares = [spent[:, [PLACES[action] for action in actions]].sum(axis=1) for actions in SHARES.values()]
    static = static_j * cycles / max(cycles.sum(), 1.0)
    return tuple(Energy(*layer) for layer in np.stack([*shares, static], axis=1).tolist())


def _range(total: Energy, table: Technology) -> tuple[float, float]:
    if not isinstance(table, Fabric):
        return total.total, total.total
    low, high = ((total.total - total.dram) * end / table.mid + total.dram for end in (table.low, table.high))
    return low, high


def _area(design: DesignPoint, target: str) -> DesignArea | NotMeasuredError:
    """The area, or why it is not known."""
    try:
        return component_areas(design, target)
    except NotMeasuredError as error:
        return error


def slower_clock(design: DesignPoint, area: DesignArea) -> list[str]:
    """One sentence where what was synthesised does not reach the design's clock, which times are told at."""
    if area.reachable_hz is None or area.reachable_hz >= design.clock_hz:
        return []
    return [f"its slowest component reaches {area.reachable_hz / 1e6:.0f} of {design.clock_hz / 1e6:g} MHz on {area.target}"]


def _area_mm2(area: DesignArea | NotMeasuredError, table: Technology) -> float | None:
    if not (isinstance(area, DesignArea) and isinstance(table, Operations)):
        return None
    return area.total * table.area[0] / UM2_PER_MM2


def _energy_sources(prices: Mapping[str, Priced], table: Technology, area: DesignArea | NotMeasuredError) -> dict[str, Source]:
    """Of each share; where its actions have several, those of all but the first under their own names."""
    found: dict[str, Source] = {}
    for share, actions in SHARES.items():
        by_source: dict[Source, list[str]] = {}
        for action in actions:
            by_source.setdefault(prices[action].source, []).append(action)
        (first, _), *others = by_source.items()
        found[share] = first
        found |= {", ".join(named).replace("_", " "): source for source, named in others}
    return found | {"static": _static_source(table, area)}


def _static_source(table: Technology, area: DesignArea | NotMeasuredError) -> Source:
    if isinstance(table, Fabric):
        return Source(table.source.kind, f"{table.source.text}; of all but PEs, row sums and epilogues, in every cycle")
    if isinstance(table, Operations) and table.measured is not None and isinstance(area, DesignArea):
        text = (
            f"clock of the PEs and leakage of the synthesised cells on {table.measured}, {area.source.text}; clocks of other "
            "registers and the leakage of scratchpads are not in it"
        )
        return Source(area.source.kind, text)
    return Source(table.source.kind, "0: the source has neither leakage nor clock")


def _area_source(design: DesignPoint, area: DesignArea | NotMeasuredError, table: Technology) -> Source:
    if not isinstance(area, DesignArea):
        return Source("measured", f"not known: {area}")
    text = "; ".join([f"{area.target}: {area.source.text}", area.sram_source, *slower_clock(design, area)])
    if isinstance(table, Operations) and table.area[0] != 1:
        return Source("estimate", f"{text}; times {table.area[0]:.3g}: {table.area[1]}")
    return Source(area.source.kind, text)
