"""The report of a run: one HTML file that needs nothing else, from the template beside this file."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from plotly.io import to_json
from plotly.offline import get_plotlyjs

from reports import figures, gantt
from reports.excerpts import first_blocks, one_layer
from reports.layers import folded, grouped, short_names, single
from reports.plots import COLORS, GREY
from reports.roofline import roofline
from reports.sanity import sanity_table
from reports.splits import (
    AREA_UNITS,
    Parts,
    accuracy_loss,
    component_parts,
    cycle_parts,
    energy_parts,
    label,
    traffic_parts,
)
from reports.tables import accuracy_facts, design_fields, operator_table, sanity_groups
from reports.units import MISSING, engineering, percent, significant, square
from reports.words import bits_per_byte, counted, density, energy_of_each, lost, rate, sentence, spread, unmeasured, work
from sim.design import DesignPoint

TEMPLATE = "report.html"
Bar = list[tuple[str, str, float, str]]
"""Parts, each with its figure, its percentage and its colour."""

MOST_ROWS = 400
"""Rows of a table of operators: with more of them the page takes long to open."""


def render(summary: Mapping[str, Any], layers: pd.DataFrame, blocks: pd.DataFrame) -> str:
    """The whole page. Text that was given by a user is escaped wherever it stands, labels of figures included."""
    design = DesignPoint(**summary["design_fields"])
    drawn, captions = drawn_run(summary, layers, blocks)
    accuracy, rows = summary["accuracy"], folded(grouped(layers), MOST_ROWS)
    page = template(TEMPLATE).render(
        run=summary,
        sentence=sentence(summary),
        tiles=_tiles(summary, design),
        bars=_bars(summary),
        figures=embedded(drawn),
        captions=captions,
        dram_busy=percent(summary["dram_cycles"] / summary["cycles"] if summary["cycles"] else 0.0),
        spread=spread(summary),
        intensity=significant(summary["intensity"]),
        silicon=square(summary["area"]["total"]) if summary["area"] else unmeasured(summary, "sky130"),
        fpga=_fpga(summary),
        table=operator_table(rows, short_names(list(rows["name"]))),
        operators=operator_table(single(layers), list(layers["name"])) if len(layers) <= MOST_ROWS else None,
        operator_count=len(layers),
        design=design_fields(summary["design_fields"], design),
        accuracy=accuracy_facts(accuracy) if accuracy else [],
        sources={label(name): source for name, source in summary["sources"].items()},
        sanity=sanity_groups(sanity_table()),
        plotly=get_plotlyjs(),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def drawn_run(
    summary: Mapping[str, Any], layers: pd.DataFrame, blocks: pd.DataFrame
) -> tuple[dict[str, go.Figure], dict[str, str]]:
    """The figures of a run by the id of their place, and captions of those over time."""
    over_time, captions = _in_time(layers, blocks)
    return {**_figures(summary, layers, DesignPoint(**summary["design_fields"])), **over_time}, captions


def _tiles(summary: Mapping[str, Any], design: DesignPoint) -> list[tuple[str, str, str]]:
    """Key figures as (what, figure, remark)."""
    area = summary["area"]
    energy = engineering(summary["energy_J"]["total"], "J")
    size, where = (square(area["total"]), f"{area['target']}, SRAM included") if area else (MISSING, "not measured, see below")
    clock = f"{design.clock_mhz} MHz"
    if area and (reached := summary["reachable_clock_MHz"]) and reached < design.clock_mhz:
        clock += f", of which {area['target']} reaches {significant(reached)}"
    tokens, (each, joule) = summary["tokens"], energy_of_each(summary)
    pes = f"{design.rows} \N{MULTIPLICATION SIGN} {design.columns} PEs"
    return [
        ("Throughput", rate(summary), work(summary) if tokens is None else f"tokens in this run: {tokens:,}"),
        ("Time", engineering(summary["time_s"], "s"), f"{engineering(summary['cycles'], 'cycles')} at {clock}"),
        ("Utilization", percent(summary["utilization"]), f"{pes}; {lost(summary)}".replace(" %", "\N{NO-BREAK SPACE}%")),
        (f"Energy per {each}", joule, f"{energy} in all"),
        ("Power", engineering(summary["power_W"], "W"), "mean, DRAM included"),
        (
            "Efficiency",
            f"{significant(summary['tops_per_W'])} TOPS/W",
            f"{engineering(summary['energy_delay_Js'], 'J s')} of energy-delay product",
        ),
        ("Density", density(summary), f"{significant(summary['tops'])} TOPS done; area as in {design.technology}"),
        ("DRAM traffic", engineering(summary["dram_bytes"], "B"), f"{significant(summary['intensity'])} MAC per byte"),
        ("Area", size, where),
        *_model_tile(summary),
    ]


def _model_tile(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Accuracy, or without weights the model's size, if somebody said it."""
    accuracy = summary["accuracy"]
    if accuracy:
        before, after = bits_per_byte(accuracy)
        return [("Bits per byte", after, f"float {before}, {percent(accuracy_loss(accuracy), 2, '+')}")]
    if summary["parameters"] is None:
        return []
    bits = f"{significant(summary['bits_per_weight'])} bit per weight, scales included"
    return [("Parameters", counted(summary["parameters"]), bits)]


