"""Hardware of the processing elements: the file and registry name of each is that of its model in ``sim/pe``."""

from hdl.pe.shift_add import ShiftAddPE
from sim.design import DesignPoint
from sim.errors import InputError

PES: dict[str, type[ShiftAddPE]] = {"shift_add": ShiftAddPE}
"""PE kind of a design point to the component that implements it."""

WITHOUT_HARDWARE = (
    "shift_add_float",
    "minifloat",
    "mixed",
    "bit_serial",
    "shift_only",
    "multiplier",
    "dsp_packed",
    "fused",
)
"""Kinds that have a model only."""


def check_hardware(design: DesignPoint) -> None:
    """Raise ``InputError`` for a design that has a model only."""
    if design.pe not in PES:
        raise InputError(f"PE kinds with hardware are {', '.join(PES)}, not {design.pe}")
    if design.dataflow != "output_stationary" or not design.double_buffered:
        found = design.dataflow + ("" if design.double_buffered else ", not double-buffered")
        raise InputError(f"hardware of arrays is output_stationary and double-buffered, not {found}")
    if design.attention.weight_format != design.weight_format:
        raise InputError(f"hardware of KV caches is of the weights' format {design.weight_format}, not {design.kv_format}")
    if not design.sums_are_integers:
        found = f"{design.weight_format} x {design.activation_format}, {design.accumulator}"
        raise InputError(f"hardware of {design.pe} PEs is of integers with an exact accumulator, not {found}")


def has_hardware(design: DesignPoint) -> bool:
    """Whether a design has more than a model."""
    try:
        check_hardware(design)
    except InputError:
        return False
    return True


def pe_of(design: DesignPoint) -> ShiftAddPE:
    """The component of a design's PEs. Raises ``InputError`` for a design that has a model only."""
    check_hardware(design)
    return PES[design.pe](design)
