"""A run on the terminal: a table of its layers and a panel of key figures."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reports.layers import TIMES, grouped, products_text, shape_text, short_names
from reports.page import bits_per_byte, unmeasured, work
from reports.splits import AREA_UNITS, Parts, accuracy_loss, area_parts, cycle_parts, energy_parts, sweep_parts
from reports.units import column_unit, engineering, percent, significant, square

WIDE = 110
"""[column] From here on there is room for wider gaps."""
SHORTEST_NAME = 12
LEFT = ("layer", "bound")
DISPENSABLE = ("bound", "stall", "SQNR", "util")
"""Columns that a narrow terminal goes without, in this order."""


def print_run(summary: Mapping[str, Any], layers: pd.DataFrame, console: Console) -> None:
    """Print a row for each product that differs in more than its block, the totals, and the key figures."""
    console.print(_layer_table(grouped(layers), console.width))
    console.print(Panel(_key_figures(summary), title=Text(f"{summary['design']}: {summary['model']}"), expand=False))


def _layer_table(rows: pd.DataFrame, width: int) -> Table:
    columns = _columns(rows)
    gap = 2 if width >= WIDE else 1

    def rest() -> int:
        return width - sum(max(map(len, (head, *cells))) + gap for head, cells in columns.items())

    for head in DISPENSABLE:
        if rest() < SHORTEST_NAME:
            del columns[head]
    columns = {"layer": [*_names(rows, rest()), "total"], **columns}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    for head in columns:
        table.add_column(head, justify="left" if head in LEFT else "right", no_wrap=True)
    for index, cells in enumerate(zip(*columns.values(), strict=True)):
        table.add_row(*map(Text, cells), end_section=index == len(rows) - 1)
    return table


def _columns(rows: pd.DataFrame) -> dict[str, list[str]]:
    """By its head, each column but the names: a cell for each row, then the total's."""
    sums = rows.sum(numeric_only=True)
    cycles, energy = column_unit([sums["cycles"]]), column_unit([sums["energy_J"]])

    def shares(column: str) -> list[str]:
        return [f"{part / whole:.0%}" for part, whole in zip([*rows[column], sums[column]], all_cycles, strict=True)]

    def joules(column: str) -> list[str]:
        return [energy.text(value) for value in (*rows[column], sums[column])]

    all_cycles = [*rows["cycles"], sums["cycles"]]
    return {
        f"m{TIMES}k{TIMES}n": [*(shape_text(row) for _, row in rows.iterrows()), ""],
        "bound": [*rows["bound"], ""],
        f"{cycles.prefix}cycles": [cycles.text(value) for value in all_cycles],
        "util": shares("ideal_cycles"),
        "stall": shares("stall_cycles"),
        f"PE {energy.prefix}J": joules("energy_pe_J"),
        "SRAM": joules("energy_sram_J"),
        "DRAM": joules("energy_dram_J"),
        "SQNR": [*map(significant, rows["sqnr_dB"]), ""],
    }


def _names(rows: pd.DataFrame, width: int) -> list[str]:
    """Whole names if they fit the width, else short ones, else their ends."""
    long = list(rows["name"])
    for names in (long, short_names(long)):
        shown = [products_text(name, products) for name, products in zip(names, rows["products"], strict=True)]
        if max(map(len, shown)) <= width:
            return shown
    room = max(width, SHORTEST_NAME)
    return [name if len(name) <= room else "…" + name[1 - room :] for name in shown]


def _key_figures(summary: Mapping[str, Any]) -> Table:
    energy, accuracy = summary["energy_J"], summary["accuracy"]
    sweep = {pj: sum(parts.values()) for pj, parts in sweep_parts(summary).items()}
    at = ", ".join(f"{engineering(joule, 'J')} at {float(pj):g}" for pj, joule in sweep.items())
    lines = {
        "speed": f"{significant(summary['tokens_per_s'])} tokens/s; {work(summary)} in {engineering(summary['time_s'], 's')}",
        "utilization": f"{percent(summary['utilization'])}, {summary['bound']}-bound",
        "cycles": f"{engineering(summary['cycles'], 'cycles')}: {_shares(cycle_parts(summary))}",
        "energy": f"{engineering(energy['total'], 'J')}: {_shares(energy_parts(energy))}",
        "": f"{engineering(summary['energy_per_token_J'], 'J')} per token, {engineering(summary['power_W'], 'W')}",
        "DRAM": f"{engineering(summary['dram_bytes'], 'B')}; total energy {at} pJ/bit",
        "area": _area(summary),
        "FPGA": _fpga(summary),
    }
    if accuracy:
        before, after = bits_per_byte(summary)
        lines["accuracy"] = f"bits per byte {before} float, {after} hardware ({percent(accuracy_loss(accuracy), 2, '+')})"
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, line in lines.items():
        grid.add_row(name, Text(line))
    return grid


def _area(summary: Mapping[str, Any]) -> str:
    area = summary["area"]
    if not area:
        return unmeasured(summary, "sky130hd")
    return f"{square(area['total'])} on {area['target']}: {_shares(area_parts(area))}"


def _fpga(summary: Mapping[str, Any]) -> str:
    fpga = summary["fpga"]
    if not fpga:
        return unmeasured(summary, "xcup")
    blocks = f"{significant(fpga['bram36'])} block RAMs"
    return f"{significant(fpga['total'])} {AREA_UNITS[fpga['unit']]}, {blocks}: {_shares(area_parts(fpga))}"


def _shares(parts: Parts) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {percent(value / total if total else 0.0)}" for name, value in parts.items())
