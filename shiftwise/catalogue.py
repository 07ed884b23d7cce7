"""What there is by name: the content of ``shiftwise list``."""

import json
import sys
from functools import partial

from costmodel.fpga.devices import DEVICES, Device
from costmodel.synthesis.targets import TARGETS
from costmodel.technology import TECHNOLOGIES
from sim.accumulators import ACCUMULATORS, describe
from sim.array import DATAFLOWS
from sim.design import PRESETS, load_design
from sim.formats import FORMATS, Format
from sim.memory import MEMORIES
from sim.overlay.design import load_overlay
from sim.overlay.presets import PRESETS as OVERLAYS
from sim.pe import PES
from sim.quantized import SCHEMES, Scheme
from workloads.embedded import MODELS
from workloads.kv_cache import KV_RECIPES
from workloads.recipes import RECIPES
from workloads.zoo import SOURCES


def catalogue() -> dict[str, dict[str, str]]:
    """For each kind of thing, its names and one line about each."""
    return {
        "design": {name: _describe_design(name) for name in PRESETS},
        "overlay": {name: _describe_overlay(name) for name in OVERLAYS},
        "format": {name: _describe_format(f) for name, f in FORMATS.items()},
        "scheme": {name: _describe_scheme(scheme) for name, scheme in SCHEMES.items()},
        "recipe": {name: _describe_recipe(name) for name in RECIPES},
        "KV cache": {name: _describe_cache(name) for name in KV_RECIPES},
        "PE": {name: _first_line(pe) for name, pe in PES.items()},
        "accumulator": {describe(family): kept.meaning for family, kept in ACCUMULATORS.items()},
        "dataflow": {name: _first_line(flow) for name, flow in DATAFLOWS.items()},
        "model": {name: _describe_model(name) for name in MODELS},
        "configuration": {name: f"shapes alone: {source}" for name, source in SOURCES.items()},
        "memory": {
            name: f"{m.bits_per_second / 8e9:g} GB/s a channel, {float(m.efficiency):.1%} sustained, {m.energy_per_bit} pJ/bit"
            for name, m in MEMORIES.items()
        },
        "technology": {name: str(t.source) for name, t in TECHNOLOGIES.items()},
        "device": {name: _describe_device(device) for name, device in DEVICES.items()},
        "synthesis target": {name: f"{flow.what}, area in {flow.unit}" for name, flow in TARGETS.items()},
    }


def _describe_design(name: str) -> str:
    d = load_design(name)
    array = f"{d.rows}x{d.columns} {d.dataflow} array of {d.pe} PEs"
    formats = f"{d.weight_format} x {d.activation_format}, groups of {d.group_size}"
    return f"{array}, {formats}, {d.clock_mhz} MHz, {d.memory_channels} x {d.memory}"


def _describe_overlay(name: str) -> str:
    d = load_overlay(name)
    engine = f"{d.engine.total_multipliers:,} multipliers of {d.element}"
    mean = " in the mean" if d.per_block else ""
    weights = f"weights of {d.weight_format} and the like, {d.kept} of 16 kept{mean}, groups of {d.group_size}"
    if not d.quantized:
        weights = f"weights and cache of {d.weight_format}"
    return f"{engine} on a {d.device}, {weights}, {d.clock_mhz} MHz, {d.ports} ports of {d.memory}"


def _describe_device(device: Device) -> str:
    counts = ", ".join(f"{'?' if n is None else format(n, ',')} {name.upper()}" for name, n in device.resources.items())
    memories = ", ".join(f"{name} {rate / 1e9:g} GB/s" for name, rate in device.memories.items())
    return f"{counts}; {memories}; {device.source}"


def _describe_format(f: Format) -> str:
    special = {"NaN" if number != number else f"{number:g}".replace("-", "") for _, number in f.special if number != 0}
    smallest, largest = (float(value) * 2.0**f.lsb for value in (f.smallest, f.largest))
    return ", ".join([f"{f.bits} bit", f"{smallest:g} to {largest:g}, least bit 2**{f.lsb}", *sorted(special)])


def _describe_scheme(scheme: Scheme) -> str:
    levels = ", ".join(f"{level.format} scale per {level.per}" for level in scheme.levels) or "no scales"
    groups = f" of {scheme.group_size}" if scheme.group_size else ""
    zero = {"none": "", "integer": ", integer zero points", "minimum": ", float minima"}[scheme.zero]
    return f"{scheme.format.name}, {levels}{groups}{zero}"


def _describe_recipe(name: str) -> str:
    recipe = RECIPES[name]
    made = recipe if isinstance(recipe, partial) else partial(recipe)
    changed = ", ".join(f"{name}={getattr(value, '__name__', value)}" for name, value in made.keywords.items())
    return _first_line(sys.modules[made.func.__module__]) + (f" Here {changed}." if changed else "")


def _describe_cache(name: str) -> str:
    recipe = KV_RECIPES[name]
    return "fp32, products as torch computes them" if recipe is None else _first_line(sys.modules[type(recipe).__module__])


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


def _describe_model(name: str) -> str:
    facts = json.loads((MODELS[name] / "metadata.json").read_text())
    return f"{facts['parameters']:,} parameters, {facts['held_out_bits_per_byte']} bit/byte on held-out text; {facts['corpus']}"
