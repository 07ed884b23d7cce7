import dataclasses
import math
from random import Random

import pytest

from costmodel.area import SRAM, component_areas
from costmodel.characterize import designs
from costmodel.components import COMPONENTS, FIELDS
from costmodel.cost import slower_clock
from costmodel.measure import measure, measure_component
from costmodel.measured import Measured, read_measured, remember, write_measured
from costmodel.synthesis.run import Area
from costmodel.synthesis.targets import CHARACTERISED, TARGETS
from hdl.pe import has_hardware
from hdl.tools.yosys import find_yosys
from sim.design import PRESETS, DesignPoint, load_design
from sim.errors import InputError

DESIGN = DesignPoint(
    name="small", group_size=48, rows=2, columns=3, weight_buffer_kib=4, activation_buffer_kib=5, output_buffer_kib=9
)
CONTROL = {"controller": 5.0, "result_buffer": 3.0, "scratchpads": 2.0}
SIZES = {"pe": 100.5, "row_sum": 20.0, "epilogue": 1000.0, "array_edge": 7.0, **CONTROL}


STATIONARY = dataclasses.replace(DESIGN, dataflow="weight_stationary")


def made_up(component, target, size):
    fields = {field: str(getattr(DESIGN, field)) for field in COMPONENTS[component].fields}
    numbers = {TARGETS[target].total: size, "flip_flops": 2.0}
    return Measured(component, fields, Area(target, TARGETS[target].unit, size, numbers, "tool", "1", "run, it"), "2026-01-01")


def rows(target):
    return [made_up(component, target, size) for component, size in SIZES.items()]


def test_components_times_instances_by_hand():
    area = component_areas(DESIGN, "sky130", rows("sky130"))
    assert {name: share.instances for name, share in area.components.items()} == {
        "pe": 6,
        "row_sum": 2,
        "epilogue": 3,
        "array_edge": 1,
        "controller": 1,
        "result_buffer": 1,
        "scratchpads": 1,
    }
    assert area.logic == 603 + 40 + 3000 + 7 + 5 + 3 + 2
    assert area.numbers["flip_flops"] == 30
    assert math.isclose(area.sram, (4 + 5 + 9) * 190712.55)  # macros of 1 KiB: 479.78 um x 397.5 um
    assert area.total == area.logic + area.sram
    assert area.unit == area.sram_unit == "um2"


def test_components_where_weights_stay_by_hand():
    sizes = {"stationary_pe": 100.5, "row_sum_stage": 20.0, "row_sum_foot": 30.0, "foot": 40.0}
    sizes |= {"stationary_epilogue": 1000.0, "stationary_edge": 7.0}
    area = component_areas(STATIONARY, "xcup", [made_up(component, "xcup", size) for component, size in sizes.items()])
    instances = {"pe": 6, "row_sum": 2, "row_sum_foot": 1, "foot": 3, "epilogue": 3, "array_edge": 1}
    assert {name: share.instances for name, share in area.components.items()} == instances
    assert area.logic == 603 + 40 + 30 + 120 + 3000 + 7, "an array with fewer rows than columns is no accelerator"
    with pytest.raises(InputError, match="the area of stationary_pe on xcup was not measured for pe shift_add"):
        component_areas(STATIONARY, "xcup", rows("xcup"))


@pytest.mark.parametrize("target", CHARACTERISED)
def test_totals_where_weights_stay_are_the_scratchpads(target):
    parts = component_areas(load_design("mixpe-w4a8-ws"), target).components
    for part in ("foot", "row_sum_foot", "epilogue"):
        assert f"; blackbox {part}_totals; " in parts[part].measured.area.command


def test_a_clock_is_that_of_the_slowest_component():
    """What has no clock of its own does not decide; of delays the longest, of frequencies the lowest."""
    speeds = {"pe": 100.0, "row_sum": 250.0, "epilogue": 90.0, "array_edge": 200.0, **dict.fromkeys(CONTROL, 150.0)}
    for number, slowest in (("delay_ps", 250), ("fmax_mhz", 90)):
        found = [
            dataclasses.replace(
                row, area=dataclasses.replace(row.area, numbers={**row.area.numbers, number: speeds[row.component]})
            )
            for row in rows("xcup")
        ]
        assert component_areas(DESIGN, "xcup", found).numbers[number] == slowest
        assert number not in component_areas(DESIGN, "xcup", [*found[1:], *rows("xcup")[:1]]).numbers


