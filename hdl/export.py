"""Verilog of a design point: one file a module, the same bytes in every run."""

from collections.abc import Iterable
from typing import Any

from amaranth import Shape
from amaranth.back import verilog
from amaranth.lib import wiring

from hdl.accelerator.top import Accelerator
from hdl.arrays import ARRAYS
from hdl.ram import Ram
from sim.accelerator.blocks import is_accelerated
from sim.design import DesignPoint

CLOCKING = {"clk": {"direction": "in", "width": 1, "signed": False}, "rst": {"direction": "in", "width": 1, "signed": False}}
"""Ports that every module has besides its signature: rising edge, synchronous active-high reset."""


def verilog_modules(design: DesignPoint) -> dict[str, str]:
    """Verilog text by file name: every module that the array instantiates, once, and then the array itself."""
    return module_texts(array_parts(design))


def array_parts(design: DesignPoint) -> tuple[Any, ...]:
    """One of each component that the design's array consists of, itself the last."""
    array = ARRAYS[design.dataflow](design)
    return *array.parts, array


def components(design: DesignPoint) -> tuple[Any, ...]:
    """One of each component that a design's Verilog consists of, the top last: the accelerator if there is one."""
    if not is_accelerated(design):
        return array_parts(design)
    accelerator = Accelerator(design)
    return *accelerator.parts, accelerator


def module_texts(parts: Iterable[Any]) -> dict[str, str]:
    """Verilog text by file name of components, each a module named as the component says."""
    texts = {}
    for part in parts:
        text: str = part.verilog if isinstance(part, Ram) else _converted(part)
        texts[f"{part.module_name}.v"] = text.rstrip("\n") + "\n"
    return texts


def _converted(component: Any) -> str:
    text: str = verilog.convert(component, name=component.module_name, emit_src=False, strip_internal_attrs=True)
    return text


def module_ports(component: wiring.Component) -> dict[str, dict[str, object]]:
    """Direction, width [bit] and signedness of a component's ports, clock and reset included.

    The Verilog declares every port unsigned; ``signed`` tells what the bits mean.
    """
    ports: dict[str, dict[str, object]] = dict(CLOCKING)
    for name, member in component.signature.members.items():
        shape = Shape.cast(member.shape)
        direction = "in" if member.flow == wiring.In else "out"
        ports[name] = {"direction": direction, "width": shape.width, "signed": shape.signed}
    return ports
