"""A run of an overlay: its page, its files, and what the terminal shows."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reports.files import REPORT, SUMMARY
from reports.gantt import Lane, lanes_in_time
from reports.page import bar_of, embedded, template
from reports.plots import BLUE, GREEN, GREY, ORANGE, PURPLE
from reports.splits import accuracy_loss
from reports.tables import OperatorTable, accuracy_facts
from reports.units import MISSING, engineering, percent, significant
from reports.words import bits_per_byte
from sim.files import output_folder, remove, write_together
from sim.overlay.elements import ELEMENTS
from sim.overlay.engine import BLOCK

COLORS = {"memory": ORANGE, "engine": BLUE, "special": PURPLE, "waiting": GREY}

LANES = {"load": ORANGE, "engine": BLUE, "special": PURPLE, "store": GREEN}
"""Units of the timeline, in the order in which numbers pass through them."""


def write_overlay(summary: Mapping[str, Any], steps: pd.DataFrame, timeline: pd.DataFrame, folder: Path) -> Path:
    """Write a run into a folder, all files or none, the summary last; returns the page's path."""
    place = output_folder(folder)
    contents = {
        "steps.csv": steps.to_csv(index=False, lineterminator="\n"),
        "timeline.csv": timeline.to_csv(index=False, lineterminator="\n"),
        REPORT: render(summary, steps, timeline),
        SUMMARY: json.dumps(summary, indent=2, allow_nan=False) + "\n",
    }
    remove(place / SUMMARY)
    write_together(place, {name: text.encode() for name, text in contents.items()})
    return place / REPORT


def render(summary: Mapping[str, Any], steps: pd.DataFrame, timeline: pd.DataFrame) -> str:
    """The whole page; names that a user gave are escaped wherever they stand."""
    layers = sorted(set(timeline["layer"]))
    page = template("overlay.html").render(
        run=summary,
        sentence=sentence(summary),
        tiles=[(what, figure, remark) for what, figure, remark in key_figures(summary)],
        bars={"cycles": bar_of(summary["cycles_by_unit"], "{:,}".format, COLORS)},
        busy=busy_shares(summary),
        caption=f"Layer{'s' * (len(layers) > 1)} {' and '.join(map(str, layers))} of the last program." if layers else "",
        steps=table(steps),
        accuracy=accuracy_facts(summary["accuracy"]) if summary["accuracy"] else [],
        memory=memory_facts(summary),
        bursts=burst_facts(summary),
        resources=table(pd.DataFrame(summary["resources"]["blocks"])) if summary["resources"] else None,
        verdict=summary["resources"]["verdict"] if summary["resources"] else summary["not_measured"],
        design=[(name.replace("_", " "), _shown(value)) for name, value in summary["design_fields"].items()],
        figures=embedded({"timeline": in_time(timeline)} if len(timeline) else {}),
        plotly=get_plotlyjs(),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def print_overlay(summary: Mapping[str, Any], steps: pd.DataFrame, console: Console) -> None:
    """Print a row for each step of a pass and the key figures; where it is narrow, numbers with three digits."""
    cells = table(steps)
    whole = [[text for text, _ in row] for row in cells.rows]
    short = [[value if isinstance(value, str) else engineering(value, "").strip() for _, value in row] for row in cells.rows]
    heads = [head for head, _ in cells.heads]
    is_wide = sum(max(map(len, column)) + 2 for column in zip(heads, *whole, strict=True)) <= console.width
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, int(is_wide), 0, 0), pad_edge=False, show_edge=False)
    for head, numeric in cells.heads:
        shown.add_column(head, justify="right" if numeric else "left", no_wrap=True)
    for row in whole if is_wide else short:
        shown.add_row(*map(Text, row))
    console.print(shown)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for what, line in _told(summary):
        grid.add_row(Text(what), Text(line))
    console.print(Panel(grid, title=Text(f"{summary['design']}: {summary['model']}"), expand=False))


