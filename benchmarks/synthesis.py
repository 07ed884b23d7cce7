"""Time to synthesise one PE for one target, with place and route where there is one; nothing is taken from earlier runs."""

import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

from benchmarks.figure import Figure, seconds_of
from costmodel.measure import source_of
from costmodel.synthesis.run import start_tools, synthesise
from costmodel.synthesis.targets import TARGETS
from sim.design import DesignPoint, load_design

BAR = 10  # [s]

DESIGNS = (
    load_design("mixpe-w4a8"),
    DesignPoint("fp16 with fp32 sums", pe="multiplier", weight_format="fp16", activation_format="fp16", accumulator="fp32"),
)
"""A usual PE, and one of the largest."""


def synthesis_figures() -> list[Figure]:
    """Bar: 10 s."""
    figures = []
    for target in TARGETS:
        start_tools(target)
        for design in DESIGNS:
            source = source_of(design, "pe", target)
            with tempfile.TemporaryDirectory() as empty, patch("costmodel.synthesis.cache.cache_folder", lambda: Path(empty)):
                seconds = seconds_of(partial(synthesise, source.verilog, source.top, target))
            figures.append(Figure(f"synthesis of a PE, {design.name}, {target}", seconds, "s", BAR, "lower", ""))
    return figures
