"""Fits to made-up rows whose numbers are known, and to those that come with the project."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from costmodel.area import component_areas
from costmodel.components import COMPONENTS, components_of, fields_of
from costmodel.fit import OutsideError, estimated, fit, groups
from costmodel.forms import FORMS, terms_of
from costmodel.least_squares import Hull, held_out_errors
from costmodel.measured import Measured, Rows, read_measured
from costmodel.synthesis.run import Area
from costmodel.synthesis.targets import CHARACTERISED
from sim.design import DesignPoint
from sim.errors import InputError

UNSEEN = ("uint5", "int7")

DESIGN = DesignPoint("small", rows=2, columns=3, weight_buffer_kib=4, activation_buffer_kib=5, output_buffer_kib=9)


def row(weight: str, activation: str, area: float, **more: float) -> Measured:
    design = dataclasses.replace(DESIGN, weight_format=weight, activation_format=activation)
    numbers = {"area_um2": area, **more}
    return Measured("pe", fields_of(design, "pe"), Area("sky130", "um2", area, numbers, "tool", "1", "run"), "2026-01-01")


def on_a_line(error: float = 0.0) -> list[Measured]:
    """``1000 + 10 * bits of operands + 3 * bits of partial products``, of all but one; every second row that much more."""
    pairs = [(w, a) for w in range(2, 9) for a in range(3, 9) if (f"uint{w}", f"int{a}") != UNSEEN]
    return [
        row(f"uint{w}", f"int{a}", (1000 + 10 * (w + a) + 3 * w * (a - 1)) * (1 + error * (i % 2)))
        for i, (w, a) in enumerate(pairs)
    ]


def with_formats(weight: str, activation: str) -> DesignPoint:
    return dataclasses.replace(DESIGN, weight_format=weight, activation_format=activation)


def test_what_is_on_a_line_is_found_exactly() -> None:
    found = fit("pe", "area_um2", on_a_line())
    assert found is not None
    assert found.worst_error < 1e-9
    assert found.at(with_formats(*UNSEEN)) == pytest.approx(
        1000 + 10 * (5 + 7) + 3 * (5 * 6)
    )  # a sign is no bit of a magnitude


def test_errors_are_those_of_rows_held_out() -> None:
    """Rows that differ by a tenth at random places: a line in the middle is a twentieth beside each."""
    found = fit("pe", "area_um2", on_a_line(0.1))
    assert found is not None
    assert 0.03 < found.median_error < 0.07
    assert found.median_error < found.worst_error < 0.15


def test_too_few_rows_are_no_fit() -> None:
    assert fit("pe", "area_um2", on_a_line()[:3]) is None
    assert estimated(DESIGN, "pe", "sky130", Rows.of(on_a_line()[:3])) is None


def test_what_no_row_has_is_found_to_be_none() -> None:
    """Counts may be 0, and a line through small ones does not go below."""
    rows = [row(f"uint{w}", f"int{a}", 1, dsps=0, carry=max(0, w - 4)) for w in range(2, 9) for a in range(3, 9)]
    found = estimated(with_formats(*UNSEEN), "pe", "sky130", Rows.of(rows))
    assert found is not None
    assert found.area.numbers["dsps"] == 0
    assert found.area.numbers["carry"] >= 0


def test_outside_of_the_box_nothing_is_said() -> None:
    wide = dataclasses.replace(DESIGN, activation_format="int16", group_size=32)
    said = "activation bits of the pe (shift_add, integer sums) that was characterised are 3 to 8, not 16 of small"
    with pytest.raises(OutsideError) as error:
        estimated(wide, "pe", "sky130", Rows.of(on_a_line()))
    assert str(error.value) == said
    with pytest.raises(InputError, match="^the area of pe on sky130 is not known: activation bits of the pe "):
        component_areas(wide, "sky130", on_a_line())


def test_inside_of_the_box_but_far_from_all_rows_nothing_is_said() -> None:
    """Rows about a diagonal say nothing of its corners; a term that no row has cannot be told from the constant."""
    diagonal = [row for row in on_a_line() if abs(row.design.weight.bits - row.design.activation.bits) < 2]
    with pytest.raises(
        OutsideError,
        match=r"^the pe \(shift_add, integer sums\) of small differs from the 17 that were characterised more than they do "
        r"from each other: its leverage is [\d.]+, at most 0\.\d+$",
    ):
        estimated(with_formats("uint2", "int8"), "pe", "sky130", Rows.of(diagonal))
    with pytest.raises(OutsideError, match=r"its leverage is inf, at most 0\.\d+$"):
        estimated(dataclasses.replace(with_formats(*UNSEEN), accumulator="saturate16"), "pe", "sky130", Rows.of(on_a_line()))


def test_leverage_by_hand() -> None:
    """Of a line through x = 0, 1, 2, 3: 1/4 + (x - 3/2)^2 / 5."""
    hull = Hull.of(np.array([[1.0, x] for x in range(4)]))
    assert hull.most == pytest.approx(0.7)
    assert hull.leverage([1.0, 1.0]) == pytest.approx(0.3)
    assert hull.leverage([1.0, 4.0]) == pytest.approx(1.5)


def test_errors_of_held_out_parts_by_hand() -> None:
    """Through (0, 1), (1, 2), (2, 3) and a fourth at (3, 8): without it 4 is guessed; without (0, 1) there is no constant."""
    terms, numbers = np.array([[1.0, 0], [0, 1], [0, 2], [0, 3]]), np.array([1.0, 2, 4, 12])
    assert held_out_errors(terms[1:3], numbers[1:3], [0, 1]) == pytest.approx((0, 0))
    median, worst = held_out_errors(terms, numbers, ["a", "b", "b", "c"])
    assert (median, worst) == pytest.approx((1.0, 1.0))  # c: 6 for 12 is 1/2; b: 4 and 8 for 2 and 4 are 1


def test_a_fitted_area_says_so() -> None:
    unseen = with_formats(*UNSEEN)
    found = estimated(unseen, "pe", "sky130", Rows.of(on_a_line()))
    assert found is not None
    assert str(found.source) == (
        "fitted: 41 measured on sky130, median error 0.0%, worst 0.0% of the area_um2 of those held out"
    )
    with pytest.raises(InputError, match="^the area of row_sum on sky130 was not measured for "):
        component_areas(unseen, "sky130", on_a_line())


def test_every_component_has_a_form() -> None:
    assert FORMS.keys() == COMPONENTS.keys()


BARS = {"lut_sites": 0.15, "area_um2": 0.15, "energy_traced_fj": 0.15}
"""What the worst row of each line is off at most."""

MEDIAN = 0.05

JUMPS = {("result_buffer", "lut_sites")}
"""What follows no width; an accelerator has one."""

ROWS = Rows.of(read_measured())
LINES = [(name, target, alike) for name in COMPONENTS for target in CHARACTERISED for alike in groups(ROWS, name, target)]


@pytest.mark.parametrize(("component", "target", "alike"), LINES)
def test_what_was_characterised_is_fitted(component: str, target: str, alike: str) -> None:
    """Held-out rows are at worst 15 % off, and half of each line's at most 5 %."""
    found = groups(ROWS, component, target)[alike]
    there = {number for number in BARS if any(number in row.area.numbers for row in found)}
    fits = {number: fit(component, number, found) for number in there if (component, number) not in JUMPS}
    assert there
    assert [number for number, line in fits.items() if line is None] == []
    assert {number: line.worst_error for number, line in fits.items() if line and line.worst_error > BARS[number]} == {}
    assert {number: line.median_error for number, line in fits.items() if line and line.median_error > MEDIAN} == {}


