"""Time and memory of scheduling whole models from their shapes alone: tracing, tiling search and all operators in time."""

import json
import subprocess
import sys

from benchmarks.figure import Figure

FIRST_CALL = """
import json, sys, time
from benchmarks.figure import peak_bytes
from benchmarks.models import both_phases
import workloads.shapes

model, sequence, rows, columns = json.loads(sys.argv[1])
seconds = []
def run():
    began = time.perf_counter()
    both_phases(model, sequence, rows, columns)
    seconds.append(time.perf_counter() - began)
peak = peak_bytes(run)
for _ in range(3):
    run()
print(json.dumps({"first": seconds[0], "again": sorted(seconds[1:])[1], "peak": peak}))
"""
"""A process of its own: what it finds is neither remembered nor loaded. Packages are imported before the clock starts."""

CASES = {"llama-2-7b": (1.0, 0.020), "llama-2-70b": (2.0, 0.040), "mixtral-8x7b": (2.0, 0.040)}
"""Bars [s]: the first call, and one that is remembered."""

SEQUENCE = 2048


def both_phases(model: str, sequence: int, rows: int, columns: int) -> int:
    """Cycles of a prefill and of the decode step after it on an array of that size."""
    from dataclasses import replace

    from costmodel.energy import memory_prices
    from sim.design import load_design
    from sim.schedule import schedule
    from workloads.shapes import shapes

    kib = max(128, rows * columns * 64 // 8192)
    design = replace(load_design("mixpe-w4a8"), rows=rows, columns=columns, output_buffer_kib=kib)
    return sum(
        schedule(design, shapes(model, phase, 1, sequence).operators, memory_prices(design)).trace.cycles
        for phase in ("prefill", "decode")
    )


def model_figures() -> list[Figure]:
    """First and remembered calls of the models with bars; how the first call grows with layers, sequence and array."""
    figures = []
    peaks = {}
    for model, (first_bar, again_bar) in CASES.items():
        found = _first_call(model, SEQUENCE, 32, 32)
        what = f"{model}, prefill and decode at {SEQUENCE}"
        figures.append(Figure(f"{what}, first call", found["first"], "s", first_bar, "lower", ""))
        figures.append(Figure(f"{what}, remembered", found["again"], "s", again_bar, "lower", ""))
        peaks[model] = found["peak"]
    # With ten times the weights, memory grows with the number of layers: 80 instead of 32.
    growth = peaks["llama-2-70b"] / peaks["llama-2-7b"]
    figures.append(Figure("peak memory, llama-2-70b", growth, "x", 80 / 32, "lower", "llama-2-7b, weights x 10"))
    grown = {
        "llama-2-13b, 40 layers": ("llama-2-13b", SEQUENCE, 32, 32),
        **{f"llama-2-7b at {sequence} tokens": ("llama-2-7b", sequence, 32, 32) for sequence in (256, 4096)},
        **{f"llama-2-7b, {size}x{size} array": ("llama-2-7b", SEQUENCE, size, size) for size in (8, 128)},
    }
    figures += [
        Figure(f"{name}, first call", _first_call(*case)["first"], "s", None, "lower", "") for name, case in grown.items()
    ]
    return figures


def _first_call(model: str, sequence: int, rows: int, columns: int) -> dict[str, float]:
    command = [sys.executable, "-c", FIRST_CALL, json.dumps([model, sequence, rows, columns])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout)
    return found
