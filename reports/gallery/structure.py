"""What components consist of, read from their Verilog: registers, operations on words, and what goes from one to another.

Yosys reads the Verilog. Clock and reset are left out, slices and concatenations are wires: what counts is which bits of one
operation another one takes. What belongs together is one block: signals that are numbered, as ``row_0`` to ``row_3``;
operations without a name that have the same neighbours; gates that only one gate takes; a negation and what takes it.
"""

import json
import re
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdl.export import module_texts
from hdl.tools.yosys import find_yosys

SCRIPT = """\
read_verilog design.v; proc
delete -input */w:rst; setundef -undriven -zero
opt_expr; opt_clean; opt_dff -nosdff; opt_expr; opt_clean
write_json netlist.json
"""
"""Nothing is ever reset, so what is a register's own reset is gone, and what else clears one is seen."""

MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
KINDS: dict[str, dict[str, str]] = {
    "add": {"$add": "+", "$sub": MINUS, "$neg": MINUS},
    "multiply": {"$mul": TIMES},
    "shift": {"$shl": "<<", "$sshl": "<<", "$shr": ">>", "$sshr": ">>", "$shift": ">>", "$shiftx": ">>"},
    "mux": {"$mux": "mux", "$pmux": "mux"},
    "table": {"$memrd_v2": "table"},
    "register": dict.fromkeys(("$dff", "$dffe"), "register"),
    "logic": {
        **dict.fromkeys(("$and", "$logic_and", "$reduce_and"), "&"),
        **dict.fromkeys(("$or", "$logic_or", "$reduce_or", "$reduce_bool"), "|"),
        **dict.fromkeys(("$not", "$logic_not"), "~"),
        **dict.fromkeys(("$xor", "$xnor", "$reduce_xor"), "^"),
        "$eq": "=",
        "$ne": "\N{NOT EQUAL TO}",
        "$lt": "<",
        "$le": "\N{LESS-THAN OR EQUAL TO}",
        "$gt": ">",
        "$ge": "\N{GREATER-THAN OR EQUAL TO}",
    },
}
"""Kind of block to Yosys's cells of that kind, and how they are written."""

UNSEEN = {"CLK", "SRST", "ARST", "clk", "rst"}
CONTROL = {"S", "EN"}
"""Inputs of cells that choose or enable."""

WHOLE = ("input", "output", "register", "module")
"""Kinds that are no part of a larger block."""

NUMBERED = re.compile(r"(\w+)_(\d+)")


@dataclass(frozen=True)
class Block:
    """A port, or ``count`` operations or registers of one kind; ``bits`` are those of one of them."""

    kind: str
    symbol: str
    name: str
    bits: int
    count: int = 1


@dataclass(frozen=True)
class Wire:
    """So many bits from one block to another; ``control`` if they choose or enable there."""

    source: int
    sink: int
    bits: int
    control: bool


