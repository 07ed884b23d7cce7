"""``simulate``: trace a model or take its shapes, run every operator on a design, and put figures to it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from costmodel.cost import evaluate
from costmodel.energy import memory_prices
from reports.files import write_run
from shiftwise.request import Request, checked_request
from shiftwise.rows import layer_row, summary
from shiftwise.workload import Workload, load_workload
from sim.design import DesignPoint, of_file
from sim.files import output_folder
from sim.kernels.product import matrix_product
from sim.operators import Product
from sim.quantized import quantize
from sim.schedule import ProductCycles, Schedule, check_buffers, schedule, timeline
from workloads.accuracy import bits_per_byte, hardware_multiply
from workloads.model_trace import TracedProduct
from workloads.passes import Phase

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""

SHOWN_BLOCKS = 24
"""Blocks of the longest product that are drawn one by one."""


@dataclass(frozen=True)
class Simulation:
    """What a simulation found.

    The content of ``summary.json`` and, a row for each operator, of ``layers.csv``; ``blocks`` has the first blocks of the
    longest product in time: lane, block, start and end [cycle].
    """

    summary: Mapping[str, Any]
    layers: pd.DataFrame
    blocks: pd.DataFrame

    def write(self, folder: str | Path) -> Path:
        """Write ``summary.json``, ``layers.csv`` and ``report.html``; returns the report's path."""
        return write_run(self.summary, self.layers, self.blocks, output_folder(folder))


def simulate(
    design: str | DesignPoint = "mixpe-w4a8",
    model: str = "tiny-stdlib",
    phase: Phase = "prefill",
    batch: int = 1,
    sequence: int | None = None,
    text: str | Path | None = None,
    accuracy_bytes: int | None = None,
    progress: Tell | None = None,
) -> Simulation:
    """Run one pass of a quantized model on a design: cycles, traffic, energy, area and, with weights, accuracy.

    ``design`` is a preset's name, a TOML file or a :class:`DesignPoint`. ``model`` is an embedded model's name or a folder in
    Hugging Face layout with weights, all products of which are computed bit for bit; or a bundled configuration's name,
    a folder or file with a ``config.json`` alone, or a SCALE-Sim topology in a CSV file, for which there is no accuracy.
    ``sequence`` [token] is 512 by default, or what the model allows; ``text`` a file that is traced and predicted (default:
    the embedded held-out text), of which the first ``accuracy_bytes`` (default: 8192) decide the bits per byte. Raises
    ``InputError`` for input that cannot be used.
    """
    return simulate_request(checked_request(design, model, phase, batch, sequence, text, accuracy_bytes), progress)


def simulate_request(asked: Request, progress: Tell | None = None) -> Simulation:
    """:func:`simulate`, with its arguments checked."""
    tell = progress or (lambda *_: None)
    point, workload = asked.design, load_workload(asked)
    with of_file(asked.named):
        for kind, k in sorted({(p.kind, p.k) for p in workload.operators if isinstance(p, Product)}):
            check_buffers(point.seen_by(kind), k)
    run = schedule(point, workload.operators, memory_prices(point))
    tell("trace", len(workload.operators), len(workload.operators))
    noise = _noise(point, workload, tell)
    cost = evaluate(point, run)
    layers = zip(run.steps, cost.layers, strict=True)
    rows = [layer_row(step, energy, noise.get(step.operator.name)) for step, energy in layers]
    told = {"model": workload.name, "phase": asked.phase, "batch": asked.batch, "sequence": workload.sequence}
    found = summary(point, workload, run, cost) | told | {"accuracy": _accuracy(point, workload, tell)}
    return Simulation(found, pd.DataFrame(rows), _blocks(point, run))


def product_outputs(design: DesignPoint, product: TracedProduct) -> NDArray[np.float32]:
    """The accelerator's results ``[count, m, n]`` for a traced product, both operands quantized for the design."""
    d = design.seen_by(product.kind)
    return np.stack(
        [
            matrix_product(quantize(a, d.activation_scheme, 1), quantize(w, d.weight_scheme, 0), d.accumulator)
            for a, w in zip(product.activations, product.weights, strict=True)
        ]
    )


def _noise(design: DesignPoint, workload: Workload, tell: Tell) -> dict[str, float]:
    """Signal to quantization noise [dB] of each traced product."""
    noise = {}
    for index, product in enumerate(workload.traced):
        noise[product.name] = _output_sqnr(design, product)
        tell("simulate", index + 1, len(workload.traced))
    return noise


def _output_sqnr(design: DesignPoint, product: TracedProduct) -> float:
    """Signal to quantization noise [dB] of the product's results against its float operands' product."""
    exact = product.activations.astype(np.float64) @ product.weights.astype(np.float64)
    noise = np.square(product_outputs(design, product) - exact).sum()
    signal = np.square(exact).sum()
    return float(10 * np.log10(signal / noise)) if noise else float("inf")


def _accuracy(design: DesignPoint, workload: Workload, tell: Tell) -> dict[str, Any] | None:
    """Bits per byte with and without the hardware, or nothing without weights."""
    model, text = workload.language_model, workload.text
    if model is None:
        return None
    by_hardware = hardware_multiply(design)
    return {
        "bytes": len(text),
        "float_bits_per_byte": bits_per_byte(model, text, progress=lambda i, n: tell("float accuracy", i, n)),
        "hardware_bits_per_byte": bits_per_byte(
            model, text, by_hardware, progress=lambda i, n: tell("hardware accuracy", i, n)
        ),
    }


def _blocks(design: DesignPoint, run: Schedule) -> pd.DataFrame:
    """The first blocks of the longest product in time."""
    longest = max((r for r in run.products), key=lambda r: r.trace.cycles, default=None)
    if not isinstance(longest, ProductCycles):
        return pd.DataFrame(columns=["product", "lane", "block", "start", "end"])
    intervals = timeline(design, longest, SHOWN_BLOCKS)
    return pd.DataFrame([{"product": longest.product.name, **asdict(interval)} for interval in intervals])
