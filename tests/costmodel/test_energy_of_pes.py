"""Energy of a MAC of each kind of PE, by hand from the published additions."""

import pytest

from costmodel.energy import energy_per_action
from sim.design import DesignPoint

INT8, INT32, FP16, FP32 = 0.03, 0.1, 0.4, 0.9
"""[pJ] Additions at 45 nm (Horowitz, ISSCC 2014, figure 1.1.9)."""


def add(bits: int) -> float:
    return INT8 + (INT32 - INT8) * (bits - 8) / 24


def test_float_accumulators_cost_a_float_addition() -> None:
    """E2M1 x E2M1: significands of 2 bits, one adder of 4 bits; exponents of 2 bits, one adder of 3 bits."""
    fields = {"pe": "minifloat", "weight_format": "e2m1", "activation_format": "e2m1"}
    for accumulator, total in (("fp32", FP32), ("bf16", FP16), ("wrap20", add(20))):
        design = DesignPoint("test", accumulator=accumulator, **fields)
        energy = energy_per_action(design, "45nm")
        assert energy["mac"] == pytest.approx(add(4) + add(3) + total)
        assert energy["row_sum"] == 0


def test_a_bit_serial_pe_uses_its_adder_once_for_each_weight_bit() -> None:
    """uint4 x int8 in groups of 64: 4 additions of 18 bits."""
    design = DesignPoint("test", pe="bit_serial")
    assert energy_per_action(design, "45nm")["mac"] == pytest.approx(4 * add(18))


def test_the_epilogue_of_a_wide_sum_scales_an_fp32_significand() -> None:
    """E4M3 x E4M3 in groups of 64 is 43 bits wide, rounded to 24 and a sign: 25 x 11 cells, an fp32 addition."""
    design = DesignPoint("test", pe="minifloat", weight_format="e4m3", activation_format="e4m3")
    assert design.corrected_bits == 43
    assert energy_per_action(design, "45nm")["group_epilogue"] == pytest.approx(0.2 * 25 * 11 / 64 + FP32)
