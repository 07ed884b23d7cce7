"""Bars of cycles, energy and area; their numbers are in cycles, J, mm² and LUTs, without prefixes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from reports.layers import folded, grouped, shape_text, short_names, titles, told_kinds
from reports.plots import as_text, stacked_rows
from reports.splits import AREA_UNITS, area_parts, row_cycle_parts, sweep_parts

MOST_BARS = 40


def cycles_per_layer(layers: pd.DataFrame) -> go.Figure:
    """Cycles of each operator, repeated blocks summed, and where they go."""
    rows = folded(grouped(layers), MOST_BARS)
    return stacked_rows(_tick_names(rows), _hover_names(rows), row_cycle_parts(rows), "cycles", "%{x:,.0f} cycles")


def energy_per_layer(layers: pd.DataFrame) -> go.Figure:
    """Energy [J] of each operator, repeated blocks summed: by part, with static where the technology has it."""
    rows = folded(grouped(layers), MOST_BARS)
    columns = {"PE": "energy_pe_J", "vector unit": "energy_vector_J", "SRAM": "energy_sram_J", "DRAM": "energy_dram_J"}
    parts = {part: rows[column] for part, column in columns.items()}
    rest = rows["energy_J"] - sum(parts.values())
    if (rest > 1e-9 * rows["energy_J"]).any():
        parts["static"] = rest
    values = {part: joule.tolist() for part, joule in parts.items()}
    return stacked_rows(_tick_names(rows), _hover_names(rows), values, "energy [J]", "%{x:.3s}J", suffix="J")


def dram_energy_sweep(summary: Mapping[str, Any]) -> go.Figure:
    """The run's energy [J] on the chip and in the DRAM at each of the DRAM energies that are published."""
    sweep = sweep_parts(summary)
    names = [f"{float(pj):g} pJ/bit" for pj in sweep]
    parts = {part: [split[part] for split in sweep.values()] for part in ("on chip", "DRAM")}
    return stacked_rows(names, [f"DRAM at {name}" for name in names], parts, "energy [J]", "%{x:.3s}J", suffix="J")


def area_breakdown(area: Mapping[str, Any]) -> go.Figure:
    """Parts of a synthesised area in mm² (given in um2) or LUTs, the largest on top."""
    parts = area_parts(area)
    silicon = area["unit"] == "um2"
    unit = "mm²" if silicon else AREA_UNITS[area["unit"]]
    sizes = [size / 1e6 if silicon else size for size in parts.values()]
    names = [as_text(part) for part in parts]
    figure = stacked_rows(names, names, {"area": sizes}, f"area [{unit}]", f"%{{x:,.3~g}} {unit}")
    return figure.update_layout(showlegend=False, margin_t=8, height=figure.layout.height - 32)


def _tick_names(rows: pd.DataFrame) -> list[str]:
    names = told_kinds(rows, short_names(list(rows["name"])))
    return [as_text(title) for title in titles(rows, names)]


def _hover_names(rows: pd.DataFrame) -> list[str]:
    return [f"<b>{as_text(row['name'])}</b><br>{shape_text(row)}" for _, row in rows.iterrows()]
