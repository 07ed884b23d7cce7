"""The products of a run brought down to those that differ: repeated blocks of a model become one row."""

from collections.abc import Sequence

import pandas as pd

TIMES = "\N{MULTIPLICATION SIGN}"

BLOCK_INDEX = r"(?:^|(?<=\.))\d+(?=\.|$)"
"""A part of a module's name that is a number: which of the repeated blocks it is in."""

SHAPE = ["unit", "kind", "count", "m", "k", "n", "vector_operations", "bound", "blocking"]
SUMMED = (
    "macs",
    "cycles",
    "ideal_cycles",
    "edge_cycles",
    "fill_cycles",
    "lane_cycles",
    "stall_cycles",
    "dram_cycles",
    "dram_bytes",
    "energy_pe_J",
    "energy_vector_J",
    "energy_sram_J",
    "energy_dram_J",
    "energy_J",
)


def grouped(layers: pd.DataFrame) -> pd.DataFrame:
    """One row for each product that differs in more than its block: sums, and the worst ``sqnr_dB``.

    ``name`` has ``*`` in place of the block's number, ``products`` says how many products are in the row.
    """
    numbers = pd.to_numeric(layers["sqnr_dB"])
    keyed = layers.assign(sqnr_dB=numbers, pattern=layers["name"].str.replace(BLOCK_INDEX, "*", regex=True), products=1)
    sums = {column: (column, "sum") for column in ("products", *SUMMED)}
    rows = keyed.groupby(["pattern", *SHAPE], sort=False).agg(name=("name", "first"), sqnr_dB=("sqnr_dB", "min"), **sums)
    rows = rows.reset_index()
    rows["name"] = rows["name"].where(rows["products"] == 1, rows["pattern"])
    rows["utilization"] = rows["ideal_cycles"] / rows["cycles"]
    return rows.drop(columns="pattern")


def short_names(names: Sequence[str]) -> list[str]:
    """Each dotted name from its end, as long as is needed to tell it from every other name."""
    parts = [name.split(".") for name in names]
    short = []
    for own in parts:
        others = [other for other in parts if other != own]
        length = next((n for n in range(1, len(own)) if not any(other[-n:] == own[-n:] for other in others)), len(own))
        short.append(".".join(own[-length:]))
    return short


def products_text(name: str, products: int) -> str:
    """A row's name, and how many products it stands for where they are more than one."""
    return name if products == 1 else f"{name} {TIMES}{products}"


def shape_text(row: pd.Series) -> str:
    """``m x k x n``, and how often the product is done where that is more than once."""
    size = TIMES.join(str(row[axis]) for axis in ("m", "k", "n"))
    return size if row["count"] == 1 else f"{size} {TIMES}{row['count']}"
