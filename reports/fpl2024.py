"""Minifloats beside integers of as many bits: what two studies find, and what a comparison of this project does.

Aggarwal et al., "Shedding the Bits: Pushing the Boundaries of Quantization with Minifloats on FPGAs" (FPL 2024, arXiv
2311.12359): weights and activations of 3 to 8 bits, the best of several recipes after training, vision models; minifloats
typically win in accuracy at 4 bits and more, integers often stay on the Pareto front once the LUTs of a MAC are counted.

Damsgaard et al. (IEEE TCAD 44(6), 2025): a MAC of minifloats takes 20 to 180 % more than one of integers of the same size,
without conversion back.

The comparison is that of ``shiftwise compare`` with the set ``equal``: both operands of one width, a PE with its exact
accumulator, the best of the comparison's recipes, its language model.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.tables import markdown_table
from reports.units import significant
from sim.errors import InputError

ALIKE = 0.002
"""Losses that one text does not tell apart (docs/compare.md)."""

CLAIMED = (20, 180)  # [%] Damsgaard et al.

COSTS = {"luts": "luts_per_mac", "um2": "um2_per_mac"}
"""Columns of the comparison by what they are called here."""

HEADS = ("bits", "integer", "loss", "LUTs", "minifloat", "loss", "LUTs", "loses less", "LUTs, splits", "area, splits")
"""Losses against the float model, LUT sites of a MAC; of all splits of a minifloat over the signed integer."""


def read_comparison(folder: Path) -> pd.DataFrame:
    """The table that a comparison left in its folder; raises ``InputError`` where there is none, or none of equal widths."""
    file = folder / "comparison.csv"
    if not file.is_file():
        raise InputError(f"fpl2024 takes the table of a comparison, of `shiftwise compare`, and there is none at {str(file)!r}")
    try:
        table = pd.read_csv(file)
        equal = table[(table["weight_bits"] == table["activation_bits"]) & (table["scaling"] == "fp16")]
        families = equal.groupby("weight_bits")["family"].nunique()
    except (KeyError, ValueError) as error:
        raise InputError(f"{str(file)!r} is a comparison's table, which it is not: {error}") from None
    if not (families > 1).any():
        raise InputError(f"fpl2024 takes a comparison with the set `equal`, which {str(file)!r} does not have")
    return table


def fpl_study(comparison: pd.DataFrame) -> pd.DataFrame:
    """A row for each width [bit] of both operands.

    Of ``integer`` and ``minifloat``, each the point that loses least: its name, ``*_loss`` (a share of the float model's bits
    per byte) and ``*_luts`` of a MAC. ``loses_less`` names one of them, or neither. ``luts_*`` and ``um2_*``: what a MAC of the
    ``cheapest`` and of the ``dearest`` split takes more than that of the signed integer, as a share of it.
    """
    equal = comparison[(comparison["weight_bits"] == comparison["activation_bits"]) & (comparison["scaling"] == "fp16")]
    rows = []
    for bits, points in equal.groupby("weight_bits"):
        families = {family: points[points["family"] == family].dropna(subset=["loss"]) for family in ("integer", "minifloat")}
        signed = points[points["weight_format"] == f"int{bits}"]
        if signed.empty or any(of.empty for of in families.values()):
            continue
        row: dict[str, Any] = {"bits": int(signed["weight_bits"].iloc[0])}
        for family, of in families.items():
            best = of.loc[of["loss"].idxmin()]
            row |= {family: best["name"], f"{family}_loss": best["loss"], f"{family}_luts": best["luts_per_mac"]}
        gap = row["integer_loss"] - row["minifloat_loss"]
        row["loses_less"] = "alike" if abs(gap) < ALIKE else "minifloat" if gap > 0 else "integer"
        for name, column in COSTS.items():
            more = families["minifloat"][column] / signed[column].iloc[0] - 1
            row |= {f"{name}_cheapest": more.min(), f"{name}_dearest": more.max()}
        rows.append(row)
    return pd.DataFrame(rows)


def fpl_findings(comparison: pd.DataFrame, study: pd.DataFrame) -> list[str]:
    """Each published conclusion beside ours, in sentences."""
    widths = {who: ", ".join(map(str, of["bits"])) for who, of in study.groupby("loses_less")}
    front = comparison[comparison["front_luts_per_mac"]]["family"].value_counts()
    told = ", ".join(f"{front.get(family, 0)} of {family}s" for family in ("integer", "minifloat", "block"))
    low, high = CLAIMED
    dearer = [f"{_span(study, name)} % more {what}" for name, what in (("luts", "LUT sites"), ("um2", "area on sky130"))]
    better, worse, alike = (widths.get(who, "no") for who in ("minifloat", "integer", "alike"))
    accuracy = (
        "Aggarwal et al.: minifloats typically win in accuracy at 4 bits and more. Here minifloats lose less at "
        f"{better} bits, integers at {worse}; at {alike} bits the best of both differ by less than {100 * ALIKE:g} % of the "
        "float model's bits per byte."
    )
    fronts = (
        "Aggarwal et al.: integers often stay Pareto-optimal when the LUTs of a MAC are counted. Here the front of loss and "
        f"LUT sites, of all points of the comparison, has {told}."
    )
    sizes = (
        f"Damsgaard et al.: a minifloat MAC takes {low} to {high} % more than an integer one of the same size. Here it takes "
        f"{' and '.join(dearer)}, from the cheapest split of all widths to the dearest."
    )
    return [accuracy, fronts, sizes]


def _span(study: pd.DataFrame, name: str) -> str:
    return f"{100 * study[f'{name}_cheapest'].min():+.0f} to {100 * study[f'{name}_dearest'].max():+.0f}"


def _cells(study: pd.DataFrame) -> list[list[str]]:
    rows = []
    for _, row in study.iterrows():
        cells = [str(row["bits"])]
        for family in ("integer", "minifloat"):
            cells += [row[family], f"{100 * row[f'{family}_loss']:+.2f} %", significant(row[f"{family}_luts"])]
        spans = [f"{100 * row[f'{name}_cheapest']:+.0f} to {100 * row[f'{name}_dearest']:+.0f} %" for name in COSTS]
        rows.append([*cells, row["loses_less"], *spans])
    return rows


def print_fpl(console: Console, comparison: pd.DataFrame) -> None:
    """Print the table and what follows."""
    study = fpl_study(comparison)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for head in HEADS:
        shown.add_column(head, justify="left" if head in ("integer", "minifloat", "loses less") else "right")
    for row in _cells(study):
        shown.add_row(*map(Text, row))
    console.print(shown, end="\n\n")
    for sentence in fpl_findings(comparison, study):
        console.print(Text(sentence), end="\n\n")


def fpl_markdown(comparison: pd.DataFrame) -> str:
    """The same in Markdown."""
    study = fpl_study(comparison)
    return "\n\n".join([markdown_table(HEADS, _cells(study)), *fpl_findings(comparison, study)]) + "\n"
