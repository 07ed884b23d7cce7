"""The page of the gallery: for each PE kind its equation, its diagram, its ports, its pace, and its measured size."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amaranth import Shape
from amaranth.lib.wiring import In

from costmodel.area import NotMeasuredError
from costmodel.components import fields_of, key_of
from costmodel.measured import Measured, read_measured
from costmodel.samples import SAMPLES
from costmodel.synthesis.targets import CHARACTERISED
from hdl.pe import pe_parts
from hdl.pe.ports import MEANINGS
from reports.gallery.drawing import draw
from reports.gallery.structure import structures
from sim.design import DesignPoint
from sim.pe import PES

PAGE = "gallery.md"
PICTURES = "gallery"

HEAD = """\
# Processing elements

What each PE kind consists of, in a common configuration with groups of 128: drawn by `make gallery` from the Verilog that
`shiftwise generate` writes, and measured by synthesis. Other formats, accumulators and levels of pipelining give other
widths, registers and sizes; `shiftwise synth` measures them.

"""

LEGEND = """
Latency is from a group's last operands at the inputs to its sum at the output [cycle], the interval from one pair of operands
to the next [cycle]. UltraScale+ is without DSP slices but for `dsp_packed`; a LUT site has one 6-input LUT, or two that
share five inputs.

In the diagrams data goes from left to right; a number is how many bits go in, a line without one is a single bit, dashed ones
choose or enable. Blue boxes with a notch are registers. `mux` chooses, `<<` and `>>` shift, `table` looks up, `~`
inverts. Alike operations are one box with their number, and their names differ in the last number. Clock and reset are left
out. A diagram that is too long goes on below, at the same names.
"""

FROM_PYTHON = """
A PE's Verilog, from Python:

```python
from hdl.export import module_texts
from hdl.pe import pe_parts
from shiftwise import DesignPoint

design = DesignPoint("mine", pe="shift_only", weight_format="pot4")
for name, text in module_texts(pe_parts(design)).items():
    print(name, len(text.splitlines()), "lines, latency", design.pe_latency)
```
"""


def files() -> dict[str, str]:
    """The page and its pictures, text by path in the folder of the documentation."""
    parts = {pe: pe_parts(design) for pe, design in SAMPLES.items()}
    drawn = structures(part for found in parts.values() for part in found)
    return {PAGE: _page(parts), **{f"{PICTURES}/{name}.svg": draw(structure, name) for name, structure in drawn.items()}}


def _page(parts: Mapping[str, Sequence[Any]]) -> str:
    rows = {row.key: row for row in read_measured()}
    measured = {pe: {target: _measured(design, target, rows) for target in CHARACTERISED} for pe, design in SAMPLES.items()}
    sections = [_section(SAMPLES[pe], found) for pe, found in parts.items()]
    sources = _sources(row for of_pe in measured.values() for row in of_pe.values())
    return HEAD + _overview(measured) + f"\n{sources}\n" + LEGEND + FROM_PYTHON + "".join(sections)


def _measured(design: DesignPoint, target: str, rows: Mapping[Any, Measured]) -> Measured:
    """The row of a sample's PE. Raises :class:`NotMeasuredError` where there is none, as of a PE that is new."""
    key = key_of(design, "pe", target)
    if key not in rows:
        fields = ", ".join(f"{field} {value}" for field, value in fields_of(design, "pe").items())
        raise NotMeasuredError(
            f"the PE of the sample {design.pe} was not measured on {target} for {fields}; `make characterize` does"
        )
    return rows[key]


def _overview(measured: dict[str, dict[str, Measured]]) -> str:
    head = ["PE", "weight", "activation", "sum", "MAC/cycle", "latency", "interval"]
    head += ["LUT sites", "carry bits", "flip-flops", "DSPs", "sky130 [µm²]"]
    lines = []
    for pe, rows in measured.items():
        design, fpga = SAMPLES[pe], rows["xcup"].area.numbers
        fields = [f"[{pe}](#{pe})", design.weight_format, design.activation_format, design.accumulator]
        fields += [str(design.element.macs_per_cycle), str(design.pe_latency), str(design.element.interval)]
        fields += [f"{fpga[name]:.0f}" for name in ("lut_sites", "carry", "flip_flops", "dsps")]
        lines.append([*fields, f"{rows['sky130'].area.total:,.0f}"])
    return _table(head, lines)


def _sources(rows: Iterable[Measured]) -> str:
    dates: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        dates[f"{row.area.tool} {row.area.version}"].add(row.date)
    said = [f"{tool} on {' and '.join(sorted(found))}" for tool, found in sorted(dates.items())]
    return f"Measured with {'; '.join(said)}; the commands are in `costmodel/data/measured.csv`."


def _section(design: DesignPoint, parts: Sequence[Any]) -> str:
    element = design.element
    formats = (
        f"`{design.weight_format}` x `{design.activation_format}`, {design.accumulator} sum of {design.accumulator_bits} bits"
    )
    pace = f"{element.macs_per_cycle} MAC/cycle, latency {design.pe_latency}, interval {element.interval}"
    pictures = "\n".join(f"![{part.module_name}]({PICTURES}/{part.module_name}.svg)\n" for part in reversed(parts))
    return f"\n## {design.pe}\n\n{_equation(design.pe)}\nHere: {formats}; {pace}.\n\n{pictures}\n{_ports(parts[-1])}"


def _equation(pe: str) -> str:
    """What the model says of a PE kind: its first sentence, and its equations."""
    first, *others = inspect.cleandoc(PES[pe].__doc__ or "").split("\n\n")
    return f"{first}\n" + "".join(f"\n{block}\n" for block in others if block.startswith("    "))


def _ports(component: Any) -> str:
    lines = []
    for name, member in component.signature.members.items():
        shape = Shape.cast(member.shape)
        meaning = MEANINGS.get(name) or f"{name.removesuffix('_out')}, one cycle later, for the neighbour"
        lines.append([f"`{name}`", "in" if member.flow == In else "out", str(shape.width), meaning])
    return _table(["port", "direction", "bits", "meaning"], lines)


def _table(head: list[str], lines: Iterable[list[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *lines))
