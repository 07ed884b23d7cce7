"""Energy of each action of a design in a technology."""

from dataclasses import asdict, fields

from costmodel.technology import TECHNOLOGIES, Operations, Uniform
from sim.design import DesignPoint
from sim.errors import choose
from sim.memory import Prices
from sim.trace import ACTIONS

FP16_SIGNIFICAND_BITS = 11
FP32_SIGNIFICAND_BITS = 24
"""[bit] Significands with their hidden bit (IEEE 754)."""


def energy_per_action(design: DesignPoint, technology: str) -> dict[str, float]:
    """Energy [pJ] of every action of :data:`sim.trace.ACTIONS`, scratchpads and DRAM a bit.

    An action is the sum of its operations: ``mac`` the PE's additions, ``row_sum`` one addition, ``group_epilogue``
    zero point times row sum, the correction, the product with an fp16 scale and an fp32 addition, ``token_scale`` the
    product of an fp32 and an fp16 significand, ``partial_sum`` one addition, ``vector_operation`` one fp32 multiplication,
    which no other operation of the vector unit exceeds. DRAM is the design's memory in every technology but ``unit``.
    Raises ``InputError`` for an unknown technology or a scratchpad outside the sizes it knows.
    """
    table = choose("technology", technology, TECHNOLOGIES)
    if isinstance(table, Uniform):
        return dict.fromkeys(ACTIONS, table.energy)
    return {
        "mac": _mac(design, table),
        "row_sum": _row_sum(design, table) if design.has_zero_points else 0.0,
        "partial_sum": table.add(design.accumulator_bits),
        "group_epilogue": _group_epilogue(design, table),
        "token_scale": table.multiply(FP32_SIGNIFICAND_BITS, FP16_SIGNIFICAND_BITS),
        "vector_operation": table.multiply_fp32,
        **{f"{place}_{way}": energy for place, energy in asdict(memory_prices(design)).items() for way in ("read", "write")},
    }


def memory_prices(design: DesignPoint) -> Prices:
    """Energy [pJ] of a bit of each memory in the design's technology: what decides between schedules that are equally fast."""
    table = choose("technology", design.technology, TECHNOLOGIES)
    if isinstance(table, Uniform):
        return Prices(*(table.energy,) * len(fields(Prices)))
    return Prices(
        **{f"{name}_buffer": table.sram_bit(pad.kib, f"the {name} buffer") for name, pad in design.scratchpads.items()},
        dram=design.dram.energy_per_bit,
    )


def _mac(design: DesignPoint, table: Operations) -> float:
    """The additions that form the product, and that of the sum. No source tells what shifts by a code's distance cost."""
    element = design.element
    if element.accumulation.is_float:
        return sum(map(table.add, element.product_adders())) + table.add_float(element.accumulation.family)
    return sum(map(table.add, element.adder_widths(design.group_size)))


def _row_sum(design: DesignPoint, table: Operations) -> float:
    return table.add(design.row_sum_bits) if design.row_sums_are_integers else table.add_fp32


def _group_epilogue(design: DesignPoint, table: Operations) -> float:
    """Sums of more bits than an fp32 significand are rounded to one before they are scaled."""
    scaled_bits = min(design.corrected_bits, FP32_SIGNIFICAND_BITS + 1)
    scaling = table.multiply(scaled_bits, FP16_SIGNIFICAND_BITS) + table.add_fp32
    if not design.has_zero_points:
        return scaling
    if not design.row_sums_are_integers:
        return table.multiply(design.zero_point_bits, FP32_SIGNIFICAND_BITS) + table.add_fp32 + scaling
    return table.multiply(design.zero_point_bits, design.row_sum_bits) + table.add(design.corrected_bits) + scaling
