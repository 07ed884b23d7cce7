"""``simulate``: trace a model, run every product on a design, and put figures to it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from costmodel.area import DesignArea, NotMeasuredError, component_areas
from costmodel.cost import Cost, evaluate
from costmodel.energy import energy_per_action
from costmodel.synthesis import TARGETS
from reports.files import write_run
from sim.design import DesignPoint, load_design
from sim.errors import InputError
from sim.files import output_folder
from sim.kernels.product import matrix_product
from sim.quantized import quantize, weight_bits
from sim.schedule import ProductCycles, check_buffers, run_product
from sim.trace import NOTHING, Trace
from workloads.accuracy import bits_per_byte, hardware_multiply
from workloads.checkpoint import HELD_OUT_TEXT, LanguageModel, load_model
from workloads.tracing import Phase, TracedProduct, trace

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Simulation:
    """What a simulation found: the content of ``summary.json`` and, a row for each product, of ``layers.csv``."""

    summary: Mapping[str, Any]
    layers: pd.DataFrame

    def write(self, folder: str | Path) -> Path:
        """Write ``summary.json``, ``layers.csv`` and ``report.html``; returns the report's path."""
        return write_run(self.summary, self.layers, output_folder(folder))


def simulate(
    design: str | DesignPoint = "mixpe-w4a8",
    model: str = "tiny-stdlib",
    phase: Phase = "prefill",
    batch: int = 1,
    sequence: int = 512,
    text: str | Path | None = None,
    accuracy_bytes: int = 8192,
    progress: Tell | None = None,
) -> Simulation:
    """Run one forward pass of a quantized model on a design, bit for bit, and report cycles, energy, area, accuracy.

    ``design`` is a preset's name, a TOML file or a :class:`DesignPoint`; ``model`` an embedded model's name or a
    folder in Hugging Face layout; ``text`` a file that is traced and predicted (default: the embedded held-out
    text), of which the first ``accuracy_bytes`` decide the bits per byte. Raises ``InputError`` for input that
    cannot be used.
    """
    tell = progress or (lambda *_: None)
    point = load_design(design)
    content = _read_text(text)
    if accuracy_bytes < 2:
        raise InputError(f"accuracy_bytes is at least 2, not {accuracy_bytes}")
    check_buffers(point)
    energy_per_action(point, point.technology)  # refuses what the technology cannot cost, before the work
    language_model = load_model(model)
    traced = trace(language_model, language_model.encode(content), phase, batch, sequence)
    tell("trace", len(traced), len(traced))
    rows, runs = [], []
    for index, product in enumerate(traced):
        run = run_product(point, product.shape)
        runs.append(run)
        rows.append(_layer_row(product, run, evaluate(point, run.trace), _output_sqnr(point, product)))
        tell("simulate", index + 1, len(traced))
    excerpt = content[:accuracy_bytes]
    accuracy = _accuracy(point, language_model, excerpt, tell)
    tokens = batch * (sequence if phase == "prefill" else 1)
    workload = {"model": language_model.name, "phase": phase, "batch": batch, "sequence": sequence}
    return Simulation(_summary(point, workload, runs, tokens) | {"accuracy": accuracy}, pd.DataFrame(rows))


def product_outputs(design: DesignPoint, product: TracedProduct) -> NDArray[np.float32]:
    """The accelerator's results ``[count, m, n]`` for a traced product, both operands quantized for the design."""
    return np.stack(
        [
            matrix_product(quantize(a, design.activation_scheme, 1), quantize(w, design.weight_scheme, 0), design.accumulator)
            for a, w in zip(product.activations, product.weights, strict=True)
        ]
    )


def _read_text(text: str | Path | None) -> bytes:
    path = HELD_OUT_TEXT if text is None else Path(text)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"text file {str(path)!r} cannot be read: {error.strerror}") from None
    if len(content) < 2:
        raise InputError(f"text file {str(path)!r} has at least 2 bytes, not {len(content)}")
    return content


def _output_sqnr(design: DesignPoint, product: TracedProduct) -> float:
    """Signal to quantization noise [dB] of the product's results against its float operands' product."""
    exact = product.activations.astype(np.float64) @ product.weights.astype(np.float64)
    noise = np.square(product_outputs(design, product) - exact).sum()
    signal = np.square(exact).sum()
    return float(10 * np.log10(signal / noise)) if noise else float("inf")


