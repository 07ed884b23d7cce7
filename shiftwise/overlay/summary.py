"""The content of an overlay's ``summary.json``."""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from costmodel.area import NotMeasuredError
from costmodel.fpga.devices import RESOURCES
from costmodel.fpga.fabric import FABRIC_SOURCE
from costmodel.overlay.resources import energy_per_pass, overlay_fit
from reports.bursts import bursts
from shiftwise.overlay.code import storage
from shiftwise.overlay.passes import Pass
from sim.memory import MEMORIES
from sim.overlay.banks import BANKS
from sim.overlay.compiler import MemoryMap, memory_map
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK
from sim.overlay.isa import UNITS
from sim.overlay.memory import LATENCIES
from workloads.passes import Phase

SYNTHESISED = (
    "vector units, dequantizers, walks, windows, scaling and dispatcher as Yosys synthesised them; buffers by width and "
    "depth; special functions and interconnect cited, those of FlightLLM by lanes and ports"
)
CITED = "the core cited, DFX's LUTs and DSP slices by multipliers, without flip-flops; buffers by width and depth"
"""Where the resources of a design are from, of one that multiplies integers and of one that multiplies fp16 numbers."""


def summary(decoder: Decoder, design: OverlayDesign, phase: Phase, length: int, passes: Sequence[Pass]) -> dict[str, Any]:
    """What ``summary.json`` says of passes at a ``length`` [token], but for the accuracy."""
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
    peak = design.engine.macs_per_cycle("mv" if passes[0].code.new == 1 else "mm")
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
        "bursts": bursts(memory).to_dict("records"),
        "memory_bytes": where_memory.end,
        "weight_bytes": _weight_bytes(where_memory),
        "bits_per_weight": 8 * _weight_bytes(where_memory) / _weights(decoder),
        "instructions": sum(len(one.code.program) for one in passes),
        "instruction_bytes": sum(one.code.program.size for one in passes),
        "instruction_storage": storage(decoder, design, length),
        **_cost(design, cycles, moved, new),
        "design_fields": asdict(design),
        "sources": {
            "memory": f"{MEMORIES[design.memory].source}; latencies: {LATENCIES[design.memory].source}; rows and banks: "
            f"{BANKS[design.memory].source}",
            "energy": f"{FABRIC_SOURCE.text}; all that the design takes is at work in every cycle; DRAM as said of the memory",
            "resources": SYNTHESISED if design.quantized else CITED,
        },
        "shiftwise": version("shiftwise"),
    }


def _cost(design: OverlayDesign, cycles: int, moved: int, tokens: int) -> dict[str, Any]:
    """Energy and what the board has, ``None`` where a component was not synthesised, or a figure is not known."""
    try:
        fit = overlay_fit(design)
    except NotMeasuredError as error:
        return {"energy_per_token_J": None, "power_W": None, "resources": None, "not_measured": str(error)}
    energy = energy_per_pass(design, fit, cycles, moved)
    rows = [{"block": block.name, **{name: block.taken.get(name, 0.0) for name in RESOURCES}} for block in fit.blocks]
    rows.append({"block": "total", **{name: fit.used[name] for name in RESOURCES}})
    rows.append({"block": "board", **{name: fit.available[name] for name in RESOURCES}})
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
