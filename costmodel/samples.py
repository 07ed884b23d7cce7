"""One design of each PE kind that has hardware, with formats that are usual for it: its PE is measured and drawn."""

from sim.design import DesignPoint

_FORMATS = {
    "shift_add": ("uint4", "int8", "exact"),
    "shift_add_float": ("uint4", "fp16", "fp32"),
    "minifloat": ("e2m1", "e2m1", "exact"),
    "mixed": ("int4", "ocp_e4m3", "exact"),
    "bit_serial": ("uint4", "int8", "exact"),
    "shift_only": ("pot4", "int8", "exact"),
    "multiplier": ("int8", "int8", "exact"),
    "dsp_packed": ("int4", "int4", "exact"),
    "fused": ("int4", "int8", "exact"),
}

SAMPLES: dict[str, DesignPoint] = {
    pe: DesignPoint(pe, pe=pe, weight_format=weight, activation_format=activation, accumulator=accumulator, group_size=128)
    for pe, (weight, activation, accumulator) in _FORMATS.items()
}
"""Designs by PE kind, all with groups of 128."""
