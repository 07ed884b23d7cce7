"""Hardware of the processing elements: the file and registry name of each is that of its model in ``sim/pe``."""

from hdl.pe.shift_add import ShiftAddPE

PES: dict[str, type[ShiftAddPE]] = {"shift_add": ShiftAddPE}
"""PE kind of a design point to the component that implements it."""
