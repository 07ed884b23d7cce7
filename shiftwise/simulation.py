"""``simulate``: trace a model or take its shapes, run every operator on a design, and put figures to it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from costmodel.cost import evaluate
from costmodel.energy import memory_prices
from reports.files import write_run
from shiftwise.accuracy import Accuracy, Tell, measured_accuracy, quantized_model
from shiftwise.noise import Noise, noise_of
from shiftwise.request import Request, checked_request
from shiftwise.rows import layer_rows, summary
from shiftwise.workload import Workload, load_workload
from sim.design import DesignPoint, of_file
from sim.files import output_folder
from sim.operators import Product
from sim.schedule import ProductCycles, Schedule, check_buffers, schedule, timeline
from workloads.allocation.allocation import Allocation, allocated_operators
from workloads.hardware import Hardware
from workloads.passes import Phase

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
        """Write ``summary.json``, ``layers.csv``, ``.parquet``, ``report.html`` and ``figures``; returns the report's path."""
        return write_run(self.summary, self.layers, self.blocks, output_folder(folder))


def simulate(
    design: str | DesignPoint = "mixpe-w4a8",
    model: str = "tiny-stdlib",
    phase: Phase = "prefill",
    batch: int = 1,
    sequence: int | None = None,
    text: str | Path | None = None,
    accuracy_bytes: int | None = None,
    recipe: str | None = None,
    kv_cache: str | None = None,
    progress: Tell | None = None,
    allocation: str | Path | Allocation | None = None,
) -> Simulation:
    """Run one pass of a quantized model on a design: cycles, traffic, energy, area and, with weights, accuracy.

    ``design`` is a preset's name, a TOML file or a :class:`DesignPoint`. ``model`` is an embedded model's name or a folder in
    Hugging Face layout with weights, all products of which are computed bit for bit; or a bundled configuration's name,
    a folder or file with a ``config.json`` alone, or a SCALE-Sim topology in a CSV file, for which there is no accuracy.
    ``sequence`` [token] is 512 by default, or what the model allows; ``text`` a file that is traced and predicted (default:
    the embedded held-out text). Its first ``accuracy_bytes`` (default: 8192, in decode 512) decide the bits per byte, and
    what is behind them calibrates the ``recipe``, a name of :data:`workloads.recipes.RECIPES` (default: a checkpoint's own
    codes, or rounding to nearest). ``kv_cache`` names how keys and values are stored
    (:data:`workloads.kv_cache.KV_RECIPES`; default: ``per_token``). An ``allocation`` (:func:`shiftwise.allocate`, or the file
    that it wrote) gives layers, or parts of them, formats of their own, in accuracy, cycles, traffic and energy. Raises
    ``InputError`` for input that cannot be used.
    """
    asked = checked_request(design, model, phase, batch, sequence, text, accuracy_bytes, recipe, kv_cache, allocation)
    return simulate_request(asked, progress)


def simulate_request(asked: Request, progress: Tell | None = None, folder: Path | None = None) -> Simulation:
    """:func:`simulate`, with its arguments checked; what is found of the accuracy is kept in ``folder`` meanwhile."""
    tell = progress or (lambda *_: None)
    point, workload = asked.design, load_workload(asked)
    operators = allocated_operators(point, workload.operators, asked.allocation)
    with of_file(asked.named):
        for kind, name, k in sorted({(p.kind, p.weight_format, p.k) for p in operators if isinstance(p, Product)}):
            check_buffers(point.seen_by(kind, name), k)
    run = schedule(point, operators, memory_prices(point))
    tell("trace", len(operators), len(operators))
    noise: dict[str, Noise] = {}
    found: Accuracy | None = None
    if workload.language_model is not None:
        with of_file(asked.named):
            hardware = quantized_model(asked, workload, workload.language_model, tell)
        noise = _noise(hardware, workload, workload.sequence if asked.phase == "prefill" else 1, tell)
        found = measured_accuracy(asked, workload.language_model, hardware, _head_size(workload), folder, tell)
    cost = evaluate(point, run)
    rows = layer_rows(run.steps, cost.layers, noise, found.sums if found else {})
    told = {"model": workload.name, "phase": asked.phase, "batch": asked.batch, "sequence": workload.sequence}
    whole = summary(point, workload, run, cost) | told | {"accuracy": found.figures if found else None}
    return Simulation(whole, pd.DataFrame(rows), _blocks(point, run))


def _noise(hardware: Hardware, workload: Workload, new: int, tell: Tell) -> dict[str, Noise]:
    """That of each traced product, of a pass that computes ``new`` tokens of each sequence."""
    found: dict[str, Noise] = {}
    multiply = hardware.multiply(new)
    for index, product in enumerate(workload.traced):
        operands = (torch.from_numpy(operand) for operand in (product.activations, product.weights))
        noise = noise_of(product, multiply(product.name, *operands).numpy(), new)
        found[product.name] = found.get(product.name, Noise()) + noise
        tell("simulate", index + 1, len(workload.traced))
    return found


def _head_size(workload: Workload) -> int:
    """Numbers of a head's key, of models with attention."""
    return next((product.shape.k for product in workload.traced if product.kind == "scores"), 1)


def _blocks(design: DesignPoint, run: Schedule) -> pd.DataFrame:
    """The first blocks of the longest product in time."""
    longest = max((r for r in run.products), key=lambda r: r.trace.cycles, default=None)
    if not isinstance(longest, ProductCycles):
        return pd.DataFrame(columns=["product", "lane", "block", "start", "end"])
    intervals = timeline(design, longest, SHOWN_BLOCKS)
    return pd.DataFrame([{"product": longest.product.name, **asdict(interval)} for interval in intervals])