def test_the_slowest_component_says_which_clock_is_reached():
    """4 ns are 250 MHz."""
    timed = [
        dataclasses.replace(row, area=dataclasses.replace(row.area, numbers={**row.area.numbers, "delay_ps": delay}))
        for row, delay in zip(rows("sky130"), (2000.0, 4000.0, *[3000.0] * (len(SIZES) - 2)), strict=True)
    ]
    found = component_areas(DESIGN, "sky130", timed)
    assert found.reachable_hz == 250e6
    assert slower_clock(DESIGN, found) == ["its slowest component reaches 250 of 500 MHz on sky130"]
    assert slower_clock(dataclasses.replace(DESIGN, clock_mhz=200), found) == []
    assert component_areas(DESIGN, "sky130", [*timed[1:], *rows("sky130")[:1]]).reachable_hz is None


def test_rows_without_the_newer_numbers_are_read(tmp_path):
    """A file from before there were block RAMs, delays, and fields of an accelerator's control."""
    path = tmp_path / "measured.csv"
    path.write_text(
        "component,pe,pipeline,weight_format,activation_format,accumulator,group_size,target,area_um2,leakage_nw,cells,"
        "tool,version,command,date\npe,shift_add,1,uint4,int8,exact,64,sky130,2615,1.0,316,yosys,0.70,run,2026-11-25\n"
    )
    (row,) = read_measured(path)
    assert dict(row.area.numbers) == {"area_um2": 2615, "leakage_nw": 1.0, "cells": 316}
    assert row.area.cells == {}
    write_measured([row], path)
    assert read_measured(path) == [row]


def test_cells_by_type_are_kept(tmp_path):
    row = measure_component(DESIGN, "row_sum", "sky130")
    write_measured([row], tmp_path / "measured.csv")
    (again,) = read_measured(tmp_path / "measured.csv")
    assert again == row
    assert again.area.cells["sky130_fd_sc_hd__dfxtp_1"] > 10
    assert sum(again.area.cells.values()) == again.area.numbers["cells"]


def test_block_rams_are_counted_apart():
    """Half of the weights' 4 KiB has 25 groups of 48 words of 12 bits with scales of three columns of 20, and 35 words and
    scales of the 26th: 2 x 1235 words of 12 bits, 2 x 78 scales. Half of the activations' 5 KiB has 25 groups of 48 words of
    16 bits with scales of two tokens, and 28 words: 2 x 1228 words and 2 x 52 scales. Results of three columns have 2 x 384
    words of 32 bits each. So two blocks of 2048 x 18 for weights and for activations each, one for each of the rest.
    """
    area = component_areas(DESIGN, "xcup", rows("xcup"))
    assert (area.sram, area.sram_unit) == (2 + 1 + 2 + 1 + 3, "bram36")
    assert area.total == area.logic == 3660


@pytest.mark.parametrize("missing", SIZES)
def test_a_component_that_was_not_measured(missing):
    present = [row for row in rows("xcup") if row.component != missing]
    with pytest.raises(
        InputError, match=rf"area of {missing} on xcup .*; run `shiftwise synth --design FILE.toml --target xcup`$"
    ):
        component_areas(DESIGN, "xcup", present)


def test_the_other_target_does_not_stand_in():
    with pytest.raises(
        InputError, match="area of pe on xcup was not measured for pe shift_add, pipeline 1, weight_format uint4"
    ):
        component_areas(DESIGN, "xcup", rows("sky130"))


def test_buffers_that_make_no_accelerator_have_no_area_on_an_fpga():
    with pytest.raises(InputError, match="^weight_buffer_kib of an accelerator with a 2x3 array holds two blocks"):
        component_areas(dataclasses.replace(DESIGN, weight_buffer_kib=1, group_size=400), "xcup", rows("xcup"))


def test_unknown_target():
    with pytest.raises(InputError, match="unknown synthesis target 'asap7'"):
        component_areas(DESIGN, "asap7")
    with pytest.raises(InputError, match="unknown synthesis target 'asap7'"):
        measure(DESIGN, "asap7")


def test_rows_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "measured.csv"
    write_measured(read_measured(), path)
    assert read_measured(path) == read_measured()


@pytest.mark.parametrize("target", CHARACTERISED)
@pytest.mark.parametrize("design", list(designs()), ids=lambda d: f"{d.name}-{d.pe}-{d.weight_format}-{d.pipeline}")
def test_everything_that_is_to_be_measured_was(design, target):
    area = component_areas(design, target)
    assert area.components["pe"].instances == design.rows * design.columns
    assert area.total > 0
    assert list(measure(design, target, read_measured())) == []


