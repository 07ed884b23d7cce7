"""The report of a run: one HTML file that needs nothing else, from the template beside this file."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.io import to_json
from plotly.offline import get_plotlyjs

from reports import figures
from reports.layers import grouped, products_text, shape_text
from reports.splits import AREA_UNITS, Parts, accuracy_loss, cycle_parts, energy_parts, label
from reports.units import MISSING, column_unit, engineering, percent, significant, square
from sim.design import DesignPoint

TEMPLATE = "report.html"
FIELD_UNITS = {"weight_buffer_kib": "KiB", "activation_buffer_kib": "KiB", "output_buffer_kib": "KiB", "clock_mhz": "MHz"}


def render(summary: Mapping[str, Any], layers: pd.DataFrame, blocks: pd.DataFrame) -> str:
    """The whole page. Text that was given by a user is escaped wherever it stands, labels of figures included."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    design = DesignPoint(**summary["design_fields"])
    page = environment.get_template(TEMPLATE).render(
        run=summary,
        sentence=sentence(summary),
        tiles=_tiles(summary, design),
        bars=_bars(summary),
        figures=_figures_json(summary, layers, design),
        silicon=square(summary["area"]["total"]) if summary["area"] else unmeasured(summary, "sky130hd"),
        fpga=_fpga(summary),
        table=_layer_table(grouped(layers)),
        products=_layer_table(layers.assign(products=1, sqnr_dB=pd.to_numeric(layers["sqnr_dB"]))),
        design=_design_fields(summary["design_fields"], design),
        accuracy=_accuracy(summary["accuracy"]) if summary["accuracy"] else [],
        sources={label(name): source for name, source in summary["sources"].items()},
        plotly=get_plotlyjs(),
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def sentence(summary: Mapping[str, Any]) -> str:
    """The run's result in one sentence."""
    change = (
        ""
        if summary["accuracy"] is None
        else "; bits per byte " + "\N{NO-BREAK SPACE}\N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}".join(bits_per_byte(summary))
    )
    return (
        f"{summary['design']} runs {summary['model']}, {work(summary)}, in {engineering(summary['time_s'], 's')} "
        f"at {significant(summary['tokens_per_s'])} tokens/s{change}."
    )


def work(summary: Mapping[str, Any]) -> str:
    """Phase, batch and sequence in words."""
    batch, sequence = summary["batch"], summary["sequence"]
    each = f"{batch} sequences of {sequence} tokens" if batch > 1 else f"{sequence} tokens"
    return f"prefill of {each}" if summary["phase"] == "prefill" else f"the decode step that completes {each}"


def bits_per_byte(summary: Mapping[str, Any]) -> tuple[str, str]:
    """Bits per byte of the float model and of the hardware."""
    accuracy = summary["accuracy"]
    return significant(accuracy["float_bits_per_byte"]), significant(accuracy["hardware_bits_per_byte"])


def unmeasured(summary: Mapping[str, Any], target: str) -> str:
    """What stands in place of an area that is not known: why."""
    reason: str = summary["sources"].get(f"area on {target}", "no reason was recorded")
    return f"not measured: {reason}"


def _tiles(summary: Mapping[str, Any], design: DesignPoint) -> list[tuple[str, str, str]]:
    """Key figures as (what, figure, remark)."""
    accuracy, area = summary["accuracy"], summary["area"]
    energy = engineering(summary["energy_J"]["total"], "J")
    weight = significant(summary["bits_per_weight"])
    size, where = (square(area["total"]), f"{area['target']}, SRAM included") if area else (MISSING, "not measured, see below")
    return [
        ("Throughput", f"{significant(summary['tokens_per_s'])} tokens/s", f"tokens in this run: {summary['tokens']:,}"),
        ("Time", engineering(summary["time_s"], "s"), f"{engineering(summary['cycles'], 'cycles')} at {design.clock_mhz} MHz"),
        (
            "Utilization",
            percent(summary["utilization"]),
            f"{design.rows} \N{MULTIPLICATION SIGN} {design.columns} PEs, {summary['bound']}-bound",
        ),
        ("Energy per token", engineering(summary["energy_per_token_J"], "J"), f"{energy} in all"),
        ("Power", engineering(summary["power_W"], "W"), "mean, DRAM included"),
        ("DRAM traffic", engineering(summary["dram_bytes"], "B"), f"{weight} bit per weight, scales included"),
        ("Area", size, where),
    ] + (
        [
            (
                "Bits per byte",
                bits_per_byte(summary)[1],
                f"float {bits_per_byte(summary)[0]}, {percent(accuracy_loss(accuracy), 2, '+')}",
            )
        ]
        if accuracy
        else []
    )


def _bars(summary: Mapping[str, Any]) -> dict[str, list[tuple[str, str, float, str]]]:
    """Cycles and energy of the whole run as bars of (part, figure, percent, colour)."""
    return {
        "cycles": _bar(cycle_parts(summary), "cycles"),
        "energy": _bar(energy_parts(summary["energy_J"]), "J"),
    }


def _bar(parts: Parts, unit: str) -> list[tuple[str, str, float, str]]:
    total = math.fsum(parts.values())
    return [
        (name, engineering(value, unit), 100 * value / total if total else 0.0, figures.COLORS.get(name, figures.GREY))
        for name, value in parts.items()
    ]


def _figures_json(summary: Mapping[str, Any], layers: pd.DataFrame, design: DesignPoint) -> str:
    """The figures by the id of their place, as JSON in which nothing can end a script."""
    drawn: dict[str, go.Figure] = {
        "cycles-per-layer": figures.cycles_per_layer(layers),
        "roofline": figures.roofline(layers, design),
        "energy-per-layer": figures.energy_per_layer(layers),
        "dram-sweep": figures.dram_energy_sweep(summary),
    }
    if summary["area"]:
        drawn["area"] = figures.area_breakdown(summary["area"])
    if summary["fpga"]:
        drawn["fpga"] = figures.area_breakdown(summary["fpga"])
    members = ",".join(f'"{place}":{to_json(figure)}' for place, figure in drawn.items())
    return f"{{{members}}}".replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _fpga(summary: Mapping[str, Any]) -> str:
    fpga = summary["fpga"]
    if not fpga:
        return unmeasured(summary, "xcup")
    return f"{significant(fpga['total'])} {AREA_UNITS[fpga['unit']]} and {significant(fpga['bram36'])} block RAMs of 36 Kbit"


def _layer_table(rows: pd.DataFrame) -> dict[str, Any]:
    """Column heads, whether each column is numeric, and rows of (text, value to sort by)."""
    cycles, energy, traffic = (column_unit(rows[column]) for column in ("cycles", "energy_J", "dram_bytes"))
    stall = rows["stall_cycles"] / rows["cycles"]
    names = [products_text(name, products) for name, products in zip(rows["name"], rows["products"], strict=True)]
    shapes = [shape_text(row) for _, row in rows.iterrows()]
    columns = [
        ("product", list(zip(names, rows["name"], strict=True))),
        ("m \N{MULTIPLICATION SIGN} k \N{MULTIPLICATION SIGN} n", list(zip(shapes, rows["macs"], strict=True))),
        (f"{cycles.prefix}cycles", [(cycles.text(v), v) for v in rows["cycles"]]),
        ("utilization", [(percent(v), v) for v in rows["utilization"]]),
        ("bound", [(v, v) for v in rows["bound"]]),
        ("stall", [(percent(v), v) for v in stall]),
        *(
            (f"{part} [{energy.prefix}J]", [(energy.text(v), v) for v in rows[f"energy_{part.lower()}_J"]])
            for part in ("PE", "SRAM", "DRAM")
        ),
        (f"traffic [{traffic.prefix}B]", [(traffic.text(v), v) for v in rows["dram_bytes"]]),
        ("SQNR [dB]", [(significant(v), v) for v in rows["sqnr_dB"]]),
    ]
    return {
        "heads": [(head, head not in ("product", "bound")) for head, _ in columns],
        "rows": list(zip(*(cells for _, cells in columns), strict=True)),
    }


def _design_fields(fields: Mapping[str, Any], design: DesignPoint) -> list[tuple[str, str]]:
    """Fields of the design, then what follows from them."""
    given = []
    for name, value in fields.items():
        unit = FIELD_UNITS.get(name, "")
        words = name.removesuffix(f"_{unit.lower()}").replace("_", " ")
        given.append((words, f"{value} {unit}".rstrip()))
    peak = float(design.macs_per_cycle)
    dram = float(design.dram_bits_per_second / 8)  # [byte/s]
    return [
        *given,
        ("accumulator width", f"{design.accumulator_bits} bit"),
        ("peak rate", f"{peak:,g} MAC/cycle, {engineering(peak * design.clock_hz, 'MAC/s')}"),
        ("DRAM peak rate", f"{significant(dram / design.clock_hz)} B/cycle, {engineering(dram, 'B/s')}"),
    ]


def _accuracy(accuracy: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("float model", f"{significant(accuracy['float_bits_per_byte'], 4)} bit/byte"),
        ("linear layers by the simulated hardware", f"{significant(accuracy['hardware_bits_per_byte'], 4)} bit/byte"),
        ("loss", percent(accuracy_loss(accuracy), 2, "+")),
        ("measured on", f"{accuracy['bytes']:,} bytes of text"),
    ]
