"""Modules placed in an array, and the registers between them."""

from typing import Any

from amaranth import ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

Wires = dict[str, Any]


def place(m: Module, component: Any, name: str, inputs: Wires) -> Wires:
    """Place a separately exported module; returns its outputs."""
    members = component.signature.members
    outputs = {port: Signal(member.shape, name=f"{name}_{port}") for port, member in members.items() if member.flow == Out}
    m.submodules[name] = Instance(
        component.module_name,
        i_clk=ClockSignal(),
        i_rst=ResetSignal(),
        **{f"i_{port}": value for port, value in inputs.items()},
        **{f"o_{port}": signal for port, signal in outputs.items()},
    )
    return outputs


def delay_line(m: Module, name: str, value: Value, cycles: int, reset_less: bool = False) -> Value:
    """``value`` some cycles later; without a reset if something else says when it means anything."""
    for cycle in range(cycles):
        register = Signal(value.shape(), name=f"{name}_{cycle}", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value


def forward(m: Module, component: wiring.Component, names: tuple[str, ...]) -> None:
    """Inputs that are outputs too, one cycle later, for the neighbour."""
    for name in names:
        m.d.sync += getattr(component, f"{name}_out").eq(getattr(component, name))
