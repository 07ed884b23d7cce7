"""Forms of what an array has beside its PEs: row sums, feet, epilogues, and its edge."""

import math
from collections.abc import Mapping

from costmodel.forms.form import Form, Term, bits_of, sums_of
from sim.accelerator.depths import result_depth
from sim.accumulators import FLOATS
from sim.design import DesignPoint

FP32_EXPONENT_BITS, FP32_SIGNIFICAND_BITS, HALF_SIGNIFICAND_BITS = 8, 24, 11
"""[bit] The latter with the hidden one (IEEE 754); scales are fp16."""


# Row sums


def _stages(design: DesignPoint) -> int:
    """Registers before the sum, as many as a PE has there."""
    return design.element.latency - 1


def _waits(design: DesignPoint) -> int:
    """Cycles that an activation waits for its group's largest exponent."""
    return design.pe_latency - design.element.latency


def _number_bits(design: DesignPoint) -> int:
    """Bits that differ of an activation as it is added: of fp32 the exponent's, and as many of the fraction as it has."""
    if design.row_sums_are_integers:
        return design.activation.fixed_bits
    return FP32_EXPONENT_BITS + design.activation.significand_bits


def _term_bits(design: DesignPoint) -> float:
    """Registers of codes, and the last one of the number."""
    stages = _stages(design)
    return (stages - 1) * design.activation.bits + _number_bits(design) if stages else 0


def _is_shifted(design: DesignPoint) -> bool:
    """Whether activations are floats that come to their place in fixed point."""
    return design.row_sums_are_integers and not design.activation.is_integer


def _distance(design: DesignPoint) -> int:
    """Bits by which a significand is shifted at most."""
    return design.activation.fixed_bits - 1 - design.activation.significand_bits


def _placed_bits(design: DesignPoint) -> float:
    """Multiplexers by which a significand comes to its place in fixed point, or its leading one to that of fp32.

    Integers are in their place, and bf16 is the upper half of fp32.
    """
    activation, significand = design.activation, design.activation.significand_bits
    if activation.is_integer or activation.name == "bf16":
        return 0
    return significand * math.log2(1 + _distance(design) if _is_shifted(design) else significand)


def _unregistered_bits(design: DesignPoint) -> int:
    """Bits of a number that goes from its shifter into the sum, of which Yosys makes one circuit."""
    return _number_bits(design) if _is_shifted(design) and not _stages(design) else 0


def _of_row_sums(design: DesignPoint) -> str:
    number = "integers" if design.activation.is_integer else "floats"
    if design.row_sums_are_integers:
        return f"exact, {number}"
    return f"fp32, {'waiting' if _waits(design) else 'at once'}"


_OF_ROW_SUMS: Mapping[str, Term] = {
    "row sum bits": lambda design: design.row_sum_bits,
    "number bits": lambda design: 0 if _is_shifted(design) else _number_bits(design),
    "bits of shifting": lambda design: _distance(design) if _is_shifted(design) else 0,
    "placed bits": _placed_bits,
    "unregistered bits": _unregistered_bits,
}
_ROW_AXES: Mapping[str, Term] = {
    "activation bits": lambda design: design.activation.bits,
    "row sum bits": lambda design: design.row_sum_bits,
    "stages": _stages,
    "cycles of waiting": _waits,
}

ROW_SUM = Form(
    alike=_of_row_sums,
    terms={
        **_OF_ROW_SUMS,
        "register bits": _term_bits,
        "stages": lambda design: 0 if _is_shifted(design) else _stages(design),
        "waiting bits": lambda design: _waits(design) * (design.activation.bits + 2),
    },
    axes=_ROW_AXES,
)

ROW_SUM_STAGE = Form(
    alike=_of_row_sums,
    terms={**_OF_ROW_SUMS, "register bits": lambda design: _stages(design) * _number_bits(design)},
    axes=_ROW_AXES,
)


# Feet of columns


def _several(design: DesignPoint) -> str:
    return "folds of a group" if design.group_size > design.rows else "whole groups"


def _row_bits(design: DesignPoint) -> int:
    """Bits that count the rows of a stream: as many as the output scratchpad has room for."""
    return bits_of(max(2, result_depth(design)))


def _foot(sum_bits: Term) -> Form:
    widths: Mapping[str, Term] = {
        "sum bits": sum_bits,
        "row bits": lambda design: _row_bits(design) if design.group_size > design.rows else 0,
    }
    return Form(alike=_several, terms=widths, axes=widths)


FOOT = _foot(lambda design: design.accumulator_bits)
ROW_SUM_FOOT = _foot(lambda design: design.row_sum_bits)


# Epilogues


