import pytest

from reports import figures
from reports.layers import TIMES
from sim.design import DesignPoint


def bars(figure):
    """By part, the lengths of the bars from the top."""
    return {trace.name: list(trace.x) for trace in figure.data}


def test_cycles_of_repeated_blocks_are_summed(run):
    _, layers = run
    figure = figures.cycles_per_layer(layers)
    assert list(figure.layout.yaxis.ticktext) == [f"q_proj {TIMES}2", "scores", "lm_head"]
    assert bars(figure) == {"ideal": [200, 80, 20], "array fill and edges": [100, 10, 180], "memory stall": [20, 10, 380]}


def test_energy_per_layer(run):
    _, layers = run
    shown = bars(figures.energy_per_layer(layers))
    assert list(shown) == ["PE", "SRAM", "DRAM"]
    assert shown["PE"] == pytest.approx([2e-9, 1e-9, 2e-9])
    assert shown["SRAM"] == pytest.approx([4e-9, 1e-9, 4e-9])
    assert shown["DRAM"] == pytest.approx([10e-9, 3e-9, 9e-9])


def test_energy_that_is_in_no_part_is_static(run):
    _, layers = run
    layers["energy_J"] += 1e-9
    assert bars(figures.energy_per_layer(layers))["static"] == pytest.approx([2e-9, 1e-9, 1e-9])


def test_roofline_of_100_pes_at_128_bytes_a_cycle(run):
    summary, layers = run
    roof, array, memory = figures.roofline(layers, DesignPoint(**summary["design_fields"])).data
    assert (roof.x[1], roof.y[1]) == (100 / 128, 100)
    assert roof.y[0] == pytest.approx(roof.x[0] * 128)
    assert list(array.x) == [20_000 / 2000, 8000 / 2500]
    assert list(array.y) == [20_000 / 320, 8000 / 100]
    assert (list(memory.x), list(memory.y)) == ([2000 / 70_400], [2000 / 580])


def test_the_sweep_changes_the_dram_alone(run):
    summary, _ = run
    figure = figures.dram_energy_sweep(summary)
    assert list(figure.layout.yaxis.ticktext) == ["4 pJ/bit", "8 pJ/bit", "19 pJ/bit"]
    assert bars(figure)["on chip"] == pytest.approx([14e-9] * 3)
    assert bars(figure)["DRAM"] == pytest.approx([22e-9, 44e-9, 104.5e-9])


def test_area_in_square_millimetres_and_in_luts(run):
    summary, _ = run
    silicon, fpga = (figures.area_breakdown(summary[key]) for key in ("area", "fpga"))
    assert list(silicon.layout.yaxis.ticktext) == ["SRAM", "PE", "epilogue", "row sums", "array edge"]
    assert bars(silicon)["area"] == pytest.approx([0.5, 0.3, 0.1, 0.05, 0.05])
    assert list(fpga.layout.yaxis.ticktext) == ["PE", "epilogue", "row sums", "array edge"]
    assert bars(fpga)["area"] == [600, 200, 50, 50]
