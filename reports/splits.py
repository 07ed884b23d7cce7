"""What a run's totals are made of, as ``(label, value)`` parts that tables, bars and figures share."""

from collections.abc import Mapping
from typing import Any

Parts = dict[str, float]

LABELS = {
    "pe": "PE",
    "sram": "SRAM",
    "dram": "DRAM",
    "row_sum": "row sums",
    "array_edge": "array edge",
}
AREA_UNITS = {"um2": "µm²", "lut_sites": "LUT sites"}
NOT_LOGIC = ("unit", "target", "total", "bram36")


def cycle_parts(counted: Mapping[str, Any]) -> Parts:
    """``cycles`` of a run or a row: MACs at full rate, the array's fill and edges, waiting for memory; a sum."""
    return {
        "ideal": counted["ideal_cycles"],
        "edges, fill, vector unit": counted["cycles"] - counted["ideal_cycles"] - counted["stall_cycles"],
        "memory stall": counted["stall_cycles"],
    }


def energy_parts(energy: Mapping[str, float]) -> Parts:
    """Parts of ``energy_J`` [J] but its total."""
    return {label(part): joule for part, joule in energy.items() if part != "total"}


def sweep_parts(summary: Mapping[str, Any]) -> dict[str, Parts]:
    """For each DRAM energy [pJ/bit] of the sweep, the run's energy [J] on the chip and in the DRAM."""
    energy = summary["energy_J"]
    chip = energy["total"] - energy["dram"]
    return {pj: {"on chip": chip, "DRAM": total - chip} for pj, total in summary["dram_energy_sweep_J"].items()}


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
