"""What the cells of a processing element's netlist are for: decoder, multiplier, accumulator, registers or control.

A mapped cell has no name that tells. But ports and registers kept theirs, so it is told by what a gate's output depends on,
through registers too:

============== ==================================================================================
accumulator    the sum so far, or that of the row above
multiplier     both operands, with what brings a product to its place in the sum
decoder        one operand alone: codes taken apart, a weight held or delayed
control        neither: flags, counters, enables
registers      all flip-flops
dsp            DSP slices, which are several of these at once
============== ==================================================================================

A gate that a tool made of parts of two of them belongs to the one that comes first here, and a carry chain is one cell with
all that any of its bits depends on.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from costmodel.synthesis.targets import Flow, Module

PARTS = ("decoder", "multiplier", "accumulator", "registers", "control", "dsp")

SUMS = ("sum", "sum_above", "p")
"""Names of what an accumulator adds to: its register, the sum of the row above, the sum of a DSP slice."""


@dataclass(frozen=True)
class Part:
    """Cells of one part [count], and their size in the flow's unit of single cells."""

    cells: int
    size: float


def pe_parts(module: Module, flow: Flow) -> dict[str, Part]:
    """Cells by part of the netlist of a PE on a flow's target; parts without cells are left out."""
    kinds = part_of_cells(module, flow)
    sizes: defaultdict[str, list[float]] = defaultdict(list)
    for name, part in kinds.items():
        sizes[part].append(flow.size(module["cells"][name]["type"]))
    return {part: Part(len(sizes[part]), round(sum(sizes[part]), 4)) for part in PARTS if part in sizes}


def part_of_cells(module: Module, flow: Flow) -> dict[str, str]:
    """The part of :data:`PARTS` that each cell belongs to, by name of cell."""
    cells = module["cells"]
    outputs = {name: _pins(cell, flow.outputs(cell)) for name, cell in cells.items()}
    readers: defaultdict[Any, list[str]] = defaultdict(list)
    for name, cell in cells.items():
        for bit in _pins(cell, cell["connections"].keys() - flow.outputs(cell)):
            readers[bit].append(name)
    ports = {name: port["bits"] for name, port in module["ports"].items()}
    sums = [bit for name, net in module["netnames"].items() if name.rpartition(".")[2] in SUMS for bit in net["bits"]]
    of_sum = _reached(sums, readers, outputs)
    of_weight, of_activation = (_reached(ports[port], readers, outputs) for port in ("weight", "activation"))
    found = {}
    for name, cell in cells.items():
        if flow.is_dsp(cell["type"]):
            found[name] = "dsp"
        elif flow.is_register(cell["type"]):
            found[name] = "registers"
        elif name in of_sum:
            found[name] = "accumulator"
        elif name in of_weight or name in of_activation:
            found[name] = "multiplier" if name in of_weight and name in of_activation else "decoder"
        else:
            found[name] = "control"
    return found


def _pins(cell: Mapping[str, Any], pins: Iterable[str]) -> list[int]:
    return [bit for pin in pins for bit in cell["connections"].get(pin, ()) if isinstance(bit, int)]


def _reached(bits: Iterable[Any], readers: Mapping[Any, list[str]], outputs: Mapping[str, list[int]]) -> set[str]:
    """Names of the cells that depend on any of these nets."""
    reached: set[str] = set()
    waiting = deque(bits)
    while waiting:
        for name in readers.get(waiting.popleft(), ()):
            if name not in reached:
                reached.add(name)
                waiting += outputs[name]
    return reached
