"""A run on the terminal: a table of its operators and a panel of key figures."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reports.layers import TIMES, folded, grouped, shape_text, short_names, titles
from reports.splits import (
    AREA_UNITS,
    Parts,
    accuracy_loss,
    area_parts,
    cycle_parts,
    energy_parts,
    sweep_parts,
    traffic_parts,
)
from reports.units import column_unit, engineering, percent, significant, square
from reports.words import bits_per_byte, density, energy_of_each, lost, rate, spread, unmeasured, work

WIDE = 110
"""[column] From here on there is room for wider gaps."""
SHORTEST_NAME = 18
MOST_ROWS = 40
LEFT = ("layer", "bound")
DISPENSABLE = ("bound", "stall", "SQNR", "edges", "util")
"""Columns that a narrow terminal goes without, in this order."""


def print_run(summary: Mapping[str, Any], layers: pd.DataFrame, console: Console) -> None:
    """Print a row for each operator that differs in more than its block, the totals, and the key figures."""
    console.print(_layer_table(folded(grouped(layers), MOST_ROWS), summary, console.width))
    console.print(Panel(_key_figures(summary), title=Text(f"{summary['design']}: {summary['model']}"), expand=False))


def _layer_table(rows: pd.DataFrame, summary: Mapping[str, Any], width: int) -> Table:
    columns = _columns(rows, summary)
    gap = 2 if width >= WIDE else 1

    def rest() -> int:
        return width - sum(max(map(len, (head, *cells))) + gap for head, cells in columns.items())

    needed = min(SHORTEST_NAME, max(map(len, titles(rows, short_names(list(rows["name"]))))))
    for head in DISPENSABLE:
        if rest() < needed:
            columns.pop(head, None)
    columns = {"layer": [*_names(rows, rest()), "total"], **columns}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    for head in columns:
        table.add_column(head, justify="left" if head in LEFT else "right", no_wrap=True)
    for index, cells in enumerate(zip(*columns.values(), strict=True)):
        table.add_row(*map(Text, cells), end_section=index == len(rows) - 1)
    return table


def _columns(rows: pd.DataFrame, summary: Mapping[str, Any]) -> dict[str, list[str]]:
    """By its head, each column but the names: a cell for each row, then the run's, whose cycles may overlap."""
    energy, losses = summary["energy_J"], summary["cycle_losses"]
    taken = rows["taken_cycles"]
    cycles, joule = column_unit(taken), column_unit(rows["energy_J"])

    def shares(column: str, of_run: int) -> list[str]:
        own = [
            f"{part / all_:.0%}" if all_ and macs else ""
            for part, all_, macs in zip(rows[column], taken, rows["macs"], strict=True)
        ]
        return [*own, f"{of_run / summary['cycles']:.0%}" if summary["cycles"] else ""]

    def joules(values: pd.Series, of_run: float) -> list[str]:
        return [joule.text(value) for value in (*values, of_run)]

    columns = {
        f"m{TIMES}k{TIMES}n": [*(shape_text(row) for _, row in rows.iterrows()), ""],
        "bound": [*rows["bound"], ""],
        f"{cycles.prefix}cycles": [cycles.text(value) for value in (*taken, summary["cycles"])],
        "util": shares("ideal_cycles", losses["ideal"]),
        "edges": shares("edge_cycles", losses["edges"]),
        "stall": shares("stalled_cycles", losses["memory"]),
        f"logic {joule.prefix}J": joules(rows["energy_pe_J"] + rows["energy_vector_J"], energy["pe"] + energy["vector"]),
        "SRAM": joules(rows["energy_sram_J"], energy["sram"]),
        "DRAM": joules(rows["energy_dram_J"], energy["dram"]),
    }
    if rows["sqnr_dB"].notna().any():
        columns["SQNR"] = [*("" if pd.isna(value) else significant(value) for value in rows["sqnr_dB"]), ""]
    return columns


def _names(rows: pd.DataFrame, width: int) -> list[str]:
    """Whole names if they fit the width, else short ones, else their ends."""
    long = list(rows["name"])
    for names in (long, short_names(long)):
        shown = titles(rows, names)
        if max(map(len, shown)) <= width:
            return shown
    room = max(width, SHORTEST_NAME)
    return [name if len(name) <= room else "…" + name[1 - room :] for name in shown]


def _key_figures(summary: Mapping[str, Any]) -> Table:
    energy, accuracy = summary["energy_J"], summary["accuracy"]
    sweep = {pj: sum(parts.values()) for pj, parts in sweep_parts(summary).items()}
    at = ", ".join(f"{engineering(joule, 'J')} at {float(pj):g}" for pj, joule in sweep.items())
    each, joule = energy_of_each(summary)
    traffic = f"{engineering(summary['dram_bytes'], 'B')}, {significant(summary['intensity'])} MAC/B"
    lines = {
        "speed": f"{rate(summary)}; {work(summary)} in {engineering(summary['time_s'], 's')}",
        "utilization": f"{percent(summary['utilization'])}; {lost(summary)}",
        "cycles": f"{engineering(summary['cycles'], 'cycles')}: {_shares(cycle_parts(summary))}",
        "energy": f"{engineering(energy['total'], 'J')}: {_shares(energy_parts(energy))}",
        "": f"{joule} per {each}, {engineering(summary['power_W'], 'W')}; {at} pJ/bit",
        "efficiency": _efficiency(summary),
        "DRAM": f"{traffic}: {_shares(traffic_parts(summary['dram_bytes_by_tensor']))}",
        "area": _area(summary),
        "FPGA": _fpga(summary),
    }
    if accuracy:
        before, after = bits_per_byte(accuracy)
        loss = percent(accuracy_loss(accuracy), 2, "+")
        agreed = f"{percent(accuracy['top1_agreement'])} of the likeliest tokens agree"
        lines["accuracy"] = f"bits per byte {before} float, {after} hardware ({loss}); {agreed}"
        if accuracy["overflows"]:
            lines["overflows"] = f"{accuracy['overflows']:,} of {accuracy['group_sums']:,} group sums"
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    for name, line in lines.items():
        grid.add_row(name, Text(line))
    return grid


def _efficiency(summary: Mapping[str, Any]) -> str:
    figures = f"{significant(summary['tops_per_W'])} TOPS/W, {density(summary)}"
    product = f"energy-delay product {engineering(summary['energy_delay_Js'], 'J s')}"
    return "; ".join(filter(None, (figures, product, spread(summary))))


def _area(summary: Mapping[str, Any]) -> str:
    area = summary["area"]
    if not area:
        return unmeasured(summary, "sky130")
    speed = f", at most {significant(mhz)} MHz" if (mhz := summary["reachable_clock_MHz"]) else ""
    return f"{square(area['total'])} on {area['target']}{speed}: {_shares(area_parts(area))}"


def _fpga(summary: Mapping[str, Any]) -> str:
    fpga = summary["fpga"]
    if not fpga:
        return unmeasured(summary, "xcup")
    blocks = f"{fpga['bram36']:,g} block RAMs"
    return f"{significant(fpga['total'])} {AREA_UNITS[fpga['unit']]}, {blocks}: {_shares(area_parts(fpga))}"


def _shares(parts: Parts) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {percent(value / total if total else 0.0)}" for name, value in parts.items())