def _told(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the terminal shows of a run, line by line."""
    where = ", ".join(f"{name} {percent(cycles / summary['cycles'])}" for name, cycles in summary["cycles_by_unit"].items())
    return [
        *((what, f"{figure}  {remark}") for what, figure, remark in key_figures(summary)),
        *memory_facts(summary),
        ("Cycles", where),
        ("Busy", busy_shares(summary)),
        ("Board", summary["resources"]["verdict"] if summary["resources"] else summary["not_measured"]),
    ]


def busy_shares(summary: Mapping[str, Any]) -> str:
    """How much of the time each unit is at work, which several are at once."""
    shares = (
        f"{unit} {percent(cycles / summary['cycles'])}" for unit, cycles in summary["busy_cycles"].items() if unit in LANES
    )
    return f"{', '.join(shares)} of all cycles, several at once"


def sentence(summary: Mapping[str, Any]) -> str:
    """The run in words."""
    what = "token" if summary["phase"] == "decode" else "tokens"
    does = f"decodes a {what} of {summary['model']} after {summary['sequence'] - 1:,} others"
    if summary["phase"] == "prefill":
        does = f"reads {summary['sequence']:,} {what} of {summary['model']}"
    rate = significant(summary["tokens_per_s"])
    return f"{summary['design']} {does} in {engineering(summary['time_s'], 's')}: {rate} tokens/s, bound by {summary['bound']}"


def key_figures(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Key figures as (what, figure, remark)."""
    energy, sparse = summary["energy_per_token_J"], summary["design_fields"]["kept"] < BLOCK
    found = [
        (
            "Throughput",
            f"{significant(summary['tokens_per_s'])} tokens/s",
            f"{summary['phase']} at {summary['sequence']:,} tokens",
        ),
        ("Time", engineering(summary["time_s"], "s"), f"{engineering(summary['cycles'], 'cycles')}, one sequence"),
        (
            "Bandwidth",
            engineering(summary["bandwidth"], "B/s"),
            f"{percent(summary['bandwidth_use'])} of the pins', {percent(summary['port_use'])} of the ports' rate",
        ),
        (
            "Engine",
            percent(summary["utilization"]),
            "of its products a cycle" + (", pruned weights left out" if sparse else ""),
        ),
        ("Weights", f"{significant(summary['bits_per_weight'])} bit", _each(summary["design_fields"])),
    ]
    if energy:
        spread = f"{engineering(energy['low'], 'J')} to {engineering(energy['high'], 'J')}"
        of = "" if summary["resources"]["fits"] else ", of a design that does not fit"
        power = f"{significant(summary['power_W'])} W{of}"
        found.insert(2, ("Energy per token", engineering(energy["mid"], "J"), f"an estimate, {spread}; {power}"))
    return [*found, *_accuracy(summary)]


def _each(design: Mapping[str, Any]) -> str:
    """What is counted of a weight."""
    if not ELEMENTS[design["element"]].quantized:
        return "each"
    return "each, with indices and scales, pruned ones among them" if design["kept"] < BLOCK else "each, with scales"


def _accuracy(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Of a model with weights."""
    accuracy, why_not = summary["accuracy"], summary["accuracy_not_measured"]
    if not accuracy:
        return [("Bits per byte", MISSING, why_not)] if why_not else []
    before, after = bits_per_byte(accuracy)
    agreed = f"{percent(accuracy['top1_agreement'])} of the likeliest tokens agree"
    return [("Bits per byte", after, f"float {before}, {percent(accuracy_loss(accuracy), 2, '+')}; {agreed}")]


def memory_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What lies in the memory, and how long code is."""
    storage = summary["instruction_storage"]
    saved = storage["each_length"] / storage["shared"]
    return [
        ("Stored weights", engineering(summary["weight_bytes"], "B")),
        ("In the memory", f"{engineering(summary['memory_bytes'], 'B')} with a cache for that many tokens"),
        (
            "Code of this pass",
            f"{summary['instructions']:,} instructions, {engineering(summary['instruction_bytes'], 'B')} carried out",
        ),
        (
            "Code of all lengths",
            (
                f"{engineering(storage['shared'], 'B')} stored, up to {summary['sequence']:,} tokens, {significant(saved)} "
                f"times less than with code of its own for each length, {engineering(storage['each_length'], 'B')}"
            ),
        ),
    ]


def burst_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How much of the ports' rate bursts get, by their length."""
    return [
        (
            f"{row['bytes']:,} B",
            f"{percent(row['banks_share'])} in rows of other banks, {percent(row['bank_share'])} of one bank",
        )
        for row in summary["bursts"]
    ]


def in_time(timeline: pd.DataFrame) -> go.Figure:
    """Instructions of each unit over cycles."""
    lanes = []
    for unit, color in LANES.items():
        rows = timeline[timeline["unit"] == unit]
        hovers = [
            f"<b>{row.opcode} of {escape(row.step)}</b>, layer {row.layer}<br>instruction {row.instruction:,}, dispatched in "
            f"{row.dispatched:,}, results in {row.end:,}"
            for row in rows.itertuples()
        ]
        lanes.append(
            Lane(unit, color, rows["begin"].tolist(), rows["free"].tolist(), [escape(s) for s in rows["step"]], hovers)
        )
    return lanes_in_time(lanes, "cycles of the program")


def table(rows: pd.DataFrame) -> OperatorTable:
    """Any table: numbers with separators, everything else as it is; a number that is none is not known."""
    numeric = {str(name): pd.api.types.is_numeric_dtype(rows[name]) for name in rows}
    heads = [(name.replace("_", " "), is_number) for name, is_number in numeric.items()]
    cells = [
        tuple(("not known", "") if pd.isna(row[name]) else (_shown(row[name]), row[name]) for name in numeric)
        for _, row in rows.iterrows()
    ]
    return OperatorTable(heads, cells)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return ", ".join(" ".join(pair) for pair in value)
    return f"{value:,.{0 if abs(value) >= 100 else 2}f}" if isinstance(value, float) else f"{value:,}"
