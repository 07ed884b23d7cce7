"""How far fits are off the rows that they have not seen: the table of all lines, and bars for those of PEs."""

import pandas as pd

from benchmarks.figure import Figure
from costmodel.components import COMPONENTS
from costmodel.fit import fit, groups
from costmodel.measured import known_rows
from costmodel.synthesis.targets import CHARACTERISED

NUMBERS = ("lut_sites", "logic_cells", "area_um2", "delay_ps", "energy_traced_fj")

BARS = {"lut_sites": (0.05, 0.15), "area_um2": (0.05, 0.15), "energy_traced_fj": (0.05, 0.15)}
"""Median and worst error of PEs, also those that hold a weight, that may be."""


def fit_table() -> pd.DataFrame:
    """A row for each component, target and line: how many rows, and each number's median and worst error [%]."""
    known = known_rows()
    rows = []
    for component in COMPONENTS:
        for target in CHARACTERISED:
            for alike, found in groups(known, component, target).items():
                row: dict[str, object] = {"component": component, "target": target, "line": alike, "rows": len(found)}
                for number in NUMBERS:
                    if line := fit(component, number, found):
                        row |= {f"{number} median": 100 * line.median_error, f"{number} worst": 100 * line.worst_error}
                rows.append(row)
    return pd.DataFrame(rows)


def fit_figures() -> list[Figure]:
    """Prints the table. Bars: the median of the lines' medians at most 5 %, the worst row of all at most 15 %."""
    table = fit_table()
    print(table.round(1).to_string(index=False, na_rep="-"))
    of_pes = table[[COMPONENTS[name].part == "pe" for name in table["component"]]]
    figures = []
    for number, (median, worst) in BARS.items():
        medians, worsts = of_pes[f"{number} median"] / 100, of_pes[f"{number} worst"] / 100
        figures.append(Figure(f"fit of a PE's {number}, median of lines", medians.median(), "", median, "lower", "held out"))
        component, line = of_pes.loc[worsts.idxmax(), ["component", "line"]]
        figures.append(
            Figure(f"fit of a PE's {number}, worst: {component}, {line}", worsts.max(), "", worst, "lower", "held out")
        )
    return figures
