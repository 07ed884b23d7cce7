"""A program on a machine, one instruction after the other."""

from collections.abc import Callable

from sim.errors import InputError
from sim.overlay.cells import Bytes
from sim.overlay.interpreter.machine import ACTIVATION, MEMORY, WEIGHT, Machine
from sim.overlay.interpreter.operations import Pass, operate
from sim.overlay.interpreter.order import Choice, in_order
from sim.overlay.interpreter.product import multiply
from sim.overlay.interpreter.tiles import Fields
from sim.overlay.isa.encoding import NAMES, Program
from sim.overlay.isa.instructions import BUFFERS, FIELDS

PLACES = {"weight": WEIGHT, "activation": ACTIVATION}
"""Of buffers, by the names of :data:`sim.overlay.isa.BUFFERS`."""


def execute(program: Program, machine: Machine, position: int, tokens: int = 1, choice: Choice = min) -> None:
    """Run a program whose new tokens are ``tokens`` from ``position`` on; ``choice`` is that of :func:`in_order`.

    Raises ``InputError`` for a malformed program: with no end, with a token that is missing, and, by then in part carried out,
    with addresses outside of what there is, or sizes that do not go together. The message names the instruction.
    """
    given = Pass(position, tokens)
    rows = program.numbers.tolist()
    for place in in_order(program, choice):
        opcode, _, _, *numbers = rows[place]
        name = NAMES[opcode]
        fields = dict(zip((field.name for field in FIELDS[name]), numbers, strict=False))
        try:
            UNIT[name](machine, fields, given)
        except InputError as error:
            raise InputError(f"instruction {place}, {name}: {error}") from None


def _load(machine: Machine, f: Fields, given: Pass) -> None:
    target = machine.runs(PLACES[BUFFERS[f["buffer"]]], f["address"], f["size"], (f["runs"],), (f["size"],))
    target[:] = _in_memory(machine, f, given)


def _store(machine: Machine, f: Fields, given: Pass) -> None:
    if f["runs"] > 1 and f["pitch"] < f["size"]:
        raise InputError(f"runs of {f['size']} bytes are stored as far apart at least, not {f['pitch']}")
    source = machine.runs(PLACES[BUFFERS[f["buffer"]]], f["address"], f["size"], (f["runs"],), (f["size"],))
    _in_memory(machine, f, given)[:] = source


def _in_memory(machine: Machine, f: Fields, given: Pass) -> Bytes:
    address = f["memory"] + f["indexed"] * given.position
    return machine.runs(MEMORY, address, f["size"], (f["runs"],), (f["pitch"],))


def _multiply(machine: Machine, f: Fields, given: Pass) -> None:
    del given
    multiply(machine, f)


def _system(machine: Machine, f: Fields, given: Pass) -> None:
    """Order is all there is to it."""


UNIT: dict[str, Callable[[Machine, Fields, Pass], None]] = {
    "SYS": _system,
    "LD": _load,
    "ST": _store,
    "MM": _multiply,
    "MV": _multiply,
    "MISC": operate,
}
"""What carries out an instruction, by opcode."""
