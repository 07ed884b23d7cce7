"""A netlist of sky130 cells as a circuit: what drives which net, what an edge of a net costs, and Verilog of its functions.

An edge of a net costs ``E_out + 1/2 C V**2`` in the cell that drives it, ``C`` being the pins of the cells that read it and
the wire between them, and ``E_in`` in each of those. ``E_out`` and ``E_in`` are the internal energies of the cell at an edge
(``data/README.md``). Nets of the module's inputs are driven by the registers of a neighbour, which has the same ``E_out``
for its own outputs: here they cost the rest.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.synthesis.liberty import Cell, sky130_cells
from costmodel.synthesis.parts import part_of_cells
from costmodel.synthesis.targets import flow_of
from costmodel.synthesis.wires import CLOCK_FF_PER_UM, NET_UM, SIGNAL_FF_PER_UM

VOLTAGE = 1.8
"""[V] Of the corner that the cells' facts are of."""

HALF_V2 = VOLTAGE**2 / 2
"""[fJ/fF] Of an edge."""

PARTS = ("multiplier", "accumulator", "registers")
"""Whose energy an edge is, apart from the clock: parts of :mod:`costmodel.synthesis.parts`, decoders with multipliers and
control with registers."""

PART = {"decoder": "multiplier", "control": "registers"}

CONSTANTS = {"0": "1'b0", "1": "1'b1", "x": "1'b0"}

Bit = int | str


@dataclass(frozen=True)
class Gate:
    """A cell of the netlist: its part, the net that it drives and those at its pins; numbers of nets, or constants."""

    cell: Cell
    part: str
    output: int
    pins: Mapping[str, Bit]


