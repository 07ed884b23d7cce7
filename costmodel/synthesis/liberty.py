"""A Liberty library of the open SkyWater 130 nm cells, written from ``data/sky130hd_cells.csv``.

Liberty is the text format in which synthesis tools read standard cells (Synopsys, Liberty Reference Manual). The
library holds the cells that Yosys maps to: gates with one output (``abc``) and flip-flops (``dfflibmap``). Latches,
adders with two outputs and tie cells stay in the CSV. Delays are left out: ``abc`` then maps for area, and it chose
the same cells when the straight lines of the CSV were given to it as timing tables.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CELLS_CSV = Path(__file__).parents[1] / "data" / "sky130hd_cells.csv"
PREFIX = "sky130_fd_sc_hd__"
_UNMAPPABLE = ("dlxtp_1",)  # a latch, whose enable the CSV does not give


@dataclass(frozen=True)
class FlipFlop:
    """What a flip-flop stores: functions of the input pins and of its state ``IQ``; an empty one is absent."""

    next_state: str
    clock: str
    clear: str = ""
    preset: str = ""


@dataclass(frozen=True)
class Cell:
    """A standard cell: area [um2], leakage [nW], capacitance [fF] of each input, function of its output.

    ``input_energy``, ``clock_energy`` and ``output_energy`` [fJ] are spent inside the cell at an edge of an input, of a
    flip-flop's clock and of the output; one is 0 where the CSV has none. From input, of a flip-flop from its clock, to output
    takes ``intrinsic_delay`` [ps] and ``drive`` [ps/fF] for the load; ``setup`` [ps] is that of a flip-flop's data.
    """

    name: str
    area: float
    leakage: float
    inputs: Mapping[str, float]
    output: str
    function: str
    flip_flop: FlipFlop | None
    input_energy: float
    clock_energy: float
    output_energy: float
    intrinsic_delay: float
    drive: float
    setup: float


def check_function(function: str, pins: frozenset[str]) -> None:
    """Raise ``ValueError`` unless ``function`` is built from ``pins`` with ``! & |`` and parentheses."""
    tokens = re.findall(r"\w+|\S", function)
    position = 0

    def take(expected: str) -> bool:
        nonlocal position
        found = position < len(tokens) and tokens[position] == expected
        position += found
        return found

    def operand() -> None:
        nonlocal position
        while take("!"):
            pass
        if take("("):
            expression()
            if not take(")"):
                raise ValueError(f"a closing parenthesis is missing in function {function!r}")
        elif position < len(tokens) and tokens[position] in pins:
            position += 1
        else:
            raise ValueError(f"operands of function {function!r} are the pins {', '.join(sorted(pins))}")

    def expression() -> None:
        operand()
        while take("&") or take("|"):
            operand()

    expression()
    if position < len(tokens):
        raise ValueError(f"function {function!r} goes on after its end with {tokens[position]!r}")


def _flip_flop(text: str, pins: frozenset[str]) -> FlipFlop:
    fields = dict(field.split("=", 1) for field in text.split())
    unknown = fields.keys() - {"next", "clk", "clear", "preset"}
    if unknown:
        raise ValueError(f"a flip-flop has next, clk, clear and preset, not {', '.join(sorted(unknown))}")
    flip_flop = FlipFlop(fields["next"], fields["clk"], fields.get("clear", ""), fields.get("preset", ""))
    check_function(flip_flop.next_state, pins | {"IQ"})
    for function in (flip_flop.clock, flip_flop.clear, flip_flop.preset):
        if function:
            check_function(function, pins)
    return flip_flop


def _rows() -> Iterator[dict[str, str]]:
    with CELLS_CSV.open(newline="") as file:
        yield from csv.DictReader(file)


@cache
def sky130_cells() -> tuple[Cell, ...]:
    """The cells that Yosys can map to. Raises ``ValueError`` for a row of the CSV that makes no sense."""
    cells = []
    for row in _rows():
        outputs, _, state = row["function"].partition(" | ff ")
        inputs = {pin: float(fF) for pin, fF in (pair.split(":") for pair in row["inputs"].split())}
        if ";" in outputs or not inputs or row["cell"] in _UNMAPPABLE:
            continue
        output, _, function = outputs.partition("=")
        flip_flop = _flip_flop(state.replace(") | (", ")|("), frozenset(inputs)) if state else None
        check_function(function, frozenset(["IQ"]) if flip_flop else frozenset(inputs))
        area, leakage = float(row["area_um2"]), float(row["leakage_nW"])
        energies = (float(row[f"internal_energy_per_{edge}_edge_fJ"] or 0) for edge in ("input", "clock", "output"))
        delays = (float(row[column] or 0) for column in ("intrinsic_delay_ps", "drive_ps_per_fF", "setup_ps"))
        cells.append(Cell(PREFIX + row["cell"], area, leakage, inputs, output, function, flip_flop, *energies, *delays))
    return tuple(cells)


def _cell(cell: Cell) -> list[str]:
    lines = [f'cell("{cell.name}") {{', f"  area : {cell.area};", f"  cell_leakage_power : {cell.leakage};"]
    if cell.flip_flop:
        state = cell.flip_flop
        lines += ['  ff("IQ", "IQ_N") {', f'    next_state : "{state.next_state}";', f'    clocked_on : "{state.clock}";']
        lines += [f'    clear : "{state.clear}";'] if state.clear else []
        lines += [f'    preset : "{state.preset}";'] if state.preset else []
        lines += ["  }"]
    for pin, capacitance in cell.inputs.items():
        clock = " clock : true;" if cell.flip_flop and pin == cell.flip_flop.clock else ""
        lines += [f'  pin("{pin}") {{ direction : input; capacitance : {capacitance};{clock} }}']
    lines += [f'  pin("{cell.output}") {{ direction : output; function : "{cell.function}"; }}']
    return [*lines, "}"]


def sky130_liberty() -> str:
    """The Liberty text: areas [um2], leakage [nW], pin capacitances [fF], functions and flip-flops."""
    header = [
        'time_unit : "1ps";',
        'voltage_unit : "1V";',
        'current_unit : "1uA";',
        'leakage_power_unit : "1nW";',
        "capacitive_load_unit(1, ff);",
        "nom_process : 1.0;",
        "nom_temperature : 25.0;",
        "nom_voltage : 1.8;",
    ]
    body = [line for cell in sky130_cells() for line in _cell(cell)]
    return "\n".join(['library("sky130_fd_sc_hd__tt_025C_1v80") {', *(f"  {line}" for line in (*header, *body)), "}", ""])
