"""Hardware of the processing elements: each registry name is that of a model in ``sim/pe``."""

from typing import Any

from amaranth.lib import wiring

from hdl.pe.bit_serial import BitSerialPE
from hdl.pe.dsp_packed import DspPackedPE
from hdl.pe.dsp_slice import DspSlice
from hdl.pe.element import PRODUCTS, ProcessingElement
from hdl.pe.stationary import StationaryPE
from sim.design import DesignPoint
from sim.errors import InputError

PES: dict[str, Any] = {
    **dict.fromkeys(PRODUCTS, ProcessingElement),
    "bit_serial": BitSerialPE,
    "dsp_packed": DspPackedPE,
}
"""PE kind of a design point to the component that implements it."""


def check_pe(design: DesignPoint) -> None:
    """Raise ``InputError`` for a design whose PE has a model only: some of those that hold a weight."""
    macs = design.element.macs_per_cycle
    if design.dataflow == "weight_stationary" and (design.pe not in PRODUCTS or macs != 1):
        kinds = ", ".join(PRODUCTS)
        raise InputError(f"hardware of PEs that hold a weight is {kinds} with 1 MAC a cycle, not {design.pe} with {macs}")


def check_hardware(design: DesignPoint) -> None:
    """Raise ``InputError`` for a design that has a model only."""
    check_pe(design)
    if design.dataflow not in ("output_stationary", "weight_stationary"):
        raise InputError(f"hardware of arrays is output_stationary or weight_stationary, not {design.dataflow}")
    if design.scaling != "fp16":
        raise InputError(f"hardware of epilogues applies fp16 scales of groups and tokens, not those of {design.scaling}")
    if design.attention.weight_format != design.weight_format:
        raise InputError(f"hardware of KV caches is of the weights' format {design.weight_format}, not {design.kv_format}")


def has_hardware(design: DesignPoint) -> bool:
    """Whether a design has more than a model."""
    try:
        check_hardware(design)
    except InputError:
        return False
    return True


def pe_of(design: DesignPoint) -> Any:
    """The component of a design's PEs. Raises ``InputError`` for a design whose PE has a model only."""
    check_pe(design)
    if design.dataflow == "weight_stationary":
        return StationaryPE(design)
    return PES[design.pe](design)


def pe_parts(design: DesignPoint) -> tuple[wiring.Component, ...]:
    """One of each component that a PE consists of, itself the last."""
    return *pe_slices(design), pe_of(design)


def pe_slices(design: DesignPoint) -> tuple[wiring.Component, ...]:
    """One of each component that a PE instantiates."""
    return (DspSlice(),) if design.pe == "dsp_packed" else ()
