"""Energy of a MAC with traced and with random operands: how much real data saves, by PE and formats.

``python -m reports.mac_energy [file]`` prints the table, and writes it as CSV.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from costmodel.activity.measure import Activity, activities
from costmodel.activity.operands import Codes, Product, activation_codes, weight_codes
from costmodel.activity.word_model import fitted
from costmodel.characterize import SILICON
from costmodel.components import pe_component
from costmodel.measure import synthesise_component
from costmodel.samples import SAMPLES
from hdl.pe import has_hardware
from sim.design import PRESETS, DesignPoint, load_design
from sim.quantized import Scheme
from workloads.checkpoint import load_model
from workloads.embedded import HELD_OUT_TEXT
from workloads.tracing import trace

SEQUENCE = 128
"""Tokens that are traced; more than an array has rows."""

TOGETHER = 8
"""PEs in one simulation."""

FIELDS = ("name", "pe", "weight_format", "activation_format", "accumulator", "pipeline", "dataflow")

Floats = NDArray[np.float32]


@lru_cache(maxsize=1)
def traced_operands(model: str = "tiny-stdlib", sequence: int = SEQUENCE) -> tuple[tuple[Floats, Floats], ...]:
    """Activations ``[m, k]`` and weights ``[k, n]`` of every product of a prefill of the embedded model, or another one."""
    language_model = load_model(model)
    tokens = language_model.encode(HELD_OUT_TEXT.read_bytes())
    products = trace(language_model, tokens, "prefill", 1, sequence)
    return tuple((a, w) for product in products for a, w in zip(product.activations, product.weights, strict=True))


def traced_products(design: DesignPoint) -> list[Product]:
    """The same in a design's codes."""
    return list(zip(_activation_codes(design.activation_scheme), _weight_codes(design.weight_scheme), strict=True))


@lru_cache(maxsize=4)
def _activation_codes(scheme: Scheme) -> tuple[Codes, ...]:
    """Kept, as PEs that are measured one after the other have them in common."""
    return tuple(activation_codes(scheme, activations) for activations, _ in traced_operands())


@lru_cache(maxsize=4)
def _weight_codes(scheme: Scheme) -> tuple[Codes, ...]:
    return tuple(weight_codes(scheme, weights) for _, weights in traced_operands())


def measured_designs() -> Iterator[DesignPoint]:
    """One design for each PE of the samples and of the presets."""
    seen = set()
    for design in [*SAMPLES.values(), *filter(has_hardware, map(load_design, PRESETS))]:
        pe = (design.dataflow, design.element, design.group_size)
        if pe not in seen:
            seen.add(pe)
            yield design


def mac_energy_table(designs: Sequence[DesignPoint] | None = None, folder: Path = Path("build/activity")) -> pd.DataFrame:
    """A row for each PE: energies of a MAC in sky130 [fJ], ``traced`` and ``uniform`` and their ratio.

    ``*_error`` are standard errors of the streams; ``*_part`` add up to ``traced``; ``with_glitches`` is what traced operands
    need if gates take time; ``word_*`` are relative errors of the model from words (:mod:`costmodel.activity.word_model`).
    ``folder`` keeps the simulations.
    """
    chosen = list(measured_designs() if designs is None else designs)
    together = [chosen[start : start + TOGETHER] for start in range(0, len(chosen), TOGETHER)]
    return pd.DataFrame([_row(activity) for some in together for activity in _activities(some, folder)])


def _activities(designs: Sequence[DesignPoint], folder: Path) -> list[Activity]:
    modules = [synthesise_component(design, pe_component(design), SILICON).module for design in designs]
    return activities(designs, modules, [traced_products(design) for design in designs], folder)


def _row(activity: Activity) -> dict[str, str | float]:
    traced, uniform, words = activity.energy("traced"), activity.energy("uniform"), fitted(activity)
    return {
        **{field: getattr(activity.design, field) for field in FIELDS},
        "traced": traced.total,
        "traced_error": traced.error,
        "uniform": uniform.total,
        "uniform_error": uniform.error,
        "traced_over_uniform": traced.total / uniform.total,
        **{f"{part}_part": getattr(traced, part) for part in ("multiplier", "accumulator", "registers", "clock", "leakage")},
        "with_glitches": traced.total + traced.glitches,
        "word_median_error": words.median_error,
        "word_worst_error": words.worst_error,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m reports.mac_energy", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="a CSV file to write")
    file, table = parser.parse_args().file, mac_energy_table()
    print(table.round(3).to_string(index=False))
    if file:
        table.to_csv(file, index=False)


if __name__ == "__main__":
    main()
