"""The folder of a run: its layers as tables, ``report.html``, ``figures`` and, when these are whole, ``summary.json``."""

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.drawn import ENDINGS, write_figures
from reports.page import drawn_run, render
from sim.files import output_folder, remove, write_together

SUMMARY = "summary.json"
LAYERS, PARQUET = "layers.csv", "layers.parquet"
FIGURES = "figures"
REPORT = "report.html"


def write_run(summary: Mapping[str, Any], layers: pd.DataFrame, blocks: pd.DataFrame, folder: Path) -> Path:
    """Write a run into an existing folder; returns the report's path.

    All files are there or none of them, but for the figures as PNG and SVG, which are written before. The summary comes
    last and one of an earlier run is removed first, so a folder with a summary is complete. Floats keep all their digits;
    one that is not finite becomes ``null``.
    """
    contents = {
        LAYERS: layers.to_csv(index=False, lineterminator="\n"),
        REPORT: render(summary, layers, blocks),
        SUMMARY: json.dumps(_plain(summary), indent=2, allow_nan=False) + "\n",
    }
    remove(folder / SUMMARY)
    _write_figures(summary, layers, blocks, folder)
    tables = {PARQUET: layers.to_parquet(index=False)}
    write_together(folder, tables | {name: text.encode() for name, text in contents.items()})
    return folder / REPORT


def _write_figures(summary: Mapping[str, Any], layers: pd.DataFrame, blocks: pd.DataFrame, folder: Path) -> None:
    """The page's figures as PNG and SVG, in place of those of an earlier run."""
    place = output_folder(folder / FIGURES)
    drawn, _ = drawn_run(summary, layers, blocks)
    for earlier in (file for ending in ENDINGS for file in place.glob(f"*.{ending}")):
        if earlier.stem not in drawn:
            remove(earlier)
    shown = "".join(figure.to_json() for figure in drawn.values())
    write_figures(place, {name: partial(_printed, figure) for name, figure in drawn.items()}, shown.encode())


def _printed(figure: go.Figure, told: str) -> Mapping[str, bytes]:
    from reports.on_paper import on_paper  # here, as its matplotlib takes a second of a run that draws nothing

    return on_paper(figure, told)


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
