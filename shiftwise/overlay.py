"""``simulate`` of an overlay: compile a model's pass, run its instructions in time, and put figures to it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from costmodel.area import NotMeasuredError
from costmodel.fpga.devices import RESOURCES
from costmodel.fpga.fabric import FABRIC_SOURCE
from costmodel.overlay.resources import energy_per_pass, overlay_fit
from sim.errors import InputError
from sim.memory import MEMORIES
from sim.overlay.compiler import Compiled, MemoryMap, compile_step, memory_map, padded_length
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign, load_overlay
from sim.overlay.engine import BLOCK
from sim.overlay.isa import UNITS
from sim.overlay.isa.encoding import BYTES, NAMES
from sim.overlay.memory import LATENCIES
from sim.overlay.timing import Timing, simulate
from workloads.overlay.decoder import load_decoder
from workloads.passes import Phase, check_pass

DEFAULT_SEQUENCE = 512

SHOWN_LAYERS = (1, 2)
"""Layers whose instructions are drawn, one behind the other: not the first, before which there is nothing."""


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
        from reports.overlay import write_overlay

        return write_overlay(self.summary, self.steps, self.timeline, Path(folder))


@dataclass(frozen=True)
class Pass:
    """A program and its timing."""

    code: Compiled
    timing: Timing


def simulate_overlay(
    design: str | OverlayDesign, model: str = "llama-2-7b", phase: Phase = "decode", sequence: int | None = None
) -> OverlayRun:
    """Run one pass of a model on an overlay: the decode step that makes it ``sequence`` tokens long, or the prefill of so many.

    ``design`` is a preset's name, a TOML file or an :class:`OverlayDesign`; ``model`` a bundled configuration's name, or a
    folder or file with a ``config.json``, of a family that overlays run. Raises ``InputError`` for input that cannot be used,
    a model that does not fit the memory among it.
    """
    point, decoder = load_overlay(design), load_decoder(model)
    check_pass(phase, 1, sequence)
    length = min(DEFAULT_SEQUENCE, decoder.context) if sequence is None else sequence
    if length > decoder.context:
        raise InputError(f"sequence is at most the model's context of {decoder.context} tokens, not {length}")
    passes = list(_passes(decoder, point, phase, length))
    return OverlayRun(_summary(decoder, point, phase, length, passes), _steps(passes), _timeline(passes[-1], decoder.layers))


def decode_cycles(decoder: Decoder, design: OverlayDesign, first: int, last: int) -> NDArray[np.int64]:
    """Cycles of each decode step from length ``first`` to ``last``: those that share code are computed once."""
    found = {}
    context = padded_length(design, 1, last)
    cycles = np.empty(last - first + 1, np.int64)
    for place, length in enumerate(range(first, last + 1)):
        padded = padded_length(design, 1, length)
        if padded not in found:
            code = compile_step(decoder, design, 1, length, context)
            found[padded] = simulate(code.program, design).cycles
        cycles[place] = found[padded]
    return cycles


def _passes(decoder: Decoder, design: OverlayDesign, phase: Phase, length: int) -> Iterator[Pass]:
    """Of a decode step one, of a prefill one for each ``prefill_step`` tokens."""
    if phase == "decode":
        steps = [(1, length)]
    else:
        step = design.prefill_step
        steps = [(step, end) for end in range(step, length + step, step)]
    for new, end in steps:
        code = compile_step(decoder, design, new, end, context=padded_length(design, new, length))
        yield Pass(code, simulate(code.program, design))


def _summary(decoder: Decoder, design: OverlayDesign, phase: Phase, length: int, passes: list[Pass]) -> dict[str, Any]:
    cycles = sum(one.timing.cycles for one in passes)
    time = cycles / design.clock_hz
    moved = sum(one.timing.moved for one in passes)
    where = {key: sum(one.timing.where[key] for one in passes) for key in passes[0].timing.where}
    busy = {unit: sum(one.timing.busy(unit) for one in passes) for unit in UNITS}
    occupied = {"memory": max(busy["load"], busy["store"]), "engine": busy["engine"], "special": busy["special"]}
    memory = design.channels_off_chip
    new = 1 if phase == "decode" else length
    stored, attention = _macs(decoder, new, length)
    macs = stored + attention
    done = stored * design.kept // BLOCK + attention
    peak = design.engine.macs_per_cycle("mv" if phase == "decode" else "mm")
    where_memory = memory_map(decoder, design, length)
    return {
        "model": decoder.name,
        "design": design.name,
        "device": design.device,
        "phase": phase,
        "batch": 1,
        "sequence": length,
        "tokens": new,
        "macs": macs,
        "cycles": cycles,
        "time_s": time,
        "tokens_per_s": new / time,
        "utilization": done / (cycles * peak),
        "bound": max(occupied, key=lambda unit: occupied[unit]),
        "cycles_by_unit": where,
        "busy_cycles": busy,
        "dram_bytes": moved,
        "bandwidth": moved / time,
        "bandwidth_use": moved / time / (float(memory.peak) * design.clock_hz),
        "port_use": moved / time / (float(memory.rate) * memory.ports * design.clock_hz),
        "memory_bytes": where_memory.end,
        "weight_bytes": _weight_bytes(where_memory),
        "bits_per_weight": 8 * _weight_bytes(where_memory) / _weights(decoder),
        "instructions": sum(len(one.code.program) for one in passes),
        "instruction_bytes": sum(one.code.program.size for one in passes),
        "instruction_storage": storage(decoder, design, length),
        **_cost(design, cycles, moved, new),
        "design_fields": asdict(design),
        "sources": {
            "memory": f"{MEMORIES[design.memory].source}; latencies: {LATENCIES[design.memory].source}",
            "energy": f"{FABRIC_SOURCE.text}; all that the design takes is at work in every cycle; DRAM as said of the memory",
            "resources": "vector units, dequantizers, scaling and dispatcher as Yosys synthesised them; buffers by width and "
            "depth; special functions and interconnect cited, those of FlightLLM by lanes and ports",
        },
        "shiftwise": version("shiftwise"),
    }


def _cost(design: OverlayDesign, cycles: int, moved: int, tokens: int) -> dict[str, Any]:
    """Energy and what the board has, ``None`` where a component was not synthesised."""
    try:
        fit = overlay_fit(design)
    except NotMeasuredError as error:
        return {"energy_per_token_J": None, "power_W": None, "resources": None, "not_measured": str(error)}
    energy = energy_per_pass(design, fit, cycles, moved)
    rows = [{"block": block.name, **{name: block.taken.get(name, 0.0) for name in RESOURCES}} for block in fit.blocks]
    rows.append({"block": "total", **{name: fit.used[name] for name in RESOURCES}})
    rows.append({"block": "board", **{name: fit.available[name] or 0.0 for name in RESOURCES}})
    return {
        "energy_per_token_J": {end: joule / tokens for end, joule in energy.items()},
        "power_W": energy["mid"] / (cycles / design.clock_hz),
        "resources": {"blocks": rows, "verdict": fit.verdict, "fits": fit.fits, "limit": fit.limit},
        "not_measured": None,
    }


def _macs(decoder: Decoder, new: int, length: int) -> tuple[int, int]:
    """Products with stored weights, pruned ones too, and with the cache, of tokens that are there."""
    linear = sum(k * n for name, (k, n) in decoder.products.items() if name != "head")
    before = length - new
    pairs = new * before + new * (new + 1) // 2
    stored = new * decoder.layers * linear + decoder.hidden * decoder.vocabulary
    return stored, 2 * decoder.layers * decoder.heads * decoder.head_dim * pairs


def _weights(decoder: Decoder) -> int:
    return sum(k * n * (1 if name == "head" else decoder.layers) for name, (k, n) in decoder.products.items())


def _weight_bytes(where: MemoryMap) -> int:
    layers = where.decoder.layers
    return sum(cells.bytes * (1 if name == "head" else layers) for name, cells in where.cells.items())


@lru_cache
def storage(decoder: Decoder, design: OverlayDesign, longest: int) -> dict[str, int]:
    """Instructions [byte] for every prefill and decode step up to ``longest`` tokens: with code of its own for each length of
    each, and with code that lengths share."""
    decode = {end: _size(decoder, design, 1, end) for end in _ends(design.decode_step, longest)}
    prefill = {end: _size(decoder, design, design.prefill_step, end) for end in _ends(design.prefill_step, longest)}
    before = sum(decode[padded_length(design, 1, length)] for length in range(1, longest + 1))
    whole = np.cumsum(list(prefill.values()))
    before += sum(int(whole[-(-length // design.prefill_step) - 1]) for length in range(1, longest + 1))
    return {"each_length": before, "shared": sum(decode.values()) + sum(prefill.values())}


def _ends(step: int, longest: int) -> range:
    return range(step, longest + step, step)


def _size(decoder: Decoder, design: OverlayDesign, new: int, length: int) -> int:
    """Of a program [byte]: every layer has as many instructions as any other."""
    one, two = (
        len(compile_step(replace(decoder, layers=layers), design, new, length, max(decoder.context, length)).program)
        for layers in (1, 2)
    )
    return (one + (decoder.layers - 1) * (two - one)) * BYTES


def _steps(passes: list[Pass]) -> pd.DataFrame:
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


def _timeline(one: Pass, layers: int) -> pd.DataFrame:
    """Instructions of some layers of a pass in time."""
    shown = np.flatnonzero(np.isin(one.code.layers, [layer for layer in SHOWN_LAYERS if layer < layers] or [0]))
    timing = one.timing
    return pd.DataFrame(
        {
            "instruction": shown,
            "opcode": [NAMES[number] for number in one.code.program.numbers[shown, 0]],
            "unit": [UNITS[unit] for unit in timing.units[shown]],
            "step": [one.code.names[number] for number in one.code.steps[shown]],
            "layer": one.code.layers[shown],
            "dispatched": timing.dispatched[shown],
            "begin": timing.begin[shown],
            "free": timing.free[shown],
            "end": timing.end[shown],
        }
    )
