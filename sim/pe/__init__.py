"""Processing elements: one file each here, one of the same name in ``hdl/pe``, one line in this registry."""

from sim.pe.bit_serial import BitSerial
from sim.pe.dsp_packed import DspPacked
from sim.pe.element import OPERATIONS, Element
from sim.pe.fused import Fused
from sim.pe.minifloat import MiniFloat
from sim.pe.mixed import Mixed
from sim.pe.multiplier import Multiplier
from sim.pe.shift_add import ShiftAdd
from sim.pe.shift_add_float import ShiftAddFloat
from sim.pe.shift_only import ShiftOnly

__all__ = ["OPERATIONS", "PES", "Element"]

PES: dict[str, type[Element]] = {
    "shift_add": ShiftAdd,
    "shift_add_float": ShiftAddFloat,
    "minifloat": MiniFloat,
    "mixed": Mixed,
    "bit_serial": BitSerial,
    "shift_only": ShiftOnly,
    "multiplier": Multiplier,
    "dsp_packed": DspPacked,
    "fused": Fused,
}
