"""Standard cells of a Liberty file that the user names.

The file is data: it is read here, group by group, and handed to Yosys under a name of its own. What synthesis needs of it
is checked before: areas, a flip-flop, and what ABC cannot do without, an inverter, a buffer and a gate of two inputs
(Synopsys, Liberty Reference Manual).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from costmodel.synthesis.liberty import sky130_cells, sky130_liberty
from sim.errors import InputError

SUFFIX = ".lib"

TOKEN = re.compile(
    r"""(?P<skip>/\*.*?\*/|//[^\n]*|\\\r?\n|[ \t\r\f]+)|(?P<line>\n)|"(?P<string>(?:[^"\\]|\\.)*)"|"""
    r"""(?P<word>[^\s"(){}:;,]+)|(?P<sign>[(){}:;,])""",
    re.DOTALL,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$.-]*")
"""Names of cells that every tool takes as they are."""

POWERS = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


@dataclass(frozen=True)
class Library:
    """Standard cells: the Liberty text, and by name of cell area [um2], leakage [nW] and output pins; the flip-flops."""

    text: str
    areas: Mapping[str, float]
    leakages: Mapping[str, float]
    outputs: Mapping[str, frozenset[str]]
    flip_flops: frozenset[str]


@dataclass
class Group:
    """``kind(arguments) { ... }``: simple attributes by name, and groups in order."""

    kind: str
    arguments: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def of(self, kind: str) -> Iterator["Group"]:
        """The groups of a kind."""
        return (group for group in self.groups if group.kind == kind)


def sky130_library() -> Library:
    """The cells of :mod:`costmodel.synthesis.liberty`."""
    cells = sky130_cells()
    return Library(
        sky130_liberty(),
        areas={cell.name: cell.area for cell in cells},
        leakages={cell.name: cell.leakage for cell in cells},
        outputs={cell.name: frozenset([cell.output]) for cell in cells},
        flip_flops=frozenset(cell.name for cell in cells if cell.flip_flop),
    )


