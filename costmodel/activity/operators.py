"""Energy of an adder or a multiplier alone: toggles of its sky130 netlist under uniform random operands.

    E = sum over nets of toggles x edge energy, per operation

with the energies of :class:`costmodel.activity.gates.Gates`: cells, the nets between them, and the load that the operands'
pins are to the registers before. Registers, their clock, leakage, and the load of what reads the result are not in it. In the
same run the results are compared with numpy's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from costmodel.activity.gates import Gates
from costmodel.activity.glitches import glitch_factors
from costmodel.activity.measure import piece_energies, values_of
from hdl.bench.vectors import Vectors

SYMBOLS = {"add": "+", "multiply": "*"}

OPERATIONS = 4096
"""Operations of a stream."""

WITH_GLITCHES = 256
"""So many of them are simulated with gates that take time."""


@dataclass(frozen=True)
class Operator:
    """A sum of two unsigned numbers of up to 32 bits, as wide as they are, or their product, twice as wide."""

    operation: str
    bits: int

    module_name = "operator"

    @property
    def result_bits(self) -> int:
        return self.bits * (2 if self.operation == "multiply" else 1)

    @property
    def verilog(self) -> str:
        """Without a register; clock and reset are there for the test bench, operands are called as a PE's."""
        operands = ", ".join(f"input [{self.bits - 1}:0] {name}" for name in ("activation", "weight"))
        ports = f"input clk, input rst, {operands}, output [{self.result_bits - 1}:0] result"
        return f"module operator({ports}); assign result = activation {SYMBOLS[self.operation]} weight; endmodule\n"

    def vectors(self, seed: int = 0) -> Vectors:
        """Uniform operands, new ones in each cycle, and results."""
        a, w = np.random.default_rng(seed).integers(1 << self.bits, size=(2, OPERATIONS), dtype=np.uint64)
        result = a * w if self.operation == "multiply" else a + w
        return Vectors({"activation": a, "weight": w}, {"result": result & np.uint64((1 << self.result_bits) - 1)})


class Ports(wiring.Component):  # type: ignore[misc]
    """Those of an operator beside clock and reset."""

    def __init__(self, operator: Operator) -> None:
        self.module_name = operator.module_name
        operand = In(operator.bits)
        super().__init__({"activation": operand, "weight": operand, "result": Out(operator.result_bits)})


@dataclass(frozen=True)
class OperatorEnergy:
    """Energy of an operation [fJ], and what glitches would add to it (:mod:`costmodel.activity.glitches`)."""

    total: float
    glitches: float


def operator_energies(
    operators: Sequence[Operator], modules: Sequence[Mapping[str, Any]], folder: Path
) -> list[OperatorEnergy]:
    """Energies of operators with these netlists, all in one simulation, of which ``folder`` keeps what was built.

    Raises :class:`costmodel.activity.measure.ActivityError` for a netlist that computes something else.
    """
    netlists = [(Gates.of(module), Ports(op), op.vectors()) for op, module in zip(operators, modules, strict=True)]
    found = []
    for (gates, _, _), values in zip(netlists, values_of(netlists, folder), strict=True):
        parts = piece_energies(gates, values, np.array([0, OPERATIONS]))[0] / (OPERATIONS - 1)
        glitches = parts @ (glitch_factors(gates, values[:WITH_GLITCHES]) - 1)
        found.append(OperatorEnergy(float(parts.sum()), float(glitches)))
    return found
