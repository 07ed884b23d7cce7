"""What designs consist of, as far as it is synthesised and counted: components, and the fields that determine each.

Components are synthesised one by one; constants that propagate into an instance inside the array would otherwise make
it look smaller than it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from sim.accelerator.blocks import is_accelerated
from sim.design import DesignPoint


@dataclass(frozen=True)
class Component:
    """A part of designs: its module, the fields of the design that determine it, and how many a design of its dataflow has.

    ``part`` is what it is to the design, whatever the dataflow; one for any dataflow names none. ``without`` are the modules
    inside it that are components themselves, or a scratchpad's memory, and are left out of its area, ``within`` those that
    belong to it; names, with ``*`` for any text.
    """

    part: str
    dataflow: str | None
    module: Callable[[DesignPoint], str]
    fields: tuple[str, ...]
    instances: Callable[[DesignPoint], int]
    without: tuple[str, ...] = ()
    within: tuple[str, ...] = ()


_OPERANDS = ("weight_format", "activation_format", "accumulator", "group_size")
_OF_PE = ("pe", "pipeline", *_OPERANDS)
_OF_TOTALS = (*_OPERANDS, "rows", "columns", "output_buffer_kib")
_OF_CONTROL = (
    *(*_OF_PE, "rows", "columns", "dataflow", "double_buffered"),
    *("weight_buffer_kib", "activation_buffer_kib", "output_buffer_kib"),
)


def _pes(design: DesignPoint) -> int:
    return design.rows * design.columns


def _accelerators(design: DesignPoint) -> int:
    return int(is_accelerated(design))


def _array(design: DesignPoint) -> str:
    return f"array_{design.rows}x{design.columns}"


COMPONENTS: dict[str, Component] = {
    "pe": Component("pe", "output_stationary", lambda design: f"{design.pe}_pe", _OF_PE, _pes, within=("dsp_slice",)),
    "row_sum": Component(
        "row_sum",
        "output_stationary",
        lambda _: "row_sum",
        _OF_PE,
        lambda design: design.rows * design.element.lanes[0] * design.has_zero_points,
    ),
    "epilogue": Component(
        "epilogue",
        "output_stationary",
        lambda _: "epilogue",
        (*_OPERANDS, "rows"),
        lambda design: design.columns * math.prod(design.element.lanes),
    ),
    "array_edge": Component(
        "array_edge",
        "output_stationary",
        _array,
        (*_OF_PE, "rows", "columns"),
        lambda _: 1,
        ("*_pe", "row_sum", "epilogue"),
    ),
    "stationary_pe": Component("pe", "weight_stationary", lambda design: f"{design.pe}_stationary_pe", _OF_PE, _pes),
    "row_sum_stage": Component(
        "row_sum", "weight_stationary", lambda _: "row_sum_stage", _OF_PE, lambda design: design.rows * design.has_zero_points
    ),
    "row_sum_foot": Component(
        "row_sum_foot",
        "weight_stationary",
        lambda _: "row_sum_foot",
        _OF_TOTALS,
        lambda design: int(design.has_zero_points),
        ("row_sum_foot_totals",),
    ),
    "foot": Component(
        "foot", "weight_stationary", lambda _: "foot", _OF_TOTALS, lambda design: design.columns, ("foot_totals",)
    ),
    "stationary_epilogue": Component(
        "epilogue",
        "weight_stationary",
        lambda _: "epilogue",
        _OF_TOTALS,
        lambda design: design.columns,
        ("epilogue_totals",),
    ),
    "stationary_edge": Component(
        "array_edge",
        "weight_stationary",
        _array,
        (*_OF_PE, "rows", "columns"),
        lambda _: 1,
        ("*_stationary_pe", "row_sum_stage", "row_sum_foot", "foot", "epilogue"),
    ),
    "controller": Component("controller", None, lambda _: "controller", _OF_CONTROL, _accelerators),
    "result_buffer": Component("result_buffer", None, lambda _: "result_buffer", _OF_CONTROL, _accelerators, ("result_ram",)),
    "scratchpads": Component(
        "scratchpads",
        None,
        lambda _: "accelerator",
        _OF_CONTROL,
        _accelerators,
        ("array_*", "controller", "result_buffer", "*_ram"),
        ("*_scratchpad",),
    ),
}
"""An array's edge is what it holds beside its instances: skew registers and buses. The memory of totals of an array whose
weights stay is the output scratchpad's. Around the array are the tile controller, what writes and sends results, and what
fills and reads the scratchpads, with the accelerator's own gates; their memories are not counted here."""

FIELDS = _OF_CONTROL
"""Of designs, that determine any component."""


def components_of(design: DesignPoint) -> dict[str, Component]:
    """The components that a design has: row sums are there for zero points."""
    of_dataflow = {name: part for name, part in COMPONENTS.items() if part.dataflow in (None, design.dataflow)}
    return {name: component for name, component in of_dataflow.items() if component.instances(design)}


def pe_component(design: DesignPoint) -> str:
    """The name of the component that a design's PEs are."""
    (name,) = (name for name, component in components_of(design).items() if component.part == "pe")
    return name


def fields_of(design: DesignPoint, component: str) -> dict[str, str]:
    """Those fields of a design that determine a component, as text."""
    return {field: str(getattr(design, field)) for field in COMPONENTS[component].fields}


def key_of(design: DesignPoint, component: str, target: str) -> tuple[str, ...]:
    """What :attr:`Measured.key` is in the row of this component of a design."""
    return (component, target, *fields_of(design, component).values())
