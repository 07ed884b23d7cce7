"""Energy of a MAC with traced and with random operands: how much real data saves, by PE and formats."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from costmodel.activity import pe_energies
from costmodel.operands import Product, quantized
from costmodel.samples import SAMPLES
from costmodel.synthesis import synthesise
from hdl.export import module_texts
from hdl.pe import has_hardware, pe_parts
from sim.design import PRESETS, DesignPoint, load_design
from workloads.checkpoint import load_model
from workloads.embedded import HELD_OUT_TEXT
from workloads.tracing import trace

SEQUENCE = 128
"""Tokens that are traced; more than an array has rows."""

TOGETHER = 4
"""PEs in one simulation."""

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
    return [quantized(design, a, w) for a, w in traced_operands()]


def measured_designs() -> Iterator[DesignPoint]:
    """One design for each PE of the samples and of the presets."""
    seen = set()
    for design in [*SAMPLES.values(), *filter(has_hardware, map(load_design, PRESETS))]:
        pe = (design.pe, design.dataflow, design.element, design.accumulator_bits, design.group_size)
        if pe not in seen:
            seen.add(pe)
            yield design


def mac_energy_table(designs: Sequence[DesignPoint] | None = None, folder: Path = Path("build/activity")) -> pd.DataFrame:
    """A row for each PE: energies of a MAC in sky130 [fJ], ``traced`` with its parts and ``uniform``, and their ratio.

    ``*_error`` are standard errors of the stream of operands.
    """
    chosen = list(measured_designs()) if designs is None else list(designs)
    rows = []
    for start in range(0, len(chosen), TOGETHER):
        part = chosen[start : start + TOGETHER]
        modules = []
        for design in part:
            parts = pe_parts(design)
            modules.append(synthesise("".join(module_texts(parts).values()), parts[-1].module_name, "sky130").module)
        found = pe_energies(part, modules, [traced_products(design) for design in part], folder)
        for design, energies in zip(part, found, strict=True):
            traced, uniform = energies["traced"], energies["uniform"]
            fields = ("name", "pe", "weight_format", "activation_format", "accumulator", "dataflow")
            row = {field: getattr(design, field) for field in fields}
            row |= {
                "traced": traced.total,
                "traced_error": traced.error,
                "uniform": uniform.total,
                "uniform_error": uniform.error,
            }
            row |= {"traced_over_uniform": traced.total / uniform.total}
            split = ("multiplier", "accumulator", "registers", "clock", "leakage")
            rows.append(row | {name: value for name, value in asdict(traced).items() if name in split})
    return pd.DataFrame(rows)
