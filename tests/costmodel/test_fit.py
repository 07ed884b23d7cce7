"""Fits to made-up rows whose numbers are known, and to those that come with the project."""

import dataclasses

import numpy as np
import pytest

from costmodel.area import component_areas
from costmodel.components import COMPONENTS, fields_of
from costmodel.fit import OutsideError, estimated, fit, groups
from costmodel.forms import FORMS
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
    """Rows on a diagonal say nothing of its corners; a term that no row has cannot be told from the constant."""
    diagonal = [row(f"uint{w}", f"int{w}", 1000 + 20 * w) for w in range(3, 9)]
    with pytest.raises(OutsideError, match=r"^the pe \(shift_add, integer sums\) of small differs from the 6 that were charac"):
        estimated(with_formats("uint3", "int8"), "pe", "sky130", Rows.of(diagonal))
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


NUMBERS = ("logic_cells", "lut_sites", "area_um2", "energy_traced_fj")
"""What is fitted to the bars below, where rows have it."""

MEDIAN, WORST = 0.05, 0.15

BEYOND = {
    ("pe", "xcup", "minifloat, integer sums"): {"logic_cells": (0.05, 0.16), "lut_sites": (0.05, 0.17)},
    ("pe", "xcup", "mixed, float sums"): {"logic_cells": (0.05, 0.21)},
    ("pe", "xcup", "multiplier, integer sums"): {"logic_cells": (0.05, 0.20), "lut_sites": (0.05, 0.20)},
    ("pe", "xcup", "shift_add, integer sums"): {"logic_cells": (0.05, 0.19)},
    ("pe", "xcup", "shift_add_float, float sums"): {"logic_cells": (0.05, 0.18)},
    ("pe", "xcup", "shift_only, integer sums"): {"logic_cells": (0.06, 0.16)},
    ("pe", "xcup", "dsp_packed, integer sums"): {"logic_cells": (0.07, 0.19)},
}
"""Lines that do not reach the bars, and what they do: Yosys pairs LUTs into cells in jumps that no width tells of."""

ROWS = Rows.of(read_measured())
LINES = [
    (component, target, alike)
    for component in COMPONENTS
    for target in CHARACTERISED
    for alike, found in groups(ROWS, component, target).items()
    if component == "pe" or len(found) > 20
]
"""Lines of components; of others than PEs those that drawn designs belong to, not presets alone."""


@pytest.mark.parametrize(("component", "target", "alike"), LINES)
def test_what_was_characterised_is_fitted(component: str, target: str, alike: str) -> None:
    """Held-out rows are within 5 % in the median and 15 % at worst."""
    fits = {number: fit(component, number, groups(ROWS, component, target)[alike]) for number in NUMBERS}
    bars = dict.fromkeys(NUMBERS, (MEDIAN, WORST)) | BEYOND.get((component, target, alike), {})
    found = {number: (line.median_error, line.worst_error) for number, line in fits.items() if line}
    assert {name: errors for name, errors in found.items() if errors[0] > bars[name][0] or errors[1] > bars[name][1]} == {}
