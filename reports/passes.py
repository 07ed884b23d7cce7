"""What a page of many points opens of one of them: its passes, packed small for the script ``passes.js``.

Columns that are the same in several passes, as names and sizes of operators are, stand in the page once.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from reports.gantt import LANES, SHADES
from reports.page import bar_of, in_script
from reports.plots import figure
from reports.splits import AREA_UNITS, CYCLES, area_parts, component_parts
from reports.units import engineering, percent, significant, square

HEIGHT = 340  # [px]

Pass = Mapping[str, Any]
"""As the findings have it (:mod:`shiftwise.passes`)."""


def packed(passes: Iterable[Sequence[Pass]]) -> str:
    """Passes of every point in order, as JSON for a script of the page: names in it are text, no HTML."""
    once = _Once()
    points = [[_pass(one, once) for one in of_point] for of_point in passes]
    drawn = {
        "layout": figure(HEIGHT).to_plotly_json()["layout"],
        "colors": {unit: (color, SHADES[color]) for unit, (_, color) in LANES.items()},
    }
    return in_script(json.dumps({"points": points, "once": once.values, **drawn}, separators=(",", ":")))


class _Once:
    """Values by the place of the first of them that is the same."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        text = json.dumps(value)
        if text not in self._places:
            self._places[text] = len(self.values)
            self.values.append(value)
        return self._places[text]


def _pass(told: Pass, once: _Once) -> dict[str, Any]:
    losses = {label: told["losses"][key] for key, (label, _) in CYCLES.items()}
    bars = [["Where the cycles go", engineering(told["cycles"], "cycles"), bar_of(losses, partial(engineering, unit="cycles"))]]
    if told["components"]:
        energy = engineering(told["energy_J"], "J")
        bars.append(
            ["Where the energy goes", energy, bar_of(component_parts(told["components"]), partial(engineering, unit="J"))]
        )
    return {
        "title": told["title"],
        "told": _sentence(told),
        "unknown": f"Energies are not known: {told['unknown']}" if told["unknown"] else "",
        "bars": bars,
        "areas": once.place([_area(area) for area in told["areas"]]),
        "roof": [told["peaks"], told["dram_bytes_per_cycle"]],
        "rows": {name: once.place(column) for name, column in told["rows"].items()},
        "layer": {name: once.place(column) for name, column in told["layer"].items()},
    }


def _sentence(told: Pass) -> str:
    rows, columns = told["array"]
    seconds = told["cycles"] / told["clock_hz"]
    energy = told["energy_J"]
    each = f", {engineering(energy / told['tokens'], 'J')} a token" if energy is not None else ""
    ideal = told["losses"]["ideal"] / told["cycles"] if told["cycles"] else 0.0
    return (
        f"Array of {rows} \N{MULTIPLICATION SIGN} {columns} at {significant(told['clock_hz'] / 1e6)} MHz: "
        f"{engineering(seconds, 's')}, {significant(told['tokens'] / seconds)} tokens/s, utilization {percent(ideal)}{each}."
    )


def _area(area: Mapping[str, Any]) -> list[Any]:
    text = square if area["unit"] == "um2" else partial(_counted, unit=AREA_UNITS[area["unit"]])
    return [f"Area on {area['target']}", text(area["total"]), bar_of(area_parts(area), text)]


def _counted(number: float, unit: str) -> str:
    return f"{significant(number)} {unit}"
