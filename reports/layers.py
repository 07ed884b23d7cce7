"""The operators of a run brought down to those that differ: repeated blocks of a model become one row."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

TIMES = "\N{MULTIPLICATION SIGN}"

BLOCK_INDEX = r"(?:^|(?<=\.))\d+(?=\.|$)|(?<=_)\d+$"
"""A part of a module's name that is a number, which of the repeated blocks it is in; or a number after the last ``_``, by
which topologies tell repetitions of a product apart."""

SIZES = ("count", "m", "k", "n", "vector_operations")
WORDS = ("unit", "kind", "bound", "blocking")
SUMMED = (
    "operators",
    "macs",
    "taken_cycles",
    "ideal_cycles",
    "edge_cycles",
    "fill_cycles",
    "stalled_cycles",
    "lane_cycles",
    "dram_bytes",
    "energy_pe_J",
    "energy_vector_J",
    "energy_sram_J",
    "energy_dram_J",
    "energy_J",
    "overflows",
)


def single(layers: pd.DataFrame) -> pd.DataFrame:
    """One row for each operator, with the columns of :func:`grouped`.

    ``taken_cycles`` is what an operator takes of the run: its cycles and, on the array, its waits for a DRAM that serves
    others; what it waits for the vector unit is that one's part. ``stalled_cycles`` has the same waits.
    """
    waits = layers["dram_wait_cycles"].where(layers["unit"] == "array", 0)
    rows = layers.assign(
        operators=1,
        taken_cycles=layers["cycles"] + waits,
        stalled_cycles=layers["stall_cycles"] + waits,
        sqnr_dB=pd.to_numeric(layers["sqnr_dB"]),
        overflows=pd.to_numeric(layers["overflows"]).fillna(0).astype("int64"),
    )
    return _with_ratios(rows)


def grouped(layers: pd.DataFrame) -> pd.DataFrame:
    """One row for each operator that differs in more than its block: sums, and the worst ``sqnr_dB``.

    ``name`` has ``*`` in place of the block's number, ``operators`` says how many of them are in the row.
    """
    keyed = single(layers).assign(pattern=layers["name"].str.replace(BLOCK_INDEX, "*", regex=True))
    sums = {column: (column, "sum") for column in SUMMED}
    groups = keyed.groupby(["pattern", *SIZES, *WORDS], sort=False, dropna=False)
    rows = groups.agg(name=("name", "first"), sqnr_dB=("sqnr_dB", "min"), **sums).reset_index()
    rows["name"] = rows["name"].where(rows["operators"] == 1, rows["pattern"])
    return _with_ratios(rows.drop(columns="pattern"))


def folded(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many rows: those that take most cycles, in their order, and a last one with the sums of all others."""
    if len(rows) <= most:
        return rows
    kept = rows.index.isin(rows.nlargest(most - 1, "taken_cycles").index)
    others = rows[~kept]
    last = {
        "name": f"{len(others):,} others",
        "sqnr_dB": others["sqnr_dB"].min(),
        **dict.fromkeys(SIZES, 0),
        **dict.fromkeys(WORDS, ""),
        **{column: others[column].sum() for column in SUMMED},
    }
    return pd.concat([rows[kept], _with_ratios(pd.DataFrame([last]))], ignore_index=True)


def _with_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """MACs' share of the cycles, and MAC per byte of DRAM traffic."""
    return rows.assign(utilization=rows["ideal_cycles"] / rows["taken_cycles"], intensity=rows["macs"] / rows["dram_bytes"])


def short_names(names: Sequence[str]) -> list[str]:
    """Each dotted name from its end, as long as is needed to tell it from every other name and to begin with a word."""
    parts = [tuple(name.split(".")) for name in names]
    ends = Counter(own[-n:] for own in set(parts) for n in range(1, len(own) + 1))
    short = []
    for own in parts:
        enough = (n for n in range(1, len(own)) if ends[own[-n:]] == 1 and not (own[-n] == "*" or own[-n].isdigit()))
        short.append(".".join(own[-next(enough, len(own)) :]))
    return short


def titles(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Each row's given name, and how many operators it is where they are more than one."""
    counted = zip(names, rows["unit"], rows["operators"], strict=True)
    return [f"{name} {TIMES}{operators}" if unit and operators > 1 else name for name, unit, operators in counted]


def told_kinds(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Each row's given name, with the kind of vector work where the name does not say it."""
    told = zip(names, rows["unit"], rows["kind"], strict=True)
    return [
        f"{name} ({kind})" if unit == "vector" and kind not in name.rpartition(".")[2] else name for name, unit, kind in told
    ]


def shape_text(row: pd.Series) -> str:
    """``m x k x n`` of a product, and how often it is done where that is more than once; the kind of vector work."""
    if row["unit"] != "array":
        return str(row["kind"])
    size = TIMES.join(str(row[axis]) for axis in ("m", "k", "n"))
    return size if row["count"] == 1 else f"{size} {TIMES}{row['count']}"
