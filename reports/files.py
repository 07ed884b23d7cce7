"""The folder of a run: ``layers.csv``, ``report.html`` and, when these are whole, ``summary.json``."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.page import render
from sim.files import remove, write_together

SUMMARY = "summary.json"
LAYERS = "layers.csv"
REPORT = "report.html"


def write_run(summary: Mapping[str, Any], layers: pd.DataFrame, blocks: pd.DataFrame, folder: Path) -> Path:
    """Write a run into an existing folder; returns the report's path.

    All files are there or none of them. The summary comes last and one of an earlier run is removed first, so a folder with
    a summary is complete.
    Floats keep all their digits; one that is not finite becomes ``null``.
    """
    contents = {
        LAYERS: layers.to_csv(index=False, lineterminator="\n"),
        REPORT: render(summary, layers, blocks),
        SUMMARY: json.dumps(_plain(summary), indent=2, allow_nan=False) + "\n",
    }
    remove(folder / SUMMARY)
    write_together(folder, {name: text.encode() for name, text in contents.items()})
    return folder / REPORT


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
