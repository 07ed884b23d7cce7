"""``simulate`` of an overlay: compile a model's pass, run its instructions in time, judge its arithmetic, put figures to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.overlay import write_overlay
from shiftwise.accuracy import Tell
from shiftwise.overlay.accuracy import overlay_accuracy
from shiftwise.overlay.passes import passes_of, steps_table, timeline_table
from shiftwise.overlay.request import OverlayRequest, checked_overlay
from shiftwise.overlay.summary import summary
from sim.errors import InputError
from sim.overlay.compiler import check_buffers
from sim.overlay.design import OverlayDesign
from workloads.overlay.decoder import load_decoder
from workloads.passes import Phase

DEFAULT_SEQUENCE = 512


@dataclass(frozen=True)
class OverlayRun:
    """What a simulation found.

    The content of ``summary.json``; of ``steps.csv``, a row for each step of a layer with what its instructions take; and of
    ``timeline.csv``, the instructions of some layers in time.
    """

    summary: Mapping[str, Any]
    steps: pd.DataFrame
    timeline: pd.DataFrame

    def write(self, folder: str | Path) -> Path:
        """Write ``summary.json``, ``steps.csv``, ``timeline.csv`` and ``report.html``; returns the report's path."""
        return write_overlay(self.summary, self.steps, self.timeline, Path(folder))


def simulate_overlay(
    design: str | OverlayDesign,
    model: str = "llama-2-7b",
    phase: Phase = "decode",
    sequence: int | None = None,
    text: str | Path | None = None,
    accuracy_bytes: int | None = None,
    recipe: str | None = None,
    progress: Tell | None = None,
) -> OverlayRun:
    """Run one pass of a model on an overlay: the decode step that makes it ``sequence`` tokens long, or the prefill of so many.

    ``design`` is a preset's name, a TOML file or an :class:`OverlayDesign`; ``model`` an embedded model's or a bundled
    configuration's name, or a folder or file with a ``config.json``, of a family that overlays run. With weights there is its
    accuracy, by the overlay's arithmetic: ``text``, ``accuracy_bytes`` and ``recipe`` are as of :func:`shiftwise.simulate`,
    recipes those of :data:`workloads.overlay.recipes.ONE_TENSOR`, behind pruning where the design is sparse. Raises
    ``InputError`` for input that cannot be used, a model that does not fit the memory among it.
    """
    return simulate_asked(checked_overlay(design, model, phase, sequence, text, accuracy_bytes, recipe), progress)


def simulate_asked(asked: OverlayRequest, progress: Tell | None = None, folder: Path | None = None) -> OverlayRun:
    """:func:`simulate_overlay`, with its arguments checked; what is found of the accuracy is kept in ``folder`` meanwhile."""
    tell = progress or (lambda *_: None)
    point, decoder, phase = asked.design, load_decoder(asked.model), asked.phase
    length = min(DEFAULT_SEQUENCE, decoder.context) if asked.sequence is None else asked.sequence
    if length > decoder.context:
        raise InputError(f"sequence is at most the model's context of {decoder.context} tokens, not {length}")
    check_buffers(decoder, point, length)
    passes = passes_of(decoder, point, phase, length, tell)
    whole = summary(decoder, point, phase, length, passes) | overlay_accuracy(asked, decoder, folder, tell)
    return OverlayRun(whole, steps_table(passes), timeline_table(passes[-1], decoder.layers))