def read_library(path: Path) -> Library:
    """The standard cells of a file. Raises ``InputError`` for one that cannot be read or used, and says why."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"Liberty file {str(path)!r} cannot be read: {reason}") from None
    try:
        return _library(text)
    except ValueError as error:
        raise InputError(f"Liberty file {str(path)!r} cannot be used: {error}") from None


@lru_cache(maxsize=2)
def _library(text: str) -> Library:
    library = parse(text)
    cells = {cell.arguments[0]: cell for cell in library.of("cell") if cell.arguments}
    for name in cells:
        if not NAME.fullmatch(name):
            raise ValueError(f"a cell's name consists of letters, digits and _ $ . -, not {name!r}")
    flip_flops = frozenset(name for name, cell in cells.items() if any(cell.of("ff")))
    if not flip_flops:
        raise ValueError("it has no flip-flop, a cell with a group ff")
    gates = [gate for cell in cells.values() if (gate := _gate(cell))]
    for inverts, what in ((True, "inverter"), (False, "buffer")):
        if (1, inverts) not in gates:
            raise ValueError(f"it has no {what}")
    if not any(pins == 2 for pins, _ in gates):
        raise ValueError("it has no gate of two inputs such as a NAND")
    nanowatt = _power_unit(library) / 1e-9
    return Library(
        text,
        areas={name: _area(cell) for name, cell in cells.items()},
        leakages={name: _number(cell, "cell_leakage_power") * nanowatt for name, cell in cells.items()},
        outputs={name: _pins(cell, "output") for name, cell in cells.items()},
        flip_flops=flip_flops,
    )


def _pins(cell: Group, direction: str) -> frozenset[str]:
    """Names of the pins of this direction."""
    return frozenset(name for pin in cell.of("pin") if pin.attributes.get("direction") == direction for name in pin.arguments)


def _gate(cell: Group) -> tuple[int, bool] | None:
    """Inputs of a gate whose function has each of them once, and whether it inverts any; ``None`` of another cell."""
    functions = [pin.attributes["function"] for pin in cell.of("pin") if "function" in pin.attributes]
    if len(functions) != 1 or any(cell.of("ff")) or any(cell.of("latch")):
        return None
    inputs = _pins(cell, "input")
    operands = re.findall(r"[A-Za-z_]\w*", functions[0])
    if sorted(operands) != sorted(inputs) or "^" in functions[0]:
        return None
    return len(inputs), "!" in functions[0] or "'" in functions[0]


def _area(cell: Group) -> float:
    """That of a cell; one that computes something has one."""
    if "area" not in cell.attributes and any("function" in pin.attributes for pin in cell.of("pin")):
        raise ValueError(f"cell {cell.arguments[0]} has a function and no area")
    return _number(cell, "area")


def _number(group: Group, name: str) -> float:
    """An attribute, 0 if it is not there; one that is no number is refused."""
    text = group.attributes.get(name, "0")
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError(f"{name} of cell {group.arguments[0]} is a number of 0 or more, not {text!r}")
    return number


def _power_unit(library: Group) -> float:
    """The unit of leakage [W]; 1 nW where the file has none, as most have."""
    text = library.attributes.get("leakage_power_unit", "1nW")
    unit = re.fullmatch(r"(\d+(?:\.\d+)?)([fpnum]?)W", text)
    if not unit:
        raise ValueError(f"leakage_power_unit is one such as 1nW, not {text!r}")
    return float(unit[1]) * POWERS[unit[2]]


def parse(text: str) -> Group:
    """The group ``library``. Raises ``ValueError`` that names the line for what is no Liberty."""
    tokens = list(_tokens(text))
    file = Group("", ())
    open_groups, position = [file], 0
    while position < len(tokens):
        kind, sign, line = tokens[position]
        if kind == "line" or (kind, sign) == ("sign", ";"):
            position += 1
        elif (kind, sign) == ("sign", "}"):
            if len(open_groups) == 1:
                raise ValueError(f"line {line} closes a group that was not opened")
            open_groups.pop()
            position += 1
        elif kind == "word":
            position = _statement(tokens, position, open_groups)
        else:
            raise ValueError(f"line {line} begins a statement with {sign!r}")
    if len(open_groups) > 1:
        raise ValueError(f"it ends within group {open_groups[-1].kind}")
    libraries = list(file.of("library"))
    if len(libraries) != 1 or len(file.groups) != 1:
        raise ValueError("it is one group library, and it is not there")
    return libraries[0]


Token = tuple[str, str, int]


def _tokens(text: str) -> Iterator[Token]:
    """Kind, text and line of every token, ends of lines included."""
    position, line = 0, 1
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            raise ValueError(f"line {line} has a text that does not end")
        kind = match.lastgroup
        assert kind
        if kind != "skip":
            yield kind, match[kind], line
        line += match[0].count("\n")
        position = match.end()


def _statement(tokens: list[Token], position: int, open_groups: list[Group]) -> int:
    """Take in ``name : value ;``, ``name(values);`` or the beginning of a group; returns where the next one begins."""
    _, name, line = tokens[position]
    sign = tokens[position + 1][:2] if position + 1 < len(tokens) else ("", "")
    position += 2
    words: list[str] = []
    if sign == ("sign", ":"):
        while position < len(tokens) and tokens[position][0] != "line" and tokens[position][1] not in (";", "}"):
            words.append(tokens[position][1])
            position += 1
        open_groups[-1].attributes[name] = " ".join(words)
        return position
    if sign != ("sign", "("):
        raise ValueError(f"line {line} has neither ':' nor '(' after {name!r}")
    while position < len(tokens) and tokens[position][:2] != ("sign", ")"):
        kind, word, _ = tokens[position]
        if kind == "sign" and word != ",":
            raise ValueError(f"line {line} has {word!r} among the values of {name!r}")
        words += [word] if kind in ("word", "string") else []
        position += 1
    if position == len(tokens):
        raise ValueError(f"line {line} has no ')' after {name!r}")
    position += 1
    after = position
    while after < len(tokens) and tokens[after][0] == "line":
        after += 1
    if after < len(tokens) and tokens[after][:2] == ("sign", "{"):
        group = Group(name, tuple(words))
        open_groups[-1].groups.append(group)
        open_groups.append(group)
        return after + 1
    return position
