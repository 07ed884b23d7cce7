"""What a model costs on a design whose weights have several formats, and what each unit costs in each format."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from costmodel.cost import Cost, evaluate
from costmodel.energy import memory_prices
from sim.design import DesignPoint
from sim.operators import Product
from sim.quantized import storage_bits
from sim.schedule import Schedule, schedule
from workloads.allocation.allocation import Allocation, allocated_operators, mean_bits
from workloads.allocation.errors import ErrorTable
from workloads.allocation.greedy import Reals
from workloads.model_trace import ModelTrace


@dataclass(frozen=True)
class Figures:
    """Of a pass: ``bits`` of a weight's code, ``stored_bits`` with scales and zero points; ``energy`` [J] of a token."""

    bits: float
    stored_bits: float
    cycles: int
    tokens_per_s: float
    energy: float
    dram_bytes: int


def figures_of(design: DesignPoint, allocation: Allocation, work: ModelTrace) -> Figures:
    """Figures by the schedule of every operator. Raises ``InputError`` for a design that cannot run one."""
    run, cost = _run(design, allocation, work)
    stored = weights = 0
    for p in (step.operator for step in run.steps if isinstance(step.operator, Product) and step.operator.kind == "linear"):
        scheme = design.seen_by(p.kind, p.weight_format).weight_scheme
        stored += p.count * storage_bits(scheme, p.k, p.n, 0)
        weights += p.count * p.k * p.n
    return Figures(
        bits=mean_bits(allocation, design, work.operators),
        stored_bits=stored / weights,
        cycles=run.trace.cycles,
        tokens_per_s=work.tokens / cost.time_s,
        energy=cost.energy_j.total / work.tokens,
        dram_bytes=sum(run.dram_bits.values()) // 8,
    )


def _run(design: DesignPoint, allocation: Allocation, work: ModelTrace) -> tuple[Schedule, Cost]:
    run = schedule(design, allocated_operators(design, work.operators, allocation), memory_prices(design))
    return run, evaluate(design, run)


@dataclass(frozen=True, eq=False)
class UnitCosts:
    """``each [units, formats]``; what all is above their sum, such as attention, is ``rest``."""

    each: Reals
    rest: float


def unit_costs(budget: str, table: ErrorTable, design: DesignPoint, work: ModelTrace) -> UnitCosts:
    """What a budget counts of each unit in each format: a unit's share of its layer's cost where all of this has the format."""
    weights = table.weights
    if budget == "bits":
        return UnitCosts(weights[:, None] * table.bits / weights.sum(), 0.0)
    of_formats = [_of_layers(budget, table, design, name, work) for name in table.formats]
    shares = np.concatenate([layer.weights / layer.weights.sum() for layer in table.layers.values()])
    units = [len(layer.weights) for layer in table.layers.values()]
    each = np.stack([shares * np.repeat(costs, units) for costs, _ in of_formats], axis=1)
    costs, whole = of_formats[-1]
    return UnitCosts(each, whole - sum(costs))


def _of_layers(
    budget: str, table: ErrorTable, design: DesignPoint, name: str, work: ModelTrace
) -> tuple[Sequence[float], float]:
    """The cost of each layer, and of the whole pass, where all layers have a format."""
    run, cost = _run(design, uniform(table, name), work)
    found = dict.fromkeys(table.layers, 0.0)
    for step, energy in zip(run.steps, cost.layers, strict=True):
        if step.operator.name in found:
            found[step.operator.name] += step.run.trace.cycles if budget == "cycles" else energy.total / work.tokens
    whole = run.trace.cycles if budget == "cycles" else cost.energy_j.total / work.tokens
    return list(found.values()), whole


def uniform(table: ErrorTable, name: str) -> Allocation:
    """One format for all layers."""
    return Allocation("layer", table.group_size, dict.fromkeys(table.layers, (name,)))
