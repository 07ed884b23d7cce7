import pytest

from reports import figures
from reports.layers import TIMES
from reports.roofline import roofline
from sim.design import DesignPoint


def bars(figure):
    """By part, the lengths of the bars from the top."""
    return {trace.name: list(trace.x) for trace in figure.data}


def test_cycles_of_repeated_blocks_are_summed(run):
    figure = figures.cycles_per_layer(run[1])
    twice = f"{TIMES}2"
    ticks = ["embed (embedding)", f"norm {twice}", f"q_proj {twice}", f"scores {twice}", f"softmax {twice}", "lm_head"]
    assert list(figure.layout.yaxis.ticktext) == ticks
    assert bars(figure) == {
        "ideal": [0, 0, 200, 160, 0, 20],
        "edges": [0, 0, 80, 0, 0, 180],
        "array fill": [0, 0, 20, 20, 0, 20],
        "memory stall": [8, 0, 20, 60, 0, 100],
        "vector unit": [12, 60, 0, 0, 100, 0],
    }
    assert len({trace.marker.color for trace in figure.data}) == 5


def test_energy_per_layer(run):
    shown = bars(figures.energy_per_layer(run[1]))
    assert list(shown) == ["PE", "vector unit", "SRAM", "DRAM"]
    assert shown["PE"] == pytest.approx([0, 0, 2e-9, 2e-9, 0, 2e-9])
    assert shown["vector unit"] == pytest.approx([0, 1e-9, 0, 0, 2e-9, 0])
    assert shown["SRAM"] == pytest.approx([0, 0, 4e-9, 2e-9, 0, 4e-9])
    assert shown["DRAM"] == pytest.approx([1e-9, 2e-9, 10e-9, 6e-9, 4e-9, 9e-9])


def test_energy_that_is_in_no_part_is_static(run):
    layers = run[1]
    layers["energy_J"] += 1e-9
    assert bars(figures.energy_per_layer(layers))["static"] == pytest.approx([1e-9, 2e-9, 2e-9, 2e-9, 2e-9, 1e-9])


def test_roofline_of_100_pes_at_128_bytes_a_cycle(run):
    summary, layers, _ = run
    drawn = roofline(layers, DesignPoint(**summary["design_fields"]))
    roof, array, memory = drawn.data
    assert drawn.layout.showlegend and not roof.showlegend
    assert (array.name, memory.name) == ("under the array's peak", "under the DRAM's rate")
    assert (roof.x[1], roof.y[1]) == (100 / 128, 100)
    assert roof.y[0] == pytest.approx(roof.x[0] * 128)
    assert list(array.x) == [20_000 / 2000, 16_000 / 5000]
    assert list(array.y) == [20_000 / 320, 16_000 / 240]
    assert (list(memory.x), list(memory.y)) == ([2000 / 71_000], [2000 / 320])


def roofs(layers, design):
    return [trace for trace in roofline(layers, design).data if trace.mode == "lines"]


def test_products_with_a_narrower_kv_cache_have_a_roof_of_their_own(run):
    summary, layers, _ = run
    fields = summary["design_fields"] | {"pe": "bit_serial", "weight_format": "uint8", "kv_format": "uint4"}
    low, high = roofs(layers, DesignPoint(**fields))
    assert high.y[1] == 2 * low.y[1]
    assert low.x[2] == high.x[2]


def test_roof_is_what_the_pes_do_in_a_cycle_and_the_dram_sustains(run):
    summary, layers, _ = run
    fields = summary["design_fields"] | {"pe": "bit_serial", "memory": "hbm2"}
    design = DesignPoint(**fields)
    assert design.macs_per_cycle != 100
    (roof,) = roofs(layers, design)
    assert roof.y[1] == float(design.macs_per_cycle)
    assert roof.x[1] == pytest.approx(float(design.macs_per_cycle) / (128 * 425 / 460))


def test_labels_of_the_roofline_stand_one_above_the_other(run):
    summary, layers, _ = run
    figure = roofline(layers, DesignPoint(**summary["design_fields"]))
    labels = [note for note in figure.layout.annotations if note.ayref == "y"]
    assert [note.text for note in labels] == ["lm_head", "scores", "q_proj"]
    heights = [note.ay for note in labels]
    assert heights == sorted(heights) and heights[0] > max(note.y for note in labels)
    assert heights[-1] < figure.layout.yaxis.range[1]


def test_the_sweep_changes_the_dram_alone(run):
    figure = figures.dram_energy_sweep(run[0])
    assert list(figure.layout.yaxis.ticktext) == ["4 pJ/bit", "8 pJ/bit", "19 pJ/bit"]
    assert bars(figure)["on chip"] == pytest.approx([19e-9] * 3)
    assert bars(figure)["DRAM"] == pytest.approx([32e-9, 64e-9, 152e-9])


def test_area_in_square_millimetres_and_in_luts(run):
    silicon, fpga = (figures.area_breakdown(run[0][key]) for key in ("area", "fpga"))
    assert list(silicon.layout.yaxis.ticktext) == ["SRAM", "PE", "epilogue", "row sums", "array edge"]
    assert bars(silicon)["area"] == pytest.approx([0.5, 0.3, 0.1, 0.05, 0.05])
    assert list(fpga.layout.yaxis.ticktext) == ["PE", "epilogue", "row sums", "array edge"]
    assert bars(fpga)["area"] == [600, 200, 50, 50]
