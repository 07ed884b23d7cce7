"""A run's figures as they are written: a row for each operator, and what the whole run comes to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, TypeVar

from costmodel.area import DesignArea, NotMeasuredError, component_areas
from costmodel.cost import Cost, Energy, slower_clock
from costmodel.synthesis.targets import CHARACTERISED
from shiftwise.noise import Noise
from shiftwise.workload import Workload
from sim.design import DesignPoint
from sim.kernels.overflow import GroupSums
from sim.quantized import storage_bits
from sim.schedule import Product, ProductCycles, Schedule, Step, VectorCycles
from sim.trace import Trace

BUFFERS = ("weight", "activation", "output")
TENSORS = ("weights", "keys", "values", "activations", "totals", "results", "vector_reads", "vector_writes")
"""What the DRAM's traffic is told apart by; ``totals`` are results so far, between two blocks of ``k``."""

Found = TypeVar("Found", Noise, GroupSums)


def layer_rows(
    steps: Sequence[Step], costs: Sequence[Energy], noise: Mapping[str, Noise], sums: Mapping[str, GroupSums]
) -> list[dict[str, Any]]:
    """A row for each operator, in order, with what was found of the products by their names.

    Group sums are counted once: where products have one name, the first of them has the sums of all.
    """
    names = {step.operator.name for step in steps if isinstance(step.operator, Product)}
    noise_of, sums_of = _by_row(noise, names), _by_row(sums, names)
    rows = []
    for step, cost in zip(steps, costs, strict=True):
        name = step.operator.name
        found = (noise_of.get(name), sums_of.pop(name, None)) if isinstance(step.operator, Product) else (None, None)
        rows.append(_layer_row(step, cost, *found))
    return rows


def _by_row(found: Mapping[str, Found], names: Collection[str]) -> dict[str, Found]:
    """Added up by row: experts, whose products have their numbers behind the parameter's name, are one operator."""
    added: dict[str, Found] = {}
    for name, one in found.items():
        whole, _, part = name.rpartition(".")
        row = whole if part.isdecimal() and name not in names else name
        added[row] = added[row] + one if row in added else one
    return added


