"""Figures of a design on some models: in closed form for every point, by its whole schedule for the best."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from costmodel.area import component_areas
from costmodel.cost import SILICON, evaluate
from costmodel.energy import memory_prices
from costmodel.fpga.utilization import greatest_share
from costmodel.measured import own_measured_csv
from costmodel.technology import TECHNOLOGIES, Fabric
from shiftwise.comparison.costs import PASSES
from shiftwise.digests import digest_of
from shiftwise.exploration.closed_form import energy_j, run_pass
from shiftwise.exploration.objectives import DEVICE_SHARE
from shiftwise.exploration.space import FIELDS, WEIGHT_BITS, Value, design_of
from shiftwise.exploration.widths import Found, Layers, weights_of
from shiftwise.exploration.work import work_of
from sim.design import DesignPoint
from sim.errors import InputError
from sim.schedule import schedule
from workloads.allocation.allocation import Allocation, allocated_operators
from workloads.passes import Phase
from workloads.zoo import config_path, config_text

BITS_PER_GIGABYTE = 8e9

Fields = Mapping[str, Value]
Figures = dict[str, float]


@dataclass(frozen=True)
class Asked:
    """What figures are of: passes of models, one after the other, areas on a ``target``, shares of a board if there is one.

    ``widths`` has the formats of layers at mean widths by what decides them, where these are an axis.
    """

    base: DesignPoint
    models: tuple[str, ...]
    phase: Phase
    sequence: int | None
    target: str
    device: str | None = None
    widths: Mapping[tuple[Any, ...], Found] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def key(self) -> str:
        """All that figures depend on but the design: the program's text and data, rows that the user measured, the models."""
        own = own_measured_csv()
        measured = own.read_bytes() if own.is_file() else b""
        models = [config_text(config_path(model)) for model in self.models]
        asked = (models, self.phase, self.sequence, self.target, self.device, hashlib.sha256(measured).hexdigest())
        return digest_of("figures", *asked)[:32]

    def key_of(self, fields: Fields) -> str:
        """The key of a design's figures."""
        whole: list[Any] = [fields.get(name, getattr(self.base, name)) for name in FIELDS]
        if WEIGHT_BITS in fields:
            layers = self.found_widths(fields).layers.get(float(fields[WEIGHT_BITS]), {})
            whole += [fields[WEIGHT_BITS], *sorted(layers.items())]
        return f"{self.key}-{hashlib.sha256(repr(whole).encode()).hexdigest()[:32]}"

    def found_widths(self, fields: Fields) -> Found:
        """What was found of the widths of a design's weights."""
        return self.widths[weights_of(fields, self.base)]

    def layers(self, fields: Fields) -> Layers | None:
        """The formats of a design's layers, ``None`` where they have its own. Raises ``InputError`` for a width of none."""
        if WEIGHT_BITS not in fields:
            return None
        found, bits = self.found_widths(fields), float(fields[WEIGHT_BITS])
        if bits not in found.layers:
            raise InputError(f"{WEIGHT_BITS} are a mean of the widths of {', '.join(found.uniform)}, not {bits:g}")
        return found.layers[bits]


@dataclass(frozen=True)
class Batch:
    """Designs whose figures are found together: fields in the place of the base's."""

    asked: Asked
    points: tuple[Fields, ...]


def figures_of_batch(batch: Batch) -> list[Figures | str]:
    """Figures of each design in closed form, or why there are none. A function for workers."""
    return [_figures_or_why(batch.asked, fields) for fields in batch.points]


def _figures_or_why(asked: Asked, fields: Fields) -> Figures | str:
    try:
        return closed_form(asked, design_of(asked.base, fields), asked.layers(fields))
    except InputError as error:
        return str(error)


def closed_form(asked: Asked, design: DesignPoint, layers: Layers | None = None) -> Figures:
    """Figures of :data:`shiftwise.exploration.objectives.OBJECTIVES` but for the noise.

    A token is one of every model: its energy is their mean, the tokens of a second are the models' by the time of one of
    each. Raises ``InputError`` for a design that cannot run a model, or of which an area or an energy is not known.
    """
    area = component_areas(design, asked.target)
    table = TECHNOLOGIES[design.technology]
    whole = (
        area if asked.target == SILICON else component_areas(design, table.measured if isinstance(table, Fabric) else SILICON)
    )
    seconds = energy = 0.0
    for model in asked.models:
        work = work_of(model, asked.phase, asked.sequence)
        found = run_pass(design, work, layers)
        seconds += found.cycles / design.clock_hz / work.tokens
        energy += energy_j(design, found, design.technology, whole) / work.tokens
    return _figures(asked, design, area.total, seconds, energy)


def _figures(asked: Asked, design: DesignPoint, area: float, seconds: float, energy: float) -> Figures:
    """``seconds`` and ``energy`` [J] of a token of every model."""
    models = len(asked.models)
    found = {"area": area, "energy": energy / models, "tokens_per_s": models / seconds, "power": energy / seconds}
    found["bandwidth"] = float(design.dram_bits_per_second) / BITS_PER_GIGABYTE
    return found | ({DEVICE_SHARE: greatest_share(design, asked.device)} if asked.device else {})


@dataclass(frozen=True)
class Exact:
    """Figures to find by the schedule of every operator."""

    asked: Asked
    fields: tuple[tuple[str, Value], ...]

    @property
    def key(self) -> str:
        return f"exact-{self.asked.key_of(dict(self.fields))}"


def exact_figures(task: Exact) -> dict[str, Any] | None:
    """``figures`` as :func:`closed_form`, by the best schedule, and the ``passes`` of the models; ``None`` where there is none.

    A function for workers.
    """
    from shiftwise.passes import told_pass
    from workloads.shapes import shapes  # needs torch

    asked = task.asked
    fields = dict(task.fields)
    design = design_of(asked.base, fields)
    allocation = allocation_of(design, asked.layers(fields))
    seconds = energy = 0.0
    passes = []
    try:
        for model in asked.models:
            work = shapes(model, asked.phase, 1, asked.sequence)
            run = schedule(design, allocated_operators(design, work.operators, allocation), memory_prices(design))
            cost = evaluate(design, run)
            seconds += cost.time_s / work.tokens
            energy += cost.energy_j.total / work.tokens
            passes.append(told_pass(f"{asked.phase} of {model}", design, design, run, work.tokens, cost))
    except InputError:
        return None
    return {"figures": _figures(asked, design, component_areas(design, asked.target).total, seconds, energy), PASSES: passes}


def allocation_of(design: DesignPoint, layers: Layers | None) -> Allocation | None:
    """The formats of layers as an allocation."""
    return None if layers is None else Allocation("layer", design.group_size, {name: (own,) for name, own in layers.items()})
