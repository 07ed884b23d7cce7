"""Points of a comparison: all formats of their widths, each by a PE that takes it."""

import pytest

from shiftwise.comparison.points import BASE, SETS, points
from sim.errors import InputError
from sim.formats import FORMATS


def names(*sets: str) -> list[str]:
    return [point.name for point in points(BASE, sets)]


def test_equal_widths_are_all_integers_and_all_splits() -> None:
    integers = [f"{sign}int{bits} x int{bits}" for bits in range(3, 9) for sign in ("u", "")]
    splits = [f"e{e}m{bits - 1 - e}" for bits in range(3, 9) for e in range(1, min(bits, 6))]
    assert names("equal") == integers + [f"{split} x {split}" for split in splits]


def test_four_bit_weights_meet_every_other_width() -> None:
    found = {tuple(name.split(" x ")) for name in names("w4")}
    assert {a for w, a in found if w == "uint4"} == {"int3", "int5", "int6", "int7", "int8"}
    assert {FORMATS[a].bits for w, a in found if w == "e2m1"} == {5, 6, 7, 8}
    assert all(FORMATS[w].bits == 4 for w, _ in found)


def test_blocks_are_those_of_the_specifications() -> None:
    by_name = {point.name: point.design for point in points(BASE, ["blocks"])}
    mx = {name for name, design in by_name.items() if design.scaling == "mx" and design.weight == design.activation}
    elements = ("e2m1", "e2m3", "e3m2", "ocp_e4m3", "ocp_e5m2", "int8")  # OCP Microscaling v1.0, table 1
    assert mx == {f"{element} x {element}, mx" for element in elements}
    assert {design.group_size for design in by_name.values() if design.scaling == "mx"} == {32}
    assert by_name["e2m1 x e2m1, nvfp4"].group_size == 16


@pytest.mark.parametrize("name", SETS)
def test_points_differ_from_the_base_in_their_formats_alone(name: str) -> None:
    for point in points(BASE, [name]):
        design = point.design
        assert (design.rows, design.columns, design.memory, design.clock_mhz) == (16, 16, BASE.memory, BASE.clock_mhz)
        assert f"{design.weight_format} x {design.activation_format}" == point.name.partition(",")[0]


def test_a_point_of_two_sets_is_there_once() -> None:
    assert len(names("equal", "w4", "equal")) == len(names("equal")) + len(names("w4"))


def test_sets_that_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="unknown set of points 'all'; known are equal, w4, blocks, pairs, mixed"):
        points(BASE, ["all"])
    with pytest.raises(InputError, match="at least one set of points is compared, .*, not none"):
        points(BASE, [])
