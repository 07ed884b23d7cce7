import dataclasses
import math

import pytest

import costmodel.area
from costmodel.components import components_of, fields_of
from costmodel.cost import COMPONENTS, SHARES, Energy, evaluate
from costmodel.energy import memory_prices
from costmodel.fpga.fabric import CLB_ENERGY
from costmodel.measured import Measured, Rows
from costmodel.synthesis.run import Area
from sim.design import DesignPoint, load_design
from sim.errors import InputError
from sim.operators import Product
from sim.schedule import schedule
from sim.trace import ACTIONS, Trace

HAND = DesignPoint(name="hand", weight_buffer_kib=32, activation_buffer_kib=8, output_buffer_kib=1024, memory="ddr4")
TRACE = Trace(
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
PRODUCTS = [Product("scores", 16, 64, 16, 2, "scores"), Product("linear", 16, 64, 96)]


def close(value, expected):
    return math.isclose(value, expected, rel_tol=1e-12)


@pytest.fixture
def measured(monkeypatch):
    """Replaces what was measured: components of 100 um2 or LUTs, 50 nW; a MAC of 2000 fJ, 200 of clock, 100 of leakage."""

    def replace(design, target, **more):
        sizes = {"lut_sites": 100.0, "area_um2": 100.0, "leakage_nw": 50.0}
        numbers = {**sizes, "energy_traced_fj": 2300.0, "energy_clock_fj": 200.0, "leakage_fj": 100.0, **more}
        rows = [
            Measured(name, fields_of(design, name), Area(target, "um2", 100.0, numbers, "yosys", "1", "run"), "2026-01-01")
            for name in components_of(design)
        ]
        known = Rows.of(rows)
        monkeypatch.setattr(costmodel.area, "known_rows", lambda: known)
        return sum(part.instances(design) for part in components_of(design).values())

    return replace


def test_a_small_trace_by_hand():
    cost = evaluate(HAND, TRACE)
    assert close(cost.time_s, 2e-6)  # 1000 cycles at 500 MHz
    assert close(cost.energy_j.pe, (8 * 0.1725 + 2 * 0.0475) * 1e-12)
    assert close(cost.energy_j.sram, (20 + 2 * 10 + 100) * 1e-12)
    assert close(cost.energy_j.dram, 200e-12)
    assert cost.energy_j.static == 0
    assert close(cost.energy_j.vector, 37e-12)  # ten fp32 multiplications of 3.7 pJ
    assert close(cost.energy_j.total, 378.475e-12)
    assert close(cost.power_w, 378.475e-12 / 2e-6)
    assert close(cost.tops, 16 / 2e-6 / 1e12)  # a MAC is two operations
    assert close(cost.tops_per_w, 16 / 378.475e-12 / 1e12)
    assert close(cost.energy_delay_js, 378.475e-12 * 2e-6)
    assert cost.range_j == (cost.energy_j.total, cost.energy_j.total)
    assert cost.layers == ()
    assert [close(cost.dram_sweep[e], 10 * e * 1e-12) for e in (4.0, 8.0, 19.0)] == [True] * 3


def test_where_each_figure_comes_from():
    sources = evaluate(HAND, TRACE).sources
    assert set(sources) == {"pe", "vector", "sram", "dram", "static", "area"}
    assert {name: source.kind for name, source in sources.items() if name != "area"} == dict.fromkeys(
        ("pe", "vector", "sram", "dram", "static"), "cited"
    )
    assert "Horowitz" in sources["pe"].text
    assert "JESD79-4" in sources["dram"].text


def test_components_by_hand():
    parts = evaluate(HAND, TRACE).components
    assert close(parts["pe"], 8 * 0.1725e-12)
    assert close(parts["row_sum"], 2 * 0.0475e-12)
    assert (parts["foot"], parts["epilogue"]) == (0, 0)
    assert "leakage" not in parts
    assert close(parts["weight_buffer"], 20e-12)
    assert close(parts["activation_buffer"], 20e-12)
    assert close(parts["output_buffer"], 100e-12)
    assert close(parts["dram"], 200e-12)
    assert close(sum(parts.values()), evaluate(HAND, TRACE).energy_j.total)


def test_unit_technology_counts_actions():
    cost = evaluate(DesignPoint(name="unit", technology="unit"), Trace(500, dict.fromkeys(ACTIONS, 3)))
    assert close(cost.energy_j.total, 42e-12)
    assert close(cost.energy_j.pe, 15e-12)
    assert close(cost.energy_j.vector, 3e-12)
    assert close(cost.energy_j.sram, 18e-12)
    assert close(cost.energy_j.dram, 6e-12)
    assert cost.area_mm2 is None
    assert cost.tops_per_mm2 is None


def test_another_technology_than_the_designs():
    unit = dataclasses.replace(HAND, technology="unit")
    assert evaluate(unit, TRACE, "45nm").energy_j == evaluate(HAND, TRACE).energy_j
    assert evaluate(HAND, TRACE, "unit").energy_j == evaluate(unit, TRACE).energy_j
    assert close(evaluate(HAND, TRACE, "7nm").energy_j.vector, 13.1e-12)


def test_nothing_costs_nothing():
    cost = evaluate(DesignPoint(name="idle"), Trace(0, {}))
    assert (cost.time_s, cost.energy_j.total, cost.power_w, cost.tops, cost.tops_per_w) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("parts", [SHARES, COMPONENTS], ids=["shares", "components"])
def test_every_action_belongs_to_one_part(parts):
    assert sorted(action for actions in parts.values() for action in actions) == sorted(ACTIONS)


def test_unknown_technology():
    with pytest.raises(InputError, match="unknown technology '3nm'"):
        evaluate(DesignPoint(name="x", technology="3nm"), Trace(0, {}))
    with pytest.raises(InputError, match="unknown technology '3nm'"):
        evaluate(HAND, TRACE, "3nm")


def test_a_measured_pe_is_split_into_its_parts(measured):
    """2000 fJ of a MAC: 1000, 600 and 400 of them."""
    design = dataclasses.replace(HAND, rows=2, columns=4, technology="sky130")
    split = {"multiplier": 1000.0, "accumulator": 600.0, "registers": 400.0}
    measured(design, "sky130", **{f"energy_{part}_fj": energy for part, energy in split.items()})
    parts = evaluate(design, TRACE).components
    assert "pe" not in parts
    assert all(close(parts[f"pe_{part}"], 8 * energy * 1e-15) for part, energy in split.items())
    assert close(sum(parts.values()), evaluate(design, TRACE).energy_j.total)


# Schedules


@pytest.mark.parametrize("kv_format", ["as_weights", "int8"])
def test_operators_one_by_one(kv_format):
    """Each operator as a trace of the design that it sees, and all of them together."""
    design = dataclasses.replace(load_design("mixpe-w4a8"), kv_format=kv_format)
    run = schedule(design, PRODUCTS, memory_prices(design))
    cost = evaluate(design, run)
    alone = [evaluate(design.seen_by(step.operator.kind), step.run.trace).energy_j for step in run.steps]
    assert len(cost.layers) == len(run.steps) == 2
    for found, expected in zip(cost.layers, alone, strict=True):
        assert all(map(close, dataclasses.astuple(found), dataclasses.astuple(expected)))
    for share in dataclasses.fields(Energy):
        assert close(getattr(cost.energy_j, share.name), sum(getattr(layer, share.name) for layer in alone))
    assert close(cost.time_s, run.trace.cycles / 500e6)
    assert cost.macs == sum(product.macs for product in PRODUCTS)


# Measured and estimated


def test_clock_and_leakage_are_spent_all_the_time(measured):
    """In 1000 cycles, 2 us, of which 8 PEs work in one: 50 nW of each component, 200 fJ a cycle of each PE."""
    design = dataclasses.replace(HAND, rows=2, columns=4, technology="sky130")
    instances = measured(design, "sky130")
    cost = evaluate(design, TRACE)
    assert close(cost.components["pe"], 8 * 2e-12)
    assert close(cost.components["leakage"], instances * 50e-9 * 2e-6)
    assert close(cost.components["pe_clock"], 8 * 1000 * 200e-15)
    assert close(cost.energy_j.static, cost.components["leakage"] + cost.components["pe_clock"])
    assert cost.sources["pe"].kind == cost.sources["static"].kind == cost.sources["area"].kind == "measured"
    others = next(source for name, source in cost.sources.items() if name.startswith("row sum, "))
    assert others.kind == "estimate"
    run = schedule(design, PRODUCTS, memory_prices(design))
    layers = evaluate(design, run).layers
    assert close(sum(layer.static for layer in layers), evaluate(design, run).energy_j.static)
    cycles = [step.run.trace.cycles for step in run.steps]
    assert close(layers[0].static / layers[1].static, cycles[0] / cycles[1])


@pytest.mark.parametrize(("technology", "factor"), [("sky130", 1.0), ("45nm", 0.053 / 0.34), ("28nm", (28 / 130) ** 2)])
def test_areas_are_those_of_sky130_in_the_technology(measured, technology, factor):
    design = dataclasses.replace(HAND, rows=2, columns=4)
    um2 = measured(design, "sky130") * 100 + (32 + 8 + 1024) * 479.78 * 397.5
    if technology == "28nm":
        design = dataclasses.replace(design, weight_buffer_banks=4, activation_buffer_banks=1, output_buffer_banks=64)
    cost = evaluate(design, TRACE, technology)
    assert close(cost.area_mm2, um2 * factor / 1e6)
    assert close(cost.tops_per_mm2, 16 / 2e-6 / 1e12 / cost.area_mm2)
    assert cost.area.total == um2
    assert cost.sources["area"].kind == ("measured" if factor == 1 else "estimate")


def test_an_area_that_is_not_known_says_why():
    cost = evaluate(dataclasses.replace(HAND, rows=3), TRACE)
    assert (cost.area, cost.area_mm2, cost.tops_per_mm2) == (None, None, None)
    assert "that was characterised are 4 to 64, not 3 of hand" in cost.sources["area"].text


def test_an_estimate_has_its_spread(measured):
    design = dataclasses.replace(HAND, rows=2, columns=4)
    measured(design, "xcup")
    cost = evaluate(design, TRACE, "fpga")
    chip = cost.energy_j.total - cost.energy_j.dram
    assert close(cost.range_j[0], chip * CLB_ENERGY["low"] / CLB_ENERGY["mid"] + cost.energy_j.dram)
    assert close(cost.range_j[1], chip * CLB_ENERGY["high"] / CLB_ENERGY["mid"] + cost.energy_j.dram)
    assert cost.area.target == "xcup"
    assert cost.area_mm2 is None
    # edge, controller, result buffer and scratchpads, each 100 LUTs in 12.5 blocks, in 1000 cycles
    assert close(cost.energy_j.static, 4 * 12.5 * CLB_ENERGY["mid"] * 1000 * 1e-12)
    assert cost.sources["pe"].kind == "estimate"