@pytest.mark.parametrize(
    ("name", "weight_bits", "registered"),
    [("mixpe-w4a8", 4, {0: 0, 1: 12, 2: 2 * 10 + 12}), ("mixpe-w8a8", 8, {0: 0, 1: 16, 2: 4 * 10 + 16})],
)
def test_flip_flops_at_every_level_of_pipelining(name, weight_bits, registered):
    """The product, and pairs of rows: activations of 8 bits added to those one place higher take 10, and two more flags.

    Beside these are what the neighbours get, the sum and its flag, and whether a group begins.
    """
    for pipeline, bits in registered.items():
        design = dataclasses.replace(load_design(name), pipeline=pipeline)
        always = weight_bits + 8 + 2 + design.accumulator_bits + 2
        area = component_areas(design, "xcup")
        assert area.components["pe"].measured.area.numbers["flip_flops"] == always + bits + 2 * (pipeline == 2)
        assert area.total > 0


def test_a_level_of_pipelining_that_was_not_measured():
    with pytest.raises(InputError, match="^the area of pe on xcup was not measured for pe shift_add, pipeline 2, "):
        component_areas(dataclasses.replace(DESIGN, pipeline=2), "xcup", rows("xcup"))


def test_every_preset_with_hardware_is_to_be_measured():
    presets = list(filter(has_hardware, map(load_design, PRESETS)))
    assert list(designs())[: len(presets)] == presets


def test_no_component_was_measured_twice():
    keys = [row.key for row in read_measured()]
    assert len(set(keys)) == len(keys)


BUFFERS = {"weight_buffer_kib", "activation_buffer_kib", "output_buffer_kib"}


def sampled():
    """Of each kind of PE and each other component a row, drawn among the smallest quarter, from one target after the other."""
    lines = {}
    for row in read_measured():
        lines.setdefault((row.component, row.fields["pe"] if row.component == "pe" else ""), []).append(row)
    for index, found in enumerate(lines[line] for line in sorted(lines)):
        target = CHARACTERISED[index % len(CHARACTERISED)]
        alike = sorted((row for row in found if row.area.target == target), key=lambda row: row.area.total)
        yield Random(index).choice(alike[: max(1, len(alike) // 4)])


@pytest.mark.parametrize(
    "recorded", list(sampled()), ids=lambda row: f"{row.component}-{row.fields.get('pe', '')}-{row.area.target}"
)
def test_synthesis_finds_the_recorded_row_again(recorded):
    yosys = find_yosys()
    if (yosys.name, yosys.version) != (recorded.area.tool, recorded.area.version):
        pytest.skip(f"{yosys.name} {yosys.version} runs here; the row is of {recorded.area.tool} {recorded.area.version}")
    others = dict.fromkeys(BUFFERS - recorded.fields.keys(), 4096)  # large enough for any array
    found = measure_component(dataclasses.replace(recorded.design, **others), recorded.component, recorded.area.target)
    energies = {name: value for name, value in recorded.area.numbers.items() if name.endswith("_fj")}
    area = dataclasses.replace(found.area, numbers={**found.area.numbers, **energies})
    assert dataclasses.replace(found, date=recorded.date, activity=recorded.activity, area=area) == recorded


def test_measured_fields_are_fields_of_a_design():
    names = {field.name for field in dataclasses.fields(DesignPoint)}
    assert set(FIELDS) <= names
    assert all(set(component.fields) <= set(FIELDS) for component in COMPONENTS.values())


def test_every_target_counts_scratchpads():
    assert set(SRAM) == set(TARGETS)
    assert all(sram.source for sram in SRAM.values())


def test_what_a_user_measured_is_found_again_and_replaces_older_rows(no_rows_of_this_user):
    with pytest.raises(
        InputError, match="is not known: rows of the epilogue .* are 4 to 64, not 2 of small; run `shiftwise synth"
    ):
        component_areas(DESIGN, "xcup")
    remember([*rows("sky130"), made_up("row_sum", "xcup", 1.0)])
    remember(rows("xcup"))
    assert component_areas(DESIGN, "xcup").logic == 3660
    assert component_areas(DESIGN, "sky130").logic == 3660
    assert {row.file for row in read_measured(no_rows_of_this_user)} == {str(no_rows_of_this_user)}
    assert len(read_measured(no_rows_of_this_user)) == 2 * len(SIZES)
    shares = component_areas(load_design("mixpe-w4a8"), "xcup").components.values()
    assert {share.measured.file for share in shares} == {"costmodel/data/measured.csv"}


def test_a_damaged_file_of_ones_own_is_named(no_rows_of_this_user):
    no_rows_of_this_user.write_text("component,target\nshift_add_pe,moon\n")
    with pytest.raises(InputError, match=f"{no_rows_of_this_user}' is not a file of measured areas"):
        component_areas(DESIGN, "xcup")
