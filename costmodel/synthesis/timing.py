"""Static timing of a netlist of sky130 cells: when each net has its value after a clock edge, and the slowest way there.

    arrival at a cell's output = latest arrival at its inputs + intrinsic + drive * load
    load = capacitance of the pins that read the net + wire
    period >= arrival at a register's data + its setup time

Delays are the straight lines of ``data/sky130hd_cells.csv``: one for all inputs of a cell, rise and fall in the mean, at an
input slew of 53 ps whatever the cell before makes of it. Wires have the length and capacitance of
:mod:`costmodel.synthesis.wires`, no resistance. Registers launch with their delay from clock to output. Outside of the module,
every input comes from a register and every output goes into one, of the kind :data:`OUTSIDE`: so it is between the PEs of an
array. A net that many cells read is driven through a tree of buffers where that is faster, as a tool for placement would have
it; nobody counts their area. There is no skew and no margin.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from costmodel.synthesis.liberty import PREFIX, Cell, sky130_cells
from costmodel.synthesis.wires import NET_UM, SIGNAL_FF_PER_UM

OUTSIDE = f"{PREFIX}dfxtp_1"
"""The smallest flip-flop of the table."""

BUFFER = f"{PREFIX}buf_4"
"""What trees are made of: the table's buffer that drives most."""

BUFFER_LOADS = (10.0, 20.0, 40.0, 80.0)
"""[fF] Loads of one buffer that are tried; the best is a few times the capacitance of its input."""

Bit = int | str


@dataclass(frozen=True)
class Step:
    """A cell on a path, its type, and the arrival at its output [ps]; a port has no type."""

    name: str
    kind: str
    arrival: float


@dataclass(frozen=True)
class Timing:
    """The shortest period [ps], and the path that sets it, from a register or a port to the last gate before the next one."""

    delay_ps: float
    path: tuple[Step, ...]


@dataclass(frozen=True)
class _Gate:
    name: str
    cell: Cell
    output: Bit
    inputs: Mapping[str, Bit]

    @property
    def data(self) -> tuple[Bit, ...]:
        """Nets at the pins that a flip-flop's next state depends on."""
        state = self.cell.flip_flop
        assert state
        apart = {state.clock, state.clear.removeprefix("!"), state.preset.removeprefix("!")}
        return tuple(bit for pin, bit in self.inputs.items() if pin not in apart)


def delay_ps(module: Mapping[str, Any]) -> float:
    """The shortest period of a module [ps], see :func:`timing`."""
    return timing(module).delay_ps


def timing(module: Mapping[str, Any]) -> Timing:
    """Timing of a flat netlist of ``sky130`` (:func:`costmodel.synthesis.run.synthesise`).

    Raises ``ValueError`` for a loop of gates without a register.
    """
    cells = {cell.name: cell for cell in sky130_cells()}
    gates = [_gate(name, cells[found["type"]], found) for name, found in module["cells"].items()]
    outputs = [bit for port in module["ports"].values() if port["direction"] == "output" for bit in port["bits"]]
    wire, load = _loads(gates, outputs, cells[OUTSIDE])
    spread = Spread(cells[BUFFER], wire)
    combinational = [gate for gate in gates if not gate.cell.flip_flop]
    registers = [gate for gate in gates if gate.cell.flip_flop]

    driver = {gate.output: gate for gate in gates}
    steps: dict[Bit, Step] = {}
    came_from: dict[Bit, Bit] = {}
    for gate in registers:
        steps[gate.output] = Step(gate.name, gate.cell.name, spread.delay(gate.cell, load[gate.output]))
    names = _port_names(module)
    for bit in {bit for gate in gates for bit in gate.inputs.values()} | set(outputs):
        if bit not in driver and isinstance(bit, int):
            steps[bit] = Step(names.get(bit, "black box"), "", spread.delay(cells[OUTSIDE], load[bit]))
    for gate in _in_order(combinational):
        before = [bit for bit in gate.inputs.values() if bit in steps]
        slowest = max(before, key=lambda bit: steps[bit].arrival, default=None)
        start = steps[slowest].arrival if slowest is not None else 0.0
        steps[gate.output] = Step(gate.name, gate.cell.name, start + spread.delay(gate.cell, load[gate.output]))
        if slowest is not None:
            came_from[gate.output] = slowest

    ends = [(steps[bit].arrival + gate.cell.setup, bit) for gate in registers for bit in gate.data if bit in steps]
    ends += [(steps[bit].arrival + cells[OUTSIDE].setup, bit) for bit in outputs if bit in steps]
    if not ends:
        return Timing(0.0, ())
    period, last = max(ends, key=lambda end: end[0])
    path = [last]
    while path[-1] in came_from:
        path.append(came_from[path[-1]])
    return Timing(period, tuple(steps[bit] for bit in reversed(path)))


