import math

import pytest

from costmodel.cost import SHARES, evaluate
from sim.design import DesignPoint
from sim.errors import InputError
from sim.trace import ACTIONS, Trace


def close(value, expected):
    return math.isclose(value, expected, rel_tol=1e-12)


def test_a_small_trace_by_hand():
    design = DesignPoint(name="hand", weight_buffer_kib=32, activation_buffer_kib=8, output_buffer_kib=1024, memory="ddr4")
    trace = Trace(
        1000,
        {
            "mac": 8,
            "row_sum": 2,
            "weight_buffer_read": 64,
            "activation_buffer_write": 128,
            "output_buffer_write": 64,
            "vector_operation": 10,
            "dram_read": 10,
        },
    )
    cost = evaluate(design, trace)
    assert close(cost.time_s, 2e-6)  # 1000 cycles at 500 MHz
    assert close(cost.energy_j.pe, (8 * 0.1725 + 2 * 0.0475) * 1e-12)
    assert close(cost.energy_j.sram, (20 + 2 * 10 + 100) * 1e-12)
    assert close(cost.energy_j.dram, 200e-12)
    assert cost.energy_j.static == 0
    assert close(cost.energy_j.vector, 37e-12)  # ten fp32 multiplications of 3.7 pJ
    assert close(cost.energy_j.total, 378.475e-12)
    assert close(cost.power_w, 378.475e-12 / 2e-6)
    assert [close(cost.dram_sweep[e], 10 * e * 1e-12) for e in (4.0, 8.0, 19.0)] == [True] * 3
    assert set(cost.sources) == {"pe", "vector", "sram", "dram", "static"}
    assert "Horowitz" in cost.sources["pe"]
    assert "JESD79-4" in cost.sources["dram"]


def test_unit_technology_counts_actions():
    cost = evaluate(DesignPoint(name="unit", technology="unit"), Trace(500, dict.fromkeys(ACTIONS, 3)))
    assert close(cost.energy_j.total, 42e-12)
    assert close(cost.energy_j.pe, 15e-12)
    assert close(cost.energy_j.vector, 3e-12)
    assert close(cost.energy_j.sram, 18e-12)
    assert close(cost.energy_j.dram, 6e-12)


def test_nothing_costs_nothing():
    cost = evaluate(DesignPoint(name="idle"), Trace(0, {}))
    assert (cost.time_s, cost.energy_j.total, cost.power_w) == (0, 0, 0)


def test_every_action_belongs_to_one_share():
    assert sorted(action for actions in SHARES.values() for action in actions) == sorted(ACTIONS)


def test_unknown_technology():
    with pytest.raises(InputError, match="unknown technology '3nm'"):
        evaluate(DesignPoint(name="x", technology="3nm"), Trace(0, {}))
