"""Sanity: areas on sky130, scaled to another node, beside published ones, as ratios. Nothing is tuned to make them 1."""

from dataclasses import dataclass

import pandas as pd

from costmodel.scaling import STILLMAKER_AREA, generalized_area, stillmaker_area
from costmodel.synthesis.run import synthesise
from hdl.export import module_texts
from hdl.pe import pe_parts
from sim.design import DesignPoint

SKY130_NM = 130
"""[nm] By its name."""

HOROWITZ = "M. Horowitz, Computing's energy problem, ISSCC 2014, figure 1.1.9 (45 nm)"
BIT_FUSION = "Sharma et al., Bit Fusion, ISCA 2018, released synthesis table (45 nm, 500 MHz)"
BITMOD = "Chen et al., BitMoD, HPCA 2025, released synthesis table (28 nm, 1 GHz, with registers)"


@dataclass(frozen=True)
class Published:
    """A published area [um2] at a node [nm], and what is synthesised to stand beside it: an operator or a PE."""

    name: str
    ours: str | DesignPoint
    area: float
    node: int
    source: str


def _operator(name: str, bits: int) -> str:
    """Verilog of an unsigned adder, as wide as its operands, or of a multiplier, twice as wide; no registers."""
    symbol, result = {"add": ("+", bits), "multiply": ("*", 2 * bits)}[name]
    ports = f"input [{bits - 1}:0] a, input [{bits - 1}:0] b, output [{result - 1}:0] y"
    return f"module operator({ports}); assign y = a {symbol} b; endmodule\n"


def _pe(pe: str, weight: str, activation: str, accumulator: str = "exact") -> DesignPoint:
    return DesignPoint(pe, pe=pe, weight_format=weight, activation_format=activation, accumulator=accumulator, group_size=128)


PUBLISHED: tuple[Published, ...] = (
    Published("integer addition, 8 bit", _operator("add", 8), 36, 45, HOROWITZ),
    Published("integer addition, 16 bit", _operator("add", 16), 67, 45, HOROWITZ),
    Published("integer addition, 32 bit", _operator("add", 32), 137, 45, HOROWITZ),
    Published("integer multiplication, 8 bit", _operator("multiply", 8), 282, 45, HOROWITZ),
    Published("integer multiplication, 32 bit", _operator("multiply", 32), 3495, 45, HOROWITZ),
    Published("multiplier PE, 2x2 bit", _pe("multiplier", "int2", "int2"), 125, 45, BIT_FUSION),
    Published("multiplier PE, 4x4 bit", _pe("multiplier", "int4", "int4"), 282, 45, BIT_FUSION),
    Published("multiplier PE, 8x8 bit", _pe("multiplier", "int8", "int8"), 688, 45, BIT_FUSION),
    Published("multiplier PE, 16x16 bit", _pe("multiplier", "int16", "int16", "wrap32"), 2203, 45, BIT_FUSION),
    Published("fused PE, 8 bit; theirs switches to 4 and 2", _pe("fused", "int8", "int8"), 1733, 45, BIT_FUSION),
    Published("fp16 multiply-add", _pe("multiplier", "fp16", "fp16", "fp16"), 1969, 28, BITMOD),
    Published("fp16 x 8 bit multiply-add", _pe("shift_add_float", "int8", "fp16", "fp16"), 1319, 28, BITMOD),
)
"""What is published about what is generated here. 16-bit multiplications are in Bit Fusion's table only."""


def sanity_table() -> pd.DataFrame:
    """A row for each of :data:`PUBLISHED`: its area [um2], ours as synthesised [um2], and the ratio of ours, scaled, to it.

    By both methods of :mod:`costmodel.scaling`; that of Stillmaker and Baas has no factor for 28 nm.
    """
    rows = []
    for known in PUBLISHED:
        area, node = _area(known.ours), known.node
        rows.append(
            {
                "what": known.name,
                "sky130_um2": area,
                "node_nm": node,
                "published_um2": known.area,
                "ratio_generalized": area * generalized_area(SKY130_NM, node) / known.area,
                "ratio_stillmaker": area * stillmaker_area(SKY130_NM, node) / known.area if node in STILLMAKER_AREA else None,
                "source": known.source,
            }
        )
    return pd.DataFrame(rows)


def _area(ours: str | DesignPoint) -> float:
    """Area on sky130 [um2]."""
    if isinstance(ours, str):
        return synthesise(ours, "operator", "sky130").area.total
    parts = pe_parts(ours)
    return synthesise("".join(module_texts(parts).values()), parts[-1].module_name, "sky130").area.total
