"""Many processing elements side by side in one module, so that many designs cost one build."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from numpy.typing import NDArray

from hdl.bench.vectors import RESET, Vectors
from hdl.pe import pe_of, pe_slices
from sim.design import DesignPoint

Ports = dict[str, NDArray[Any]]


class Bank(wiring.Component):
    """A PE of each design, with ports of its own: ``p<index>_`` before the name of each, a reset among them."""

    module_name = "bank"

    def __init__(self, designs: Sequence[DesignPoint]) -> None:
        self.pes = [pe_of(design) for design in designs]
        ports = {}
        for i, pe in enumerate(self.pes):
            ports[f"p{i}_{RESET}"] = In(1)
            ports |= {f"p{i}_{name}": member for name, member in pe.signature.members.items()}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        for i, pe in enumerate(self.pes):
            reset: Signal = getattr(self, f"p{i}_{RESET}")
            m.submodules[f"pe_{i}"] = ResetInserter(reset)(pe)
            for name, member in pe.signature.members.items():
                inner, outer = getattr(pe, name), getattr(self, f"p{i}_{name}")
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m


def bank_parts(designs: Sequence[DesignPoint]) -> tuple[wiring.Component, ...]:
    """One of each component that a bank of these designs consists of, itself the last."""
    parts = {part.module_name: part for design in designs for part in pe_slices(design)}
    return *parts.values(), Bank(designs)


def bank_vectors(vectors: Sequence[Vectors]) -> Vectors:
    """The vectors of a bank from those of its PEs; what ends earlier is not checked from there on."""
    cycles = max(each.cycles for each in vectors)
    inputs: Ports = {}
    outputs: Ports = {}
    checked: dict[str, NDArray[np.bool_]] = {}
    for i, each in enumerate(vectors):
        live = np.arange(cycles) < each.cycles
        for kind, found in ((each.inputs, inputs), (each.outputs, outputs)):
            for name, values in kind.items():
                found[f"p{i}_{name}"] = np.concatenate([values, np.zeros(cycles - each.cycles, dtype=values.dtype)])
        for name in each.outputs:
            checked[f"p{i}_{name}"] = live
        for name, cycles_checked in each.checked.items():
            checked[f"p{i}_{name}"] = np.concatenate([cycles_checked, np.zeros(cycles - each.cycles, dtype=bool)])
    return Vectors(inputs, outputs, checked)