def _bars(summary: Mapping[str, Any]) -> dict[str, Bar]:
    """What the whole run is made of."""
    return {
        "cycles": bar_of(cycle_parts(summary), partial(engineering, unit="cycles")),
        "energy": bar_of(energy_parts(summary["energy_J"]), partial(engineering, unit="J")),
        "components": bar_of(component_parts(summary["energy_by_component_J"]), partial(engineering, unit="J")),
        "dram": bar_of(traffic_parts(summary["dram_bytes_by_tensor"]), partial(engineering, unit="B")),
        "buffers": bar_of(traffic_parts(summary["buffer_bytes"]), partial(engineering, unit="B")),
    }


def bar_of(parts: Parts, written: Callable[[float], str], colors: Mapping[str, str] = COLORS) -> Bar:
    """A bar of all parts, whose figures are ``written`` so."""
    total = math.fsum(parts.values())
    return [
        (name, written(value), 100 * value / total if total else 0.0, colors.get(name, GREY)) for name, value in parts.items()
    ]


def _figures(summary: Mapping[str, Any], layers: pd.DataFrame, design: DesignPoint) -> dict[str, go.Figure]:
    """The figures by the id of their place; those that have nothing to show are left out."""
    drawn = {
        "cycles-per-layer": figures.cycles_per_layer(layers),
        "energy-per-layer": figures.energy_per_layer(layers),
        "dram-sweep": figures.dram_energy_sweep(summary),
    }
    if (layers["unit"] == "array").any():
        drawn["roofline"] = roofline(layers, design)
    for place in ("area", "fpga"):
        if summary[place]:
            drawn[place] = figures.area_breakdown(summary[place])
    return drawn


def _in_time(layers: pd.DataFrame, blocks: pd.DataFrame) -> tuple[dict[str, go.Figure], dict[str, str]]:
    """The figures over time by the id of their place, and what each shows."""
    layer = one_layer(layers)
    drawn, captions = {"layer-in-time": gantt.operators_in_time(layer.rows)}, {"layer-in-time": layer.caption}
    if len(blocks):
        product = first_blocks(blocks, layers)
        drawn["blocks-in-time"], captions["blocks-in-time"] = gantt.blocks_in_time(product.rows), product.caption
    return drawn, captions


def embedded(drawn: Mapping[str, go.Figure]) -> str:
    """Figures as JSON for a script of the page."""
    members = ",".join(f'"{place}":{to_json(figure)}' for place, figure in drawn.items())
    return in_script(f"{{{members}}}")


def in_script(text: str) -> str:
    """JSON in which nothing can end a script."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def template(name: str) -> Template:
    """A page beside this file; what is put into it is escaped unless the page says otherwise."""
    folder = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(name)


def _fpga(summary: Mapping[str, Any]) -> str:
    fpga = summary["fpga"]
    if not fpga:
        return unmeasured(summary, "xcup")
    return f"{significant(fpga['total'])} {AREA_UNITS[fpga['unit']]} and {fpga['bram36']:,g} block RAMs of 36 Kbit"