@dataclass(frozen=True)
class Gates:
    """A flat netlist: ports by name with their nets, gates, and the clock's net."""

    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[Bit, ...]]
    gates: tuple[Gate, ...]
    clock: int

    @classmethod
    def of(cls, module: Mapping[str, Any]) -> "Gates":
        """The netlist of a PE's module on ``sky130`` (:func:`costmodel.synthesis.run.synthesise`), whose clock is the port
        ``clk``.

        Raises ``ValueError`` for a flip-flop with another clock: its nets would not be in step with cycles.
        """
        cells = {cell.name: cell for cell in sky130_cells()}
        parts = part_of_cells(module, flow_of("sky130"))
        gates = []
        for name, found in module["cells"].items():
            cell = cells[found["type"]]
            pins = {pin: found["connections"][pin][0] for pin in cell.inputs}
            gates.append(Gate(cell, PART.get(parts[name], parts[name]), found["connections"][cell.output][0], pins))
        ports = module["ports"].items()
        inputs = {name: tuple(port["bits"]) for name, port in ports if port["direction"] == "input"}
        outputs = {name: tuple(port["bits"]) for name, port in ports if port["direction"] == "output"}
        (clock,) = inputs["clk"]
        clocks = {gate.pins[gate.cell.flip_flop.clock] for gate in gates if gate.cell.flip_flop}
        if not clocks <= {clock}:
            raise ValueError(f"flip-flops of a netlist have the clock of its port clk, not nets {sorted(map(str, clocks))}")
        return cls(inputs, outputs, tuple(gates), clock)

    @cached_property
    def nets(self) -> tuple[int, ...]:
        """Nets that have edges, the clock apart: of inputs, then of gates."""
        inputs = dict.fromkeys(bit for bits in self.inputs.values() for bit in bits if bit != self.clock)
        return *inputs, *(gate.output for gate in self.gates)

    @cached_property
    def flip_flops(self) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if gate.cell.flip_flop)

    @cached_property
    def leakage(self) -> float:
        """Of all cells [nW]."""
        return sum(gate.cell.leakage for gate in self.gates)

    @cached_property
    def sinks(self) -> Mapping[Bit, tuple[tuple[Gate, str], ...]]:
        """Gates and their pins by the net that they read."""
        found: defaultdict[Bit, list[tuple[Gate, str]]] = defaultdict(list)
        for gate in self.gates:
            for pin, bit in gate.pins.items():
                found[bit].append((gate, pin))
        return {bit: tuple(pins) for bit, pins in found.items()}

    @cached_property
    def sink_um(self) -> float:
        """Length of wire for each sink [um], so that all nets that have any are ``NET_UM`` long in the mean."""
        read = [net for net in self.nets if net in self.sinks]
        return NET_UM * len(read) / sum(len(self.sinks[net]) for net in read) if read else 0.0

    def load(self, net: int) -> float:
        """Capacitance of the net's pins and its wire [fF]."""
        sinks = self.sinks.get(net, ())
        ff_per_um = CLOCK_FF_PER_UM if net == self.clock else SIGNAL_FF_PER_UM
        return sum(gate.cell.inputs[pin] for gate, pin in sinks) + len(sinks) * self.sink_um * ff_per_um

    @cached_property
    def edge_energy(self) -> NDArray[np.float64]:
        """Energy of an edge ``[net, part]`` [fJ], nets as in :attr:`nets`."""
        drivers = {gate.output: gate for gate in self.gates}
        energy = np.zeros((len(self.nets), len(PARTS)))
        for row, net in zip(energy, self.nets, strict=True):
            driver = drivers.get(net)
            part = driver.part if driver else "registers"
            row[PARTS.index(part)] += HALF_V2 * self.load(net) + (driver.cell.output_energy if driver else 0)
            for gate, _ in self.sinks.get(net, ()):
                row[PARTS.index(gate.part)] += gate.cell.input_energy
        return energy

    @cached_property
    def clock_energy(self) -> float:
        """Energy of the clock's two edges in a cycle, in flip-flops and its own wire [fJ]; there is no tree of buffers."""
        return 2 * (sum(gate.cell.clock_energy for gate in self.flip_flops) + HALF_V2 * self.load(self.clock))

    def verilog(self, module: str, record: str) -> str:
        """A module of the same ports and functions, which records the values of all :attr:`nets` at each rising edge.

        The file ``record`` gets the values of a cycle in words of 32 bits, the first net in the lowest bit of the first one.
        Nets have names of their own: as one vector they would seem to depend on themselves.
        """
        directions = ((self.inputs, "input"), (self.outputs, "output"))
        ports = [f"{way} [{len(bits) - 1}:0] {name}" for of, way in directions for name, bits in of.items()]
        lines = [f"module {module}({', '.join(ports)});"]
        lines += [f"  wire {_net(bit)} = {name}[{i}];" for name, bits in self.inputs.items() for i, bit in enumerate(bits)]
        lines += [line for gate in self.gates for line in _function(gate)]
        lines += [f"  assign {name} = {{{', '.join(map(_net, reversed(bits)))}}};" for name, bits in self.outputs.items()]
        padding = -len(self.nets) % 32
        nets = ", ".join(([f"{padding}'d0"] if padding else []) + [_net(net) for net in reversed(self.nets)])
        lines += [
            f'  integer file;\n  initial file = $fopen("{record}", "wb");',
            f"  wire [{len(self.nets) + padding - 1}:0] nets;",
        ]
        lines += [f"  assign nets = {{{nets}}};", f'  always @(posedge {_net(self.clock)}) $fwrite(file, "%u", nets);']
        return "\n".join([*lines, "  final $fclose(file);", "endmodule", ""])


def _net(bit: Bit) -> str:
    return CONSTANTS[bit] if isinstance(bit, str) else f"n{bit}"


def _function(gate: Gate) -> list[str]:
    """Verilog of a gate, of a flip-flop as a register of the net's own name."""
    names = {pin: _net(bit) for pin, bit in gate.pins.items()} | {"IQ": _net(gate.output)}

    def text(function: str) -> str:
        return re.sub(r"\w+", lambda pin: names[pin[0]], function)

    output, state = _net(gate.output), gate.cell.flip_flop
    if state is None:
        return [f"  wire {output} = {text(gate.cell.function)};"]
    events, value = [f"posedge {text(state.clock)}"], text(state.next_state)
    for control, loaded in ((state.preset, "1'b1"), (state.clear, "1'b0")):
        if control:
            level = "negedge" if control.startswith("!") else "posedge"
            events.append(f"{level} {text(control.removeprefix('!'))}")
            value = f"{text(control)} ? {loaded} : {value}"
    return [f"  reg {output};", f"  always @({' or '.join(events)}) {output} <= {value};"]