def _corrects(design: DesignPoint) -> bool:
    """Whether zero point times row sum is subtracted: signed weights have it at zero, which float sums make use of."""
    return design.has_zero_points and not (design.weight.signed and not design.row_sums_are_integers)


def _offset_bits(design: DesignPoint) -> float:
    """Bits of partial products of zero point times row sum."""
    row_sum = design.row_sum_bits if design.row_sums_are_integers else FP32_SIGNIFICAND_BITS
    return design.zero_point_bits * row_sum if _corrects(design) else 0


def _magnitude_bits(design: DesignPoint) -> int:
    """Width of what is rounded to fp32 first: integers times their scale, others before it; floats are there already."""
    if design.sums_are_integers:
        return design.corrected_bits - 1 + HALF_SIGNIFICAND_BITS
    if design.row_sums_are_integers:
        return design.corrected_bits
    return 0 if design.element.accumulation.is_float else design.accumulator_bits


def _scaled_bits(design: DesignPoint) -> float:
    """Bits of partial products of the corrected sum, as fp32 if it is no integer, times its scale."""
    if design.sums_are_integers:
        significand = design.corrected_bits - 1
    elif design.element.accumulation.is_float and not _corrects(design):
        significand = FLOATS[design.element.accumulation.family][0]
    else:
        significand = min(FP32_SIGNIFICAND_BITS, _magnitude_bits(design) or FP32_SIGNIFICAND_BITS)
    return significand * HALF_SIGNIFICAND_BITS


def _normaliser_bits(design: DesignPoint) -> float:
    """Multiplexers that bring the leading one to the top."""
    bits = _magnitude_bits(design)
    return bits * math.ceil(math.log2(bits)) if bits else 0


_OF_EPILOGUES: Mapping[str, Term] = {
    "offset bits": _offset_bits,
    "scaled bits": _scaled_bits,
    "normaliser bits": _normaliser_bits,
    "row sum bits": lambda design: design.row_sum_bits if design.has_zero_points else 0,
    "corrections": lambda design: float(_corrects(design)),
}
_EPILOGUE_AXES: Mapping[str, Term] = {
    "weight bits": lambda design: design.weight.bits,
    "accumulator bits": lambda design: design.accumulator_bits,
    "row sum bits": lambda design: design.row_sum_bits if design.has_zero_points else 0,
}

EPILOGUE = Form(
    alike=sums_of,
    terms={**_OF_EPILOGUES, "rows": lambda design: design.rows},
    axes={**_EPILOGUE_AXES, "rows": lambda design: design.rows},
)
STATIONARY_EPILOGUE = Form(
    alike=sums_of,
    terms={**_OF_EPILOGUES, "row bits": _row_bits},
    axes={**_EPILOGUE_AXES, "row bits": _row_bits},
)


# Edges


def _skew_bits(design: DesignPoint) -> float:
    """Registers that delay row r by r cycles, and column c by c."""
    activations, weights = design.element.lanes
    rows, columns = design.rows, design.columns
    of_rows = rows * (rows - 1) // 2 * design.activation.bits * activations
    return of_rows + columns * (columns - 1) // 2 * design.weight.bits * weights


def _sum_bits(design: DesignPoint) -> int:
    """Width of a column's bus: sums of all lanes, of ``aligned`` with their exponent."""
    exponent = design.element.largest_exponent.bit_length() if design.element.accumulation.family == "aligned" else 0
    return (design.accumulator_bits + exponent) * math.prod(design.element.lanes)


def _row_sum_bits(design: DesignPoint) -> int:
    return design.row_sum_bits * design.element.lanes[0] if design.has_zero_points else 0


_EDGE_AXES: Mapping[str, Term] = {
    "rows": lambda design: design.rows,
    "columns": lambda design: design.columns,
    "weight bits": lambda design: design.weight.bits,
    "activation bits": lambda design: design.activation.bits,
    "sum bits": _sum_bits,
}

ARRAY_EDGE = Form(
    alike=lambda _: "",
    terms={
        "skew bits": _skew_bits,
        "column bus bits": lambda design: design.rows * design.columns * _sum_bits(design),
        "row sum bus bits": lambda design: design.rows * _row_sum_bits(design),
        "drivers": lambda design: design.rows * design.columns,
        "flags": lambda design: 2 * design.rows + 3 * (design.pe_latency - 1),
    },
    axes=_EDGE_AXES,
)

STATIONARY_EDGE = Form(
    alike=lambda _: "",
    terms={
        "skew bits": _skew_bits,
        "flags": lambda design: 2 * design.rows + 6 * (design.rows - 1 + design.element.latency),
    },
    axes=_EDGE_AXES,
)