def _layer_row(product: TracedProduct, run: ProductCycles, cost: Cost, sqnr: float) -> dict[str, Any]:
    shape = run.product
    return {
        "name": shape.name,
        "kind": product.kind,
        "count": shape.count,
        "m": shape.m,
        "k": shape.k,
        "n": shape.n,
        "macs": shape.macs,
        "cycles": run.trace.cycles,
        "ideal_cycles": run.ideal_cycles,
        "compute_cycles": run.compute_cycles,
        "stall_cycles": run.stall_cycles,
        "dram_cycles": run.dram_cycles,
        "utilization": run.utilization,
        "bound": run.bound,
        "loop_order": run.loop_order,
        "dram_bytes": _dram_bits(run.trace) // 8,
        "energy_pe_J": cost.energy_j.pe,
        "energy_sram_J": cost.energy_j.sram,
        "energy_dram_J": cost.energy_j.dram,
        "energy_J": cost.energy_j.total,
        "sqnr_dB": sqnr,
    }


def _dram_bits(counted: Trace) -> int:
    return counted.counts["dram_read"] + counted.counts["dram_write"]


def _accuracy(design: DesignPoint, model: LanguageModel, text: bytes, tell: Tell) -> dict[str, Any]:
    return {
        "bytes": len(text),
        "float_bits_per_byte": bits_per_byte(model, text, progress=lambda i, n: tell("float accuracy", i, n)),
        "hardware_bits_per_byte": bits_per_byte(
            model, text, hardware_multiply(design), progress=lambda i, n: tell("hardware accuracy", i, n)
        ),
    }


def _summary(design: DesignPoint, workload: dict[str, Any], runs: list[ProductCycles], tokens: int) -> dict[str, Any]:
    total = sum((run.trace for run in runs), NOTHING)
    cost = evaluate(design, total)
    macs = sum(run.product.macs for run in runs)
    compute = sum(run.compute_cycles for run in runs)
    dram = sum(run.dram_cycles for run in runs)
    areas = {target: _measured_area(design, target) for target in TARGETS}
    return {
        "shiftwise": version("shiftwise"),
        "design": design.name,
        "design_fields": asdict(design),
        **workload,
        "macs": macs,
        "cycles": total.cycles,
        "ideal_cycles": -(-macs // (design.rows * design.columns)),
        "compute_cycles": compute,
        "stall_cycles": sum(run.stall_cycles for run in runs),
        "dram_cycles": dram,
        "time_s": cost.time_s,
        "utilization": macs / (total.cycles * design.rows * design.columns),
        "tokens": tokens,
        "tokens_per_s": tokens / cost.time_s,
        "bound": "memory" if dram > compute else "compute",
        "dram_bytes": _dram_bits(total) // 8,
        "bits_per_weight": weight_bits(design.weight, design.group_size, 1, design.group_size) / design.group_size,
        "energy_J": {"total": cost.energy_j.total, **asdict(cost.energy_j)},
        "energy_per_token_J": cost.energy_j.total / tokens,
        "dram_energy_sweep_J": {
            str(pj): cost.energy_j.total - cost.energy_j.dram + joule for pj, joule in cost.dram_sweep.items()
        },
        "power_W": cost.power_w,
        "counts": dict(total.counts),
        "energy_per_action_pJ": dict(cost.per_action),
        "area": _area(areas["sky130hd"]),
        "fpga": _area(areas["xcup"]),
        "sources": dict(cost.sources) | {f"area on {target}": _area_source(area) for target, area in areas.items()},
    }


def _measured_area(design: DesignPoint, target: str) -> DesignArea | NotMeasuredError:
    """The area, or why it is not known."""
    try:
        return component_areas(design, target)
    except NotMeasuredError as error:
        return error


def _area(area: DesignArea | NotMeasuredError) -> dict[str, Any] | None:
    if isinstance(area, NotMeasuredError):
        return None
    parts = {name: share.total for name, share in area.components.items()}
    parts["pe"] = parts.pop("shift_add_pe")
    sram = "sram" if area.sram_unit == area.unit else area.sram_unit
    return {"unit": area.unit, "target": area.target, "total": area.total, **parts, sram: area.sram}


def _area_source(area: DesignArea | NotMeasuredError) -> str:
    if isinstance(area, NotMeasuredError):
        return str(area)
    rows = [share.measured for share in area.components.values()]
    runs = dict.fromkeys(f"{row.area.tool} {row.area.version}, {row.date}, {row.file}" for row in rows)
    return "; ".join([*runs, area.sram_source])
