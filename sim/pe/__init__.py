"""Processing elements: one file each here, one of the same name in ``hdl/pe``, one line in this registry."""

from sim.pe.shift_add import ShiftAdd

PES: dict[str, type[ShiftAdd]] = {"shift_add": ShiftAdd}