def _layer_row(step: Step, cost: Energy, noise: Noise | None, sums: GroupSums | None) -> dict[str, Any]:
    """An operator's row: sizes, cycles and where they go, traffic by level, energy; vector work has sizes of 0.

    ``noise`` of its results, and the group ``sums`` of the text's prediction with how many overflowed.
    """
    run, counts = step.run, step.run.trace.counts
    dram_bytes = _dram_bits(run.trace) // 8
    return {
        "name": step.operator.name,
        "kind": step.operator.kind,
        "unit": step.unit,
        "weight_format": step.operator.weight_format if isinstance(step.operator, Product) else "",
        **_sizes(step),
        "start": step.start,
        "end": step.end,
        "cycles": run.trace.cycles,
        "wait_cycles": step.waits,
        "dram_wait_cycles": step.dram_wait,
        **_cycles(run),
        "dram_cycles": run.dram_cycles,
        "bound": run.bound,
        "vector_operations": counts.get("vector_operation", 0),
        "dram_bytes": dram_bytes,
        **{f"dram_{tensor}_bytes": run.dram_bits.get(tensor, 0) // 8 for tensor in TENSORS},
        **{f"{name}_buffer_bytes": _buffer_bits(run.trace, name) // 8 for name in BUFFERS},
        "intensity": counts.get("mac", 0) / dram_bytes if dram_bytes else 0.0,
        "energy_pe_J": cost.pe,
        "energy_vector_J": cost.vector,
        "energy_sram_J": cost.sram,
        "energy_dram_J": cost.dram,
        "energy_static_J": cost.static,
        "energy_J": cost.total,
        "sqnr_dB": noise.sqnr if noise else None,
        "group_sums": sums.count if sums else None,
        "overflows": sums.overflows if sums else None,
    }


def _sizes(step: Step) -> dict[str, Any]:
    if isinstance(step.operator, Product):
        p = step.operator
        return {"count": p.count, "m": p.m, "k": p.k, "n": p.n, "macs": p.macs}
    return {"count": 1, "m": 0, "k": 0, "n": 0, "macs": 0}


def _cycles(run: ProductCycles | VectorCycles) -> dict[str, Any]:
    """Where an operator's cycles go; those of the vector unit are its lanes' and its stalls."""
    if isinstance(run, VectorCycles):
        lanes = {"ideal_cycles": 0, "edge_cycles": 0, "fill_cycles": 0, "lane_cycles": run.lane_cycles}
        return lanes | {"stall_cycles": run.stall_cycles, "port_cycles": 0, "utilization": 0.0, "blocking": ""}
    return {
        "ideal_cycles": run.ideal_cycles,
        "edge_cycles": run.edge_cycles,
        "fill_cycles": run.fill_cycles,
        "lane_cycles": 0,
        "stall_cycles": run.stall_cycles,
        "port_cycles": run.port_cycles,
        "utilization": run.utilization,
        "blocking": str(run.blocking),
    }


def summary(design: DesignPoint, workload: Workload, run: Schedule, cost: Cost) -> dict[str, Any]:
    """The content of ``summary.json`` but for the accuracy; ``cost`` is that of the run.

    ``cycles`` are ``compute_cycles``, in which the array works, ``stall_cycles``, in which it waits for the memories, and
    those of ``cycle_losses["vector"]``, in which it waits for the vector unit. ``vector_cycles`` are all that the vector unit
    takes, most of them beside the array's. Figures by the token are ``None`` where nobody knows of tokens.
    """
    losses, cycles = run.losses, run.trace.cycles
    weights = _weights_by_format(design, run)
    macs = run.trace.counts.get("mac", 0)
    dram_bits = _dram_bits(run.trace)
    dram = sum(step.run.dram_cycles for step in run.steps)
    ports = sum(product.port_cycles for product in run.products)
    areas = {target: measured_area(design, target) for target in CHARACTERISED}
    return {
        "shiftwise": version("shiftwise"),
        "design": design.name,
        "design_fields": asdict(design),
        "parameters": workload.parameters,
        "macs": macs,
        "cycles": cycles,
        "cycle_losses": losses,
        "ideal_cycles": losses["ideal"],
        "compute_cycles": losses["ideal"] + losses["edges"] + losses["fill"],
        "stall_cycles": losses["memory"],
        "vector_cycles": sum(step.run.trace.cycles for step in run.steps if step.unit == "vector"),
        "dram_cycles": dram,
        "time_s": cost.time_s,
        "utilization": losses["ideal"] / cycles,
        "tokens": workload.tokens,
        "tokens_per_s": workload.tokens / cost.time_s if workload.tokens else None,
        "passes_per_s": 1 / cost.time_s,
        "bound": "memory" if max(dram, ports) > cycles - losses["memory"] else "compute",
        "dram_bytes": dram_bits // 8,
        "dram_bytes_by_tensor": {tensor: run.dram_bits[tensor] // 8 for tensor in TENSORS if tensor in run.dram_bits},
        "buffer_bytes": {name: _buffer_bits(run.trace, name) // 8 for name in BUFFERS},
        "intensity": macs / (dram_bits / 8) if dram_bits else 0.0,
        "bits_per_weight": _bits_per_weight(design, weights),
        "weights_by_format": weights,
        **_cost(cost, workload.tokens),
        "counts": dict(run.trace.counts),
        "energy_per_action_pJ": dict(cost.per_action),
        "area": area_fields(areas["sky130"]),
        "reachable_clock_MHz": _reachable_mhz(areas["sky130"]),
        "fpga": area_fields(areas["xcup"]),
        "uncounted_operations": list(workload.unknown),
        "sources": _sources(cost, design.technology)
        | {f"area on {target}": _area_source(design, area) for target, area in areas.items()},
    }


def _weights_by_format(design: DesignPoint, run: Schedule) -> dict[str, int]:
    """How many weights of linear layers have each format."""
    weights: dict[str, int] = {}
    for p in (step.operator for step in run.steps if isinstance(step.operator, Product) and step.operator.kind == "linear"):
        name = p.weight_format or design.weight_format
        weights[name] = weights.get(name, 0) + p.count * p.k * p.n
    return weights


def _bits_per_weight(design: DesignPoint, weights: Mapping[str, int]) -> float:
    """Storage of a weight in whole groups, scales and zero points counted: the mean over those in different formats."""
    group, counted = design.group_size, weights or {design.weight_format: 1}
    bits = {name: storage_bits(design.with_weights(name).weight_scheme, group, 1, 0) / group for name in counted}
    return sum(bits[name] * number for name, number in counted.items()) / sum(counted.values())


def _sources(cost: Cost, technology: str) -> dict[str, str]:
    """What is known of the technology's area is said as far as it is more than what was synthesised."""
    of_shares = {name: str(source) for name, source in cost.sources.items() if name != "area"}
    area = cost.sources["area"]
    return of_shares | ({f"area in {technology}": str(area)} if area.kind == "estimate" else {})


def _cost(cost: Cost, tokens: int | None) -> dict[str, Any]:
    energy = cost.energy_j
    return {
        "energy_J": {"total": energy.total, **asdict(energy)},
        "energy_range_J": list(cost.range_j),
        "energy_by_component_J": dict(cost.components),
        "energy_per_token_J": energy.total / tokens if tokens else None,
        "dram_energy_sweep_J": {str(pj): energy.total - energy.dram + joule for pj, joule in cost.dram_sweep.items()},
        "power_W": cost.power_w,
        "tops": cost.tops,
        "tops_per_W": cost.tops_per_w,
        "area_mm2": cost.area_mm2,
        "tops_per_mm2": cost.tops_per_mm2,
        "energy_delay_Js": cost.energy_delay_js,
    }


def _dram_bits(counted: Trace) -> int:
    return counted.counts.get("dram_read", 0) + counted.counts.get("dram_write", 0)


def _buffer_bits(counted: Trace, name: str) -> int:
    return counted.counts.get(f"{name}_buffer_read", 0) + counted.counts.get(f"{name}_buffer_write", 0)


def measured_area(design: DesignPoint, target: str) -> DesignArea | NotMeasuredError:
    """The area, or why it is not known."""
    try:
        return component_areas(design, target)
    except NotMeasuredError as error:
        return error


def area_fields(area: DesignArea | NotMeasuredError) -> dict[str, Any] | None:
    """An area by its parts, nothing of one that is not known."""
    if isinstance(area, NotMeasuredError):
        return None
    parts = {name: share.total for name, share in area.components.items()}
    sram = "sram" if area.sram_unit == area.unit else area.sram_unit
    return {"unit": area.unit, "target": area.target, "total": area.total, **parts, sram: area.sram}


def _reachable_mhz(area: DesignArea | NotMeasuredError) -> float | None:
    reachable = area.reachable_hz if isinstance(area, DesignArea) else None
    return reachable / 1e6 if reachable else None


def _area_source(design: DesignPoint, area: DesignArea | NotMeasuredError) -> str:
    if isinstance(area, NotMeasuredError):
        return str(area)
    return "; ".join([str(area.source), area.sram_source, *slower_clock(design, area)])
