"""MixPE's study on equal areas: as many PEs of each design as fit the area of INT8's, as sizes were measured.

The study gives each design an array and its rates; its released simulator has a placeholder for the area of a PE. Here the
PEs are those that this project generates, synthesised for sky130, and an array is 32 rows high and as wide as fits the area
of INT8's 32 x 32: either its PEs alone, or all that grows with an array, row sums, edges and epilogues too. Cycles and energy
are those of the study's layers, as stated (:mod:`reports.mixpe`), language models alone: patches of vision transformers have
weights of 8 bits, which PEs for 4 do not take.

Bit Fusion's and ANT's own PEs are not among those that are generated. In their place is the PE of fused bricks, four
products of 4 bits or one of 8; it has the size of the larger of both, which one that switches between them would exceed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import takewhile
from statistics import geometric_mean

import pandas as pd

from costmodel.area import array_area, component
from costmodel.cost import evaluate
from reports.layers import TIMES
from reports.mixpe import CLAIMED_SPEEDUP, MODELS, STUDY, Model, gemms, stated_design
from reports.units import significant
from sim.design import DesignPoint
from sim.operators import Product
from sim.schedule import run_product

TARGET = "sky130"
ROWS = 32
REFERENCE = "INT8"
COLUMNS = range(4, 65)
"""Of arrays whose edges are characterised."""
STANDS_FOR = {"Bit Fusion": "fused", "ANT": "fused"}
"""Kinds of PEs in place of those that are not generated."""

CLAIMED_ENERGY = 1.4
"""Over "the state-of-the-art quantization accelerators", abstract of arXiv 2411.16158."""


def _pes_alone(design: DesignPoint) -> float:
    return design.rows * design.columns * component(design, "pe", TARGET).area.total


AREAS: dict[str, Callable[[DesignPoint], float]] = {"PEs": _pes_alone, "array": partial(array_area, target=TARGET)}
"""What is equal: area [um2] of a design."""


@dataclass(frozen=True)
class OnArea:
    """A design on the area of INT8's array: its ``columns``, and ``cycles`` and ``energy_j`` [J] of a model."""

    columns: int
    cycles: int
    energy_j: float


def measured_design(name: str, bits: int, columns: int = ROWS) -> DesignPoint:
    """The study's design for layers of so many bits, of a PE that is generated, on an array of 32 rows."""
    design = stated_design(name, bits)
    return replace(design, pe=STANDS_FOR.get(name, design.pe), rows=ROWS, columns=columns)


def widths(name: str) -> list[int]:
    """The bits of a design's layers."""
    design = STUDY[name]
    return [bits for bits in (design.bits, design.exceptions.bits) if bits]


def pe_area(name: str) -> float:
    """Area [um2] of a PE: the larger one, of a design that has layers of two widths."""
    return max(component(measured_design(name, bits), "pe", TARGET).area.total for bits in widths(name))


@cache
def fitting_columns(name: str, what: str) -> int:
    """Columns of the widest array of 32 rows within the area of INT8's, by :data:`AREAS`."""
    area = AREAS[what]
    budget = area(measured_design(REFERENCE, STUDY[REFERENCE].bits))

    def fits(columns: int) -> bool:
        return all(area(measured_design(name, bits, columns)) <= budget for bits in widths(name))

    return max(takewhile(fits, COLUMNS))


def on_area(model: Model, name: str, what: str) -> OnArea:
    """A language model on a design that has the area of INT8's array, by :data:`AREAS`."""
    columns, cycles, energy = fitting_columns(name, what), 0, list[float]()
    for gemm in gemms(model, STUDY[name]):
        point = measured_design(name, gemm.bits, columns)
        run = run_product(point, Product(gemm.part, gemm.m, gemm.k, gemm.n))
        cycles += gemm.times * run.trace.cycles
        energy.append(gemm.times * evaluate(point, run.trace, TARGET).energy_j.total)
    return OnArea(columns, cycles, math.fsum(energy))


HEADS = ("model", "design", "PE", "um2", *(f"{what}: {head}" for what in AREAS for head in ("columns", "speed", "work/J")))
"""Of :func:`area_rows`; speed, and work for each joule, over those of INT8."""


def area_study(rivals: Sequence[str]) -> pd.DataFrame:
    """A row for each language model and design.

    ``pe``, ``pe_um2``; for each of :data:`AREAS` ``columns``, ``cycles``, ``energy_j``, and how many times the speed and the
    work for each joule are those of INT8, and of the best of ``rivals`` that is not the design itself.
    """
    rows = []
    for model_name, model in MODELS.items():
        if model.has_patches:
            continue
        found = {(name, what): on_area(model, name, what) for name in STUDY for what in AREAS}
        for name in STUDY:
            row = {"model": model_name, "design": name, "pe": _pe_of(name), "pe_um2": pe_area(name)}
            for what in AREAS:
                own, others = found[name, what], [found[rival, what] for rival in rivals if rival != name]
                row |= {f"{what}_columns": own.columns, f"{what}_cycles": own.cycles, f"{what}_energy_j": own.energy_j}
                row |= _over(what, own, found[REFERENCE, what].cycles, found[REFERENCE, what].energy_j, "int8")
                row |= _over(what, own, min(o.cycles for o in others), min(o.energy_j for o in others), "rival")
            rows.append(row)
    return pd.DataFrame(rows)


def _over(what: str, own: OnArea, cycles: float, energy: float, other: str) -> dict[str, float]:
    return {f"{what}_speedup_over_{other}": cycles / own.cycles, f"{what}_energy_over_{other}": energy / own.energy_j}


def _pe_of(name: str) -> str:
    design = measured_design(name, STUDY[name].bits)
    formats = " or ".join(
        f"{d.weight_format} x {d.activation_format}" for d in (measured_design(name, b) for b in widths(name))
    )
    return f"{design.pe}, {formats}"


def area_rows(study: pd.DataFrame) -> list[list[str]]:
    """The table's cells by :data:`HEADS`."""
    return [
        [
            *(str(row[column]) for column in ("model", "design", "pe")),
            f"{row['pe_um2']:,.0f}",
            *(
                cell
                for what in AREAS
                for cell in (
                    str(row[f"{what}_columns"]),
                    TIMES + significant(row[f"{what}_speedup_over_int8"]),
                    TIMES + significant(row[f"{what}_energy_over_int8"]),
                )
            ),
        ]
        for _, row in study.iterrows()
    ]


def area_finding(study: pd.DataFrame, proposed: str) -> str:
    """What the proposed design is worth on equal areas, in a sentence; means are geometric ones of the models."""
    own = study[study["design"] == proposed]

    def mean(column: str) -> str:
        return f"{geometric_mean(own[column]):.2f}"

    return (
        f"On the area of INT8's PEs alone, {proposed} is {mean('PEs_speedup_over_rival')} times as fast as its best rival and "
        f"{mean('PEs_speedup_over_int8')} times as fast as INT8; on that of its array, {mean('array_speedup_over_rival')} and "
        f"{mean('array_speedup_over_int8')} times. The work that it does there for a joule, memories included, is "
        f"{mean('array_energy_over_rival')} times that of the best rival and {mean('array_energy_over_int8')} times that of "
        f"INT8. The abstract claims {CLAIMED_SPEEDUP} times the speed and {CLAIMED_ENERGY} times the energy efficiency."
    )