@dataclass(frozen=True)
class Structure:
    """Blocks, and the wires between them by the blocks' indices."""

    blocks: tuple[Block, ...]
    wires: tuple[Wire, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of the netlist, or a port: what bits it drives, and what it takes by the names of its inputs.

    ``net`` is the signal that it drives, if that has a name.
    """

    kind: str
    symbol: str
    net: str
    outputs: tuple[int, ...]
    inputs: Mapping[str, tuple[int, ...]]

    @property
    def name(self) -> str:
        """As it was given: Amaranth tells signals of one name, and of none, apart by a number."""
        return self.net.partition("$")[0].strip("\\")


Cells = Mapping[str, Cell]


def structures(components: Iterable[Any]) -> dict[str, Structure]:
    """The structure of each component, by the name of its module."""
    folder = Path(tempfile.mkdtemp(prefix="shiftwise-gallery-"))
    find_yosys().run(
        "script structure.ys", {"structure.ys": SCRIPT, "design.v": "".join(module_texts(components).values())}, folder
    )
    modules = json.loads((folder / "netlist.json").read_text())["modules"]
    shutil.rmtree(folder)
    return {name: _structure({**_ports(module), **_cells(module)}) for name, module in modules.items()}


def _ports(module: Mapping[str, Any]) -> dict[str, Cell]:
    found = {}
    for name, port in module["ports"].items():
        bits = tuple(bit for bit in port["bits"] if isinstance(bit, int))
        if name not in UNSEEN:
            driven, taken = (bits, {}) if port["direction"] == "input" else ((), {"": bits})
            found[f"{port['direction']} {name}"] = Cell(port["direction"], "", name, driven, taken)
    return found


def _cells(module: Mapping[str, Any]) -> dict[str, Cell]:
    names: dict[int, list[str]] = defaultdict(list)
    for name, net in module["netnames"].items():
        if not net["hide_name"]:
            for bit in net["bits"]:
                names[bit].append(name)
    found = {}
    for label, cell in module["cells"].items():
        directions = cell["port_directions"]
        pins = {
            pin: tuple(b for b in bits if isinstance(b, int)) for pin, bits in cell["connections"].items() if pin not in UNSEEN
        }
        outputs = tuple(bit for pin, bits in pins.items() if directions[pin] == "output" for bit in bits)
        if outputs:  # else it is the contents of a table
            kind = next((kind for kind, symbols in KINDS.items() if cell["type"] in symbols), "module")
            symbol = KINDS[kind][cell["type"]] if kind in KINDS else cell["type"]
            known = Counter(name for bit in outputs for name in names[bit])
            named = [name for name in known if name.partition("$")[0].strip("\\")]
            net = min(named, key=lambda name: (-known[name], name), default="")
            inputs = {pin: bits for pin, bits in pins.items() if directions[pin] == "input"}
            found[label] = Cell("logic" if kind == "mux" and len(outputs) == 1 else kind, symbol, net, outputs, inputs)
    return found


def _structure(cells: Cells) -> Structure:
    driver = {bit: label for label, cell in cells.items() for bit in cell.outputs}
    sources = {
        label: {driver[bit] for bits in cell.inputs.values() for bit in bits if bit in driver} for label, cell in cells.items()
    }
    root = _absorbed(cells, sources)
    group = _groups(cells, root, {(root[source], root[label]) for label in cells for source in sources[label]})
    members: dict[Hashable, list[str]] = defaultdict(list)
    for label in cells:
        members[group[root[label]]].append(label)
    index = {key: place for place, key in enumerate(members)}
    place = {label: index[group[root[label]]] for label in cells}
    taken: dict[tuple[int, int], dict[int, bool]] = defaultdict(dict)
    for label, cell in cells.items():
        for pin, bits in cell.inputs.items():
            for bit in driver.keys() & bits:
                at = taken[place[driver[bit]], place[label]]
                at[bit] = at.get(bit, True) and pin in CONTROL and cell.kind in ("mux", "register")
    wires = (Wire(*ends, len(bits), all(bits.values())) for ends, bits in taken.items() if ends[0] != ends[1])
    return Structure(tuple(_block(cells, root, labels) for labels in members.values()), tuple(wires))


def _absorbed(cells: Cells, sources: Mapping[str, set[str]]) -> dict[str, str]:
    """For each cell the one whose block it is in: its own, or that of the only one that takes a nameless gate or negation."""
    sinks: dict[str, set[str]] = defaultdict(set)
    for label, found in sources.items():
        for source in found:
            sinks[source].add(label)
    root = {label: label for label in cells}

    def within(label: str) -> str:
        return label if root[label] == label else within(root[label])

    for label, cell in cells.items():
        takers = {within(sink) for sink in sinks[label]} - {label}
        if len(takers) == 1 and not cell.name and cell.kind not in WHOLE:
            (taker,) = takers
            if cells[taker].kind not in WHOLE:
                root[label] = taker
    return {label: within(label) for label in cells}


def _groups(cells: Cells, root: Mapping[str, str], wires: set[tuple[str, str]]) -> dict[str, Hashable]:
    """What is drawn as one: equal names but for the number at the end; without a name, equal neighbours."""
    roots = sorted(set(root.values()))
    group: dict[str, Hashable] = {}
    for label in roots:
        cell = cells[label]
        numbered = NUMBERED.fullmatch(cell.name) if cell.kind not in ("input", "output") else None
        group[label] = (cell.kind, f"{numbered[1]}_" if numbered else cell.name, "" if cell.name else cell.symbol)
    nameless = [label for label in roots if not cells[label].name]
    for _ in nameless:  # as many times as a difference may have to travel
        around: dict[str, set[Hashable]] = defaultdict(set)
        for source, sink in wires:
            around[sink].add(("from", group[source]))
            around[source].add(("to", group[sink]))
        finer = {label: (cells[label].symbol, frozenset(around[label])) for label in nameless}
        classes = {key: index for index, key in enumerate(dict.fromkeys(finer.values()))}
        refined = {label: ("nameless", classes[finer[label]]) for label in nameless}
        if len(classes) == len({group[label] for label in nameless}):
            break
        group |= refined
    return group


def _block(cells: Cells, root: Mapping[str, str], labels: Sequence[str]) -> Block:
    roots = [label for label in labels if root[label] == label]
    first = cells[roots[0]]
    # Pieces of a signal are one; what has no name is one for each cell.
    bits: dict[str, int] = defaultdict(int)
    for label in roots:
        cell = cells[label]
        bits[cell.net or label] += len(cell.outputs or cell.inputs[""])
    names = sorted({cells[label].name for label in roots}, key=_by_number)
    name = names[0] if len(names) == 1 else f"{names[0]} \N{HORIZONTAL ELLIPSIS} {names[-1].rpartition('_')[2]}"
    symbols = dict.fromkeys(cells[label].symbol for label in [*roots, *labels])
    return Block(first.kind, " ".join(symbols), name, max(bits.values()), len(bits))


def _by_number(name: str) -> tuple[str, int]:
    numbered = NUMBERED.fullmatch(name)
    return (numbered[1], int(numbered[2])) if numbered else (name, 0)
