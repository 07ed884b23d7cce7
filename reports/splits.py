"""What a run's totals are made of, as ``(label, value)`` parts that tables, bars and figures share."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

Parts = dict[str, float]

LABELS = {
    "pe": "PE",
    **{f"pe_{part}": f"PE {part}" for part in ("multiplier", "accumulator", "registers", "clock")},
    "sram": "SRAM",
    "dram": "DRAM",
    "vector": "vector unit",
    "row_sum": "row sums",
    "row_sum_foot": "foot of row sums",
    "array_edge": "array edge",
}
CYCLES = {
    "ideal": ("ideal", "ideal_cycles"),
    "edges": ("edges", "edge_cycles"),
    "fill": ("array fill", "fill_cycles"),
    "memory": ("memory stall", "stalled_cycles"),
    "vector": ("vector unit", "lane_cycles"),
}
"""Where cycles go: by its key in ``cycle_losses``, a part's label and its column of :mod:`reports.layers`."""

AREA_UNITS = {"um2": "µm²", "lut_sites": "LUT sites"}
NOT_LOGIC = ("unit", "target", "total", "bram36")


def cycle_parts(summary: Mapping[str, Any]) -> Parts:
    """Parts of the run's cycles; those of the vector unit are the ones in which the array has nothing to do."""
    return {name: summary["cycle_losses"][key] for key, (name, _) in CYCLES.items()}


def row_cycle_parts(rows: pd.DataFrame) -> dict[str, list[float]]:
    """For each row, parts of ``taken_cycles``; those of the array's rows add up to the run's."""
    return {name: rows[column].tolist() for name, column in CYCLES.values()}


def largest_loss(summary: Mapping[str, Any]) -> tuple[str, float]:
    """The largest part of the cycles but the ideal ones, and its share of all cycles."""
    losses = {name: cycles for name, cycles in cycle_parts(summary).items() if name != "ideal"}
    name = max(losses, key=lambda part: losses[part])
    return name, losses[name] / summary["cycles"] if summary["cycles"] else 0.0


def energy_parts(energy: Mapping[str, float]) -> Parts:
    """Parts of ``energy_J`` [J] but its total."""
    return {label(part): joule for part, joule in energy.items() if part != "total"}


def component_parts(joule_by_component: Mapping[str, float]) -> Parts:
    """Parts of ``energy_by_component_J`` [J] that are not zero, the largest first."""
    return {label(name): joule for name, joule in sorted(joule_by_component.items(), key=lambda item: -item[1]) if joule}


def sweep_parts(summary: Mapping[str, Any]) -> dict[str, Parts]:
    """For each DRAM energy [pJ/bit] of the sweep, the run's energy [J] on the chip and in the DRAM."""
    energy = summary["energy_J"]
    chip = energy["total"] - energy["dram"]
    return {pj: {"on chip": chip, "DRAM": total - chip} for pj, total in summary["dram_energy_sweep_J"].items()}


def traffic_parts(bytes_by_name: Mapping[str, int]) -> Parts:
    """Parts of a traffic [byte] that are not zero, the largest first."""
    return {label(name): size for name, size in sorted(bytes_by_name.items(), key=lambda item: -item[1]) if size}


def area_parts(area: Mapping[str, Any]) -> Parts:
    """Parts of an area, in its unit, the largest first; parts that have not been measured are left out."""
    measured = {label(part): size for part, size in area.items() if part not in NOT_LOGIC and size is not None}
    return dict(sorted(measured.items(), key=lambda item: -item[1]))


def accuracy_loss(accuracy: Mapping[str, Any]) -> float:
    """How many more bits per byte the hardware needs than the float model, as a fraction."""
    return float(accuracy["hardware_bits_per_byte"] / accuracy["float_bits_per_byte"] - 1)


def label(part: str) -> str:
    """A part's name as it is written in reports."""
    return LABELS.get(part, part.replace("_", " "))
