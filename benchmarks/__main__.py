"""Run every benchmark, print a table, write ``build/bench.json``: ``python -m benchmarks``."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.area import area_figures
from benchmarks.cost import cost_figures
from benchmarks.demo import demo_figures
from benchmarks.exploration import exploration_figures
from benchmarks.figure import Figure
from benchmarks.fit import fit_figures
from benchmarks.hardware import hardware_figures
from benchmarks.kernels import instructions, kernel_figures
from benchmarks.models import model_figures
from benchmarks.overlay import overlay_figures
from benchmarks.pages import page_figures
from benchmarks.synthesis import synthesis_figures
from reports.sanity import sanity_table
from sim.files import output_folder, write_whole


def main() -> None:
    """Print and write all figures."""
    figures = [*model_figures(), *cost_figures(), *kernel_figures(), *hardware_figures(), *synthesis_figures()]
    figures += [*fit_figures(), *area_figures(), *exploration_figures(), *overlay_figures(), *page_figures(), *demo_figures()]
    write_whole(output_folder("build") / "bench.json", json.dumps([asdict(f) for f in figures], indent=2) + "\n")
    table = Table("figure", "value", "unit", "bar", "versus")
    for f in figures:
        table.add_row(f.name, f"{f.value:.3g}", f.unit, bar_text(f), f.versus)
    Console().print(table)
    print(sanity_table().drop(columns=["ours", "differs", "all_differ"]).round(3).to_string(index=False))
    print(f"kernels with {instructions()}")
    print(f"written: {Path('build/bench.json')}")


def bar_text(figure: Figure) -> str:
    """The bar and whether it is reached."""
    if figure.bar is None:
        return "-"
    reached = figure.value <= figure.bar if figure.better == "lower" else figure.value >= figure.bar
    return f"{'at most' if figure.better == 'lower' else 'at least'} {figure.bar:g}: {'reached' if reached else 'MISSED'}"


if __name__ == "__main__":
    main()