def test_place_of_a_float_in_its_row_sum_by_hand() -> None:
    """E3M2 has a significand of 3 bits, 0.0625 to 28 in units of 0.0625: 9 bits of magnitude, so 6 of shifting, and a sign."""
    design = DesignPoint("x", "mixed", "uint4", "e3m2", pipeline=0)
    terms = terms_of("row_sum", design)
    assert (terms["bits of shifting"], terms["unregistered bits"]) == (6, 10)
    assert terms["placed bits"] == pytest.approx(3 * np.log2(7))


def test_pes_that_no_term_was_chosen_for() -> None:
    """``unseen_pes.csv`` was synthesised when the terms of PEs that hold a weight had been chosen, and is in no fit."""
    errors = []
    for unseen in read_measured(Path(__file__).parent / "unseen_pes.csv"):
        try:
            found = estimated(unseen.design, unseen.component, unseen.area.target, ROWS)
        except OutsideError:
            continue
        assert found is not None
        errors.append(abs(found.area.total / unseen.area.total - 1))
    assert len(errors) == 66
    assert np.median(errors) < 0.025
    assert max(errors) < 0.12


@pytest.mark.parametrize(
    ("weight", "activation", "row", "compressed", "subtracted"),
    [
        ("uint1", "int8", 8, 0, 0),
        ("int2", "int8", 8, 0, 8),
        ("uint4", "int8", 8, 16, 0),
        ("int8", "int4", 8, 16, 8),
        ("uint3", "int4", 3, 6, 3),
    ],
)
def test_rows_of_a_multiplier_by_hand(weight: str, activation: str, row: int, compressed: int, subtracted: int) -> None:
    """Those of the narrower operand; an unsigned weight of 3 bits is as wide as an activation of 4, whose rows are taken."""
    design = DesignPoint(
        "x", pe="multiplier", weight_format=weight, activation_format=activation, dataflow="weight_stationary", group_size=16
    )
    terms = terms_of("stationary_pe", design)
    assert (terms["bits of a row"], terms["compressed bits"], terms["bits of the subtracted row"]) == (
        row,
        compressed,
        subtracted,
    )


def test_choices_of_a_shift_by_hand() -> None:
    """``pot4`` chooses one of 7 powers by 3 bits: 2 levels of four, or 10 inputs of 2 tables, for each bit."""
    terms = terms_of("pe", DesignPoint("x", pe="shift_only", weight_format="pot4", activation_format="int8"))
    assert (terms["bits of choices of four"], terms["tables of choices"], terms["unregistered bits"]) == (16, 16, 0)
    none = DesignPoint("x", pe="shift_only", weight_format="pot4", activation_format="int8", pipeline=0)
    assert terms_of("pe", none)["unregistered bits"] == 8


@pytest.mark.parametrize("target", CHARACTERISED)
def test_a_design_none_of_which_was_synthesised_has_an_area(target: str) -> None:
    design = DesignPoint("x", weight_format="uint5", activation_format="int6", group_size=96, rows=10, columns=20)
    found = component_areas(design, target, read_measured())
    assert {part.part for part in components_of(design).values()} == found.components.keys()
    assert {share.measured.source.kind for share in found.components.values()} == {"fitted"}
    assert all(share.total > 0 for share in found.components.values())
