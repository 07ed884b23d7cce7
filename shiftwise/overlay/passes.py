"""Passes of a model through an overlay: their programs, these in time, and tables of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shiftwise.accuracy import Tell
from sim.overlay.compiler import Compiled, compile_step, padded_length
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.isa import UNITS
from sim.overlay.isa.encoding import NAMES
from sim.overlay.timing import Timing, simulate
from workloads.passes import Phase

SHOWN_LAYERS = (1, 2)
"""Layers whose instructions are drawn, counted from 0, one behind the other: not the first, before which there is nothing."""


@dataclass(frozen=True)
class Pass:
    """A program and its timing."""

    code: Compiled
    timing: Timing


def passes_of(decoder: Decoder, design: OverlayDesign, phase: Phase, length: int, tell: Tell) -> list[Pass]:
    """Of a decode step one, of a prefill one for each ``prefill_step`` tokens, the last of which finds logits; those that share
    code are the same."""
    if phase == "decode":
        steps = [(1, length)]
    else:
        step = design.prefill_step
        steps = [(step, end) for end in range(step, length + step, step)]
    known: dict[tuple[int, bool], Pass] = {}
    found = []
    for new, end in steps:
        alike = padded_length(design, new, end), end >= length
        if alike not in known:
            code = compile_step(decoder, design, new, end, padded_length(design, new, length), logits=end >= length)
            known[alike] = Pass(code, simulate(code.program, design))
        found.append(known[alike])
        tell("programs", len(found), len(steps))
    return found


def steps_table(passes: Sequence[Pass]) -> pd.DataFrame:
    """By step of a layer, all layers and passes together: instructions and how long each unit is busy [cycle]."""
    rows: dict[str, dict[str, Any]] = {}
    for one in passes:
        busy = one.timing.free - one.timing.begin
        for number, name in enumerate(one.code.names):
            at = one.code.steps == number
            row = rows.setdefault(name, {"step": name, "instructions": 0, **dict.fromkeys(UNITS, 0), "dram_bytes": 0})
            row["instructions"] += int(at.sum())
            for unit, of in enumerate(UNITS):
                row[of] += int(busy[at & (one.timing.units == unit)].sum())
            row["dram_bytes"] += int(one.timing.moved_by[at].sum())
    return pd.DataFrame(rows.values())


def timeline_table(one: Pass, layers: int) -> pd.DataFrame:
    """Instructions of some layers of a pass in time; the first layer is 1."""
    shown = np.flatnonzero(np.isin(one.code.layers, [layer for layer in SHOWN_LAYERS if layer < layers] or [0]))
    timing = one.timing
    return pd.DataFrame(
        {
            "instruction": shown,
            "opcode": [NAMES[number] for number in one.code.program.numbers[shown, 0]],
            "unit": [UNITS[unit] for unit in timing.units[shown]],
            "step": [one.code.names[number] for number in one.code.steps[shown]],
            "layer": one.code.layers[shown] + 1,
            "dispatched": timing.dispatched[shown],
            "begin": timing.begin[shown],
            "free": timing.free[shown],
            "end": timing.end[shown],
        }
    )
