"""A pass of a point operator by operator, as JSON has it: what a page of many points opens of one of them.

Alike operators are one row, so that a model of eighty layers takes no more room than one of four.
"""

from typing import Any

import pandas as pd

from costmodel.cost import SILICON, Cost, Energy
from reports.excerpts import one_layer
from reports.layers import folded, grouped, short_names, told_kinds
from shiftwise.rows import area_fields, layer_rows, measured_area
from sim.design import DesignPoint
from sim.schedule import Schedule

TARGETS = ("xcup", SILICON)
"""What areas are told of."""

MOST_ROWS = 60
"""Rows of operators that are no repetitions of each other, as a topology may have many of."""

COLUMNS = (
    *("name", "operators", "unit", "kind", "count", "m", "k", "n", "bound", "blocking"),
    *("ideal_cycles", "edge_cycles", "fill_cycles", "stalled_cycles", "lane_cycles", "dram_bytes"),
    *("energy_pe_J", "energy_vector_J", "energy_sram_J", "energy_dram_J"),
)
"""Of :func:`reports.layers.grouped`."""

Pass = dict[str, Any]


def told_pass(title: str, design: DesignPoint, built: DesignPoint, run: Schedule, tokens: int, cost: Cost | str) -> Pass:
    """What is told of a ``run`` on a ``design`` whose hardware is that of ``built``: figures, rows of operators, and one layer
    in time.

    ``cost`` is the run's, or why energies are not known. Energies of single operators have four digits.
    """
    known = None if isinstance(cost, str) else cost
    spent = known.layers if known else [Energy(0, 0, 0, 0, 0)] * len(run.steps)
    layers = pd.DataFrame(layer_rows(run.steps, spent, {}, {}))
    rows = folded(grouped(layers), MOST_ROWS)
    rows["name"] = short_names(list(rows["name"]))
    layer = one_layer(layers)
    names = told_kinds(layer.rows, short_names(list(layer.rows["name"])))
    return {
        "title": title,
        "array": [design.rows, design.columns],
        "clock_hz": float(design.clock_hz),
        "tokens": tokens,
        "cycles": run.trace.cycles,
        "losses": run.losses,
        "energy_J": known.energy_j.total if known else None,
        "components": dict(known.components) if known else {},
        "unknown": cost if isinstance(cost, str) else "",
        "areas": [area for target in TARGETS if (area := area_fields(measured_area(built, target)))],
        "peaks": sorted({float(design.macs_per_cycle), float(design.attention.macs_per_cycle)}),
        "dram_bytes_per_cycle": float(design.dram_bits_per_cycle / 8),
        "rows": {name: [_plain(value) for value in rows[name]] for name in COLUMNS},
        "layer": {
            "caption": layer.caption,
            "names": names,
            **{name: layer.rows[name].tolist() for name in ("unit", "start", "end")},
        },
    }


def _plain(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value if isinstance(value, str) else int(value)