def _gate(name: str, cell: Cell, found: Mapping[str, Any]) -> _Gate:
    return _Gate(name, cell, found["connections"][cell.output][0], {pin: found["connections"][pin][0] for pin in cell.inputs})


@dataclass(frozen=True)
class Spread:
    """Delays of nets through trees of a buffer, with so much wire in front of each [fF]."""

    buffer: Cell
    wire: float

    def delay(self, cell: Cell, load: float) -> float:
        """From a cell's input to all that read its output [ps]."""
        return cell.intrinsic_delay + self._net(cell.drive, load)

    def _net(self, drive: float, load: float) -> float:
        """Of a net: what the load adds, or a level of buffers that share it and the net in front of them."""
        (pin,) = self.buffer.inputs.values()
        fastest = drive * load
        for share in BUFFER_LOADS:
            count = math.ceil(load / share)
            before = count * (pin + self.wire)
            if count > 1 and before < load:
                behind = self.buffer.intrinsic_delay + self.buffer.drive * load / count
                fastest = min(fastest, self._net(drive, before) + behind)
        return fastest


def _loads(gates: list[_Gate], outputs: list[Bit], outside: Cell) -> tuple[float, defaultdict[Bit, float]]:
    """Capacitance of the wire to one pin, and of each net [fF]: its pins and their wires.

    All wires are as long as makes the mean net, of which the clock's is none, as long as it should be.
    """
    pins: defaultdict[Bit, list[float]] = defaultdict(list)
    for gate in gates:
        clock = gate.cell.flip_flop.clock if gate.cell.flip_flop else ""
        for pin, bit in gate.inputs.items():
            if pin != clock and isinstance(bit, int):
                pins[bit].append(gate.cell.inputs[pin])
    for bit in filter(lambda bit: isinstance(bit, int), outputs):
        pins[bit].append(outside.inputs["D"])
    wire = NET_UM * SIGNAL_FF_PER_UM * len(pins) / max(1, sum(map(len, pins.values())))
    return wire, defaultdict(float, {bit: sum(found) + len(found) * wire for bit, found in pins.items()})


def _port_names(module: Mapping[str, Any]) -> dict[Bit, str]:
    return {bit: f"{name}[{i}]" for name, port in module["ports"].items() for i, bit in enumerate(port["bits"])}


def _in_order(gates: list[_Gate]) -> list[_Gate]:
    """Each gate after those that drive its inputs."""
    drivers = {gate.output for gate in gates}
    readers: defaultdict[Bit, list[_Gate]] = defaultdict(list)
    missing = {}
    for gate in gates:
        awaited = {bit for bit in gate.inputs.values() if bit in drivers}
        missing[gate.name] = len(awaited)
        for bit in awaited:
            readers[bit].append(gate)
    ready = [gate for gate in gates if not missing[gate.name]]
    for gate in ready:
        for reader in readers[gate.output]:
            missing[reader.name] -= 1
            if not missing[reader.name]:
                ready.append(reader)
    if len(ready) < len(gates):
        raise ValueError(f"{len(gates) - len(ready)} gates of a netlist are in loops without a register")
    return ready
