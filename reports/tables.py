"""Tables of the page: operators, fields of the design, accuracy, hardware beside publications."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.layers import TIMES, shape_text, titles
from reports.splits import accuracy_loss
from reports.units import column_unit, engineering, percent, significant
from sim.design import DesignPoint

FIELD_UNITS = {
    "weight_buffer_kib": "KiB",
    "activation_buffer_kib": "KiB",
    "output_buffer_kib": "KiB",
    "bank_width": "bit/cycle",
    "vector_latency": "cycles",
    "clock_mhz": "MHz",
}
SHARES = {"util.": "ideal_cycles", "edges": "edge_cycles", "fill": "fill_cycles", "stall": "stalled_cycles"}
"""Parts of an operator's cycles [%]; the vector unit has stalls alone."""

Cells = Sequence[tuple[str, Any]]
"""A column: of each row the text and the value to sort by."""


@dataclass(frozen=True)
class OperatorTable:
    """Column heads, whether each column is numeric, and rows of (text, value to sort by)."""

    heads: list[tuple[str, bool]]
    rows: list[tuple[tuple[str, Any], ...]]


def operator_table(rows: pd.DataFrame, names: Sequence[str]) -> OperatorTable:
    """A row for each of :func:`reports.layers.grouped`, or ``single``, by these names; vector work has no shares of PEs."""
    columns: dict[str, Cells] = {
        "operator": list(zip(titles(rows, names), names, strict=True)),
        f"m{TIMES}k{TIMES}n": [(shape_text(row), row["macs"]) for _, row in rows.iterrows()],
        **_in_one_unit("{}cycles", rows["taken_cycles"]),
        **{head: _shares(rows, column) for head, column in SHARES.items()},
        "bound": [(word, word) for word in rows["bound"]],
        **_energies(rows),
        **_in_one_unit("traffic [{}B]", rows["dram_bytes"]),
        "MAC/B": _of_products(rows, [(significant(value), value) for value in rows["intensity"]]),
    }
    if rows["sqnr_dB"].notna().any():
        columns["SQNR"] = [("" if pd.isna(v) else significant(v), "" if pd.isna(v) else v) for v in rows["sqnr_dB"]]
    if rows["overflows"].any():
        columns["overflows"] = [(f"{count:,}" if count else "", count) for count in rows["overflows"]]
    columns["blocking"] = [(words, words) for words in rows["blocking"]]
    heads = [(head, head not in ("operator", "bound", "blocking")) for head in columns]
    return OperatorTable(heads, list(zip(*columns.values(), strict=True)))


def _in_one_unit(head: str, values: pd.Series) -> dict[str, Cells]:
    unit = column_unit(values)
    return {head.format(unit.prefix): [(unit.text(value), value) for value in values]}


def _of_products(rows: pd.DataFrame, cells: Cells) -> Cells:
    """The cells, empty for vector work."""
    return [cell if macs else ("", "") for cell, macs in zip(cells, rows["macs"], strict=True)]


def _shares(rows: pd.DataFrame, column: str) -> Cells:
    shares = 100 * rows[column] / rows["taken_cycles"]
    cells = [(f"{share:.1f}", share) for share in shares]
    return cells if column == "stalled_cycles" else _of_products(rows, cells)


def _energies(rows: pd.DataFrame) -> dict[str, Cells]:
    """PEs or lanes, scratchpads, DRAM."""
    unit = column_unit(rows["energy_J"])
    parts = {
        "logic": rows["energy_pe_J"] + rows["energy_vector_J"],
        "SRAM": rows["energy_sram_J"],
        "DRAM": rows["energy_dram_J"],
    }
    heads = {"logic": f"logic [{unit.prefix}J]"}  # one unit for all three
    return {heads.get(part, part): [(unit.text(v), v) for v in joule] for part, joule in parts.items()}


@dataclass(frozen=True)
class SanityGroup:
    """Figures of one publication: what tells all of its circuits from ours, and rows of text."""

    source: str
    differs: str
    rows: list[tuple[str, ...]]


SANITY_NUMBERS: dict[str, Callable[[float], str]] = {
    "area": significant,
    "published_area": "{:g}".format,
    "area_ratio": "{:.2f}".format,
    "area_stillmaker": "{:.2f}".format,
    "energy": significant,
    "published_energy": "{:g}".format,
    "energy_ratio": "{:.2f}".format,
    "with_glitches": "{:.2f}".format,
    "energy_stillmaker": "{:.2f}".format,
}
"""Columns, and how their numbers are written."""


def sanity_groups(table: pd.DataFrame) -> list[SanityGroup]:
    """The rows of :func:`reports.sanity.sanity_table` by publication; what nobody published is left empty."""
    groups = []
    for (source, differs), rows in table.groupby(["source", "all_differ"], sort=False):
        cells = [(row["what"], row["ours"], *_numbers(row), row["differs"]) for _, row in rows.iterrows()]
        groups.append(SanityGroup(source, differs, cells))
    return groups


def _numbers(row: pd.Series) -> list[str]:
    return ["" if pd.isna(row[name]) else text(row[name]) for name, text in SANITY_NUMBERS.items()]


def design_fields(fields: Mapping[str, Any], design: DesignPoint) -> list[tuple[str, str]]:
    """Fields of the design, then what follows from them."""
    given = []
    for name, value in fields.items():
        unit = FIELD_UNITS.get(name, "")
        words = name.removesuffix(f"_{unit.lower()}").replace("_", " ")
        given.append((words, f"{value} {unit}".rstrip()))
    peak = float(design.macs_per_cycle)
    dram = float(design.dram_bits_per_second) / 8  # [byte/s]
    return [
        *given,
        ("accumulator width", f"{design.accumulator_bits} bit"),
        ("peak rate", f"{peak:,g} MAC/cycle, {engineering(peak * design.clock_hz, 'MAC/s')}"),
        ("DRAM, sustained", f"{significant(dram / design.clock_hz)} B/cycle, {engineering(dram, 'B/s')}"),
    ]


QUALITY = ("bits_per_byte", "perplexity")


def accuracy_facts(accuracy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Bits per byte, perplexity, the loss, agreement and overflows, and how and on what they were found."""
    of_float, of_hardware = ({name: accuracy[f"{kind}_{name}"] for name in QUALITY} for kind in ("float", "hardware"))
    counted = f"{accuracy['overflows']:,} of {accuracy['group_sums']:,}"
    return [
        ("float model", _quality(of_float)),
        ("by the simulated hardware", _quality(of_hardware)),
        ("loss", percent(accuracy_loss(accuracy), 2, "+")),
        ("likeliest token is the float model's", percent(accuracy["top1_agreement"])),
        ("weights", f"recipe {accuracy['recipe']}" + _uncalibrated(accuracy["uncalibrated"])),
        ("KV cache", f"{accuracy['kv_cache']}, {significant(accuracy['kv_bits'])} bit for each number"),
        *([("group sums that overflowed", counted)] if accuracy["group_sums"] else []),
        ("measured on", f"{accuracy['bytes']:,} bytes of text, {accuracy['tokens']:,} tokens predicted"),
        ("in cycles and energy", "the design's own formats and scales; what else a recipe or a cache stores is not charged"),
    ]


def _uncalibrated(names: Sequence[str]) -> str:
    return f"; {len(names):,} layers that no calibration token reached are rounded to nearest" if names else ""


def _quality(found: Mapping[str, float]) -> str:
    return f"{significant(found['bits_per_byte'], 4)} bit/byte, perplexity {significant(found['perplexity'], 4)}"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
