import math

import pytest

from costmodel.energy import energy_per_action
from costmodel.technology import TECHNOLOGIES, Operations
from sim.design import PRESETS, DesignPoint, load_design
from sim.errors import InputError
from sim.trace import ACTIONS

HOROWITZ = TECHNOLOGIES["45nm"]
JOUPPI = TECHNOLOGIES["7nm"]


def close(value, expected):
    return math.isclose(value, expected, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("table", "add_8", "add_32", "multiply_8"), [(HOROWITZ, 0.03, 0.1, 0.2), (JOUPPI, 0.007, 0.03, 0.07)], ids=["45nm", "7nm"]
)
def test_published_operations_are_met(table, add_8, add_32, multiply_8):
    assert table.add(8) == add_8
    assert close(table.add(32), add_32)
    assert table.multiply(8, 8) == multiply_8


def test_between_published_points():
    assert close(HOROWITZ.add(20), 0.065)  # half way
    assert close(HOROWITZ.multiply(4, 8), 0.1)
    assert close(HOROWITZ.multiply(32, 32), 3.2)  # published: 3.1


def test_w4a8_in_45nm_by_hand():
    energy = energy_per_action(DesignPoint(name="hand", weight_buffer_kib=32, output_buffer_kib=1024), "45nm")
    # 4 rows of 8 bit in pairs: two sums of 10 bit, one of 12; then the group's sum of 64 x 12-bit products in 18 bit.
    # Sums: 0.03 + (bits - 8) * 0.07 / 24.
    assert close(energy["mac"], 4 * 0.03 + (2 + 2 + 4 + 10) * 0.07 / 24)
    # 64 x int8 in 14 bit
    assert close(energy["row_sum"], 0.03 + 6 * 0.07 / 24)
    # zero point 4 x 14 bit, correction to 64 * 15 * 128 = 122880 < 2^17 in 18 bit, scale 18 x 11 bit, fp32 sum
    assert close(energy["group_epilogue"], 0.2 * 4 * 14 / 64 + 0.03 + 10 * 0.07 / 24 + 0.2 * 18 * 11 / 64 + 0.9)
    assert close(energy["token_scale"], 0.2 * 24 * 11 / 64)
    assert close(energy["weight_buffer_read"], 20 / 64)
    assert close(energy["weight_buffer_write"], 20 / 64)
    assert close(energy["output_buffer_read"], 100 / 64)
    assert energy["dram_read"] == energy["dram_write"] == 3.9
    assert close(energy["partial_sum"], 0.1 - (32 - 18) * (0.1 - 0.03) / 24)  # an addition of the accumulator's 18 bits
    assert energy["vector_operation"] == 3.7  # an fp32 multiplication


@pytest.mark.parametrize("technology", ["unit", "45nm", "28nm", "7nm"])
@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"edge-w4a8"}))
def test_every_action_has_an_energy(preset, technology):
    design = load_design(preset)
    energy = energy_per_action(design, technology)
    assert list(energy) == list(ACTIONS)
    free = set() if design.has_zero_points or technology == "unit" else {"row_sum"}  # what never happens
    assert {action for action, value in energy.items() if value <= 0} == free


def test_unit_technology_costs_one():
    assert set(energy_per_action(DesignPoint(name="unit"), "unit").values()) == {1.0}


@pytest.mark.parametrize("table", [t for t in TECHNOLOGIES.values() if isinstance(t, Operations)])
def test_narrow_additions_cost_something(table):
    assert table.add(1) > 0


def test_unknown_technology():
    with pytest.raises(InputError, match="unknown technology '3nm'; known are unit, sky130, 45nm, 28nm, 7nm, fpga"):
        energy_per_action(DesignPoint(name="x"), "3nm")
