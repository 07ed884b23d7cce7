"""Figures of a comparison as files for print: PNG and SVG, by matplotlib, which needs no browser."""

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

INCHES = (7.0, 4.6)
DOTS = 160  # [1/inch]
FIXED = {"svg": {"Date": None}, "png": {}}
"""No time of day in a file, so that the same figure is the same file."""


def printed(table: pd.DataFrame, axis: Any, colors: Mapping[str, str]) -> dict[str, bytes]:
    """Loss [%] over a cost, as ``png`` and ``svg``; names stand beside the points of the front."""
    drawn = Figure(figsize=INCHES, layout="constrained")
    plot = drawn.subplots()
    best = table[table[f"front_{axis.column}"]].sort_values(axis.column)
    plot.step(best[axis.column], best["loss"] * 100, where="post" if axis.less else "pre", color="#8a8f98", linewidth=1)
    for family, color in colors.items():
        rows = table[table["family"] == family]
        plot.scatter(rows[axis.column], rows["loss"] * 100, s=18, color=color, label=family, zorder=2)
    for _, row in best.iterrows():
        plot.annotate(
            row["name"].replace("$", r"\$"),
            (row[axis.column], row["loss"] * 100),
            (4, 4),
            textcoords="offset points",
            fontsize=7,
        )
    plot.set_yscale("symlog", linthresh=1)
    plot.set_xlabel(f"{axis.name} [{axis.unit}]")
    plot.set_ylabel("loss [%]")
    plot.grid(alpha=0.3)
    plot.legend(frameon=False)
    files = {}
    for ending, metadata in FIXED.items():
        content = io.BytesIO()
        drawn.savefig(content, format=ending, dpi=DOTS, metadata=metadata)
        files[ending] = content.getvalue()
    return files
