"""Spaces: what is in them, and files that describe them."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from shiftwise.exploration.space import BASE, SPACES, Space, load_space
from sim.errors import InputError

CHOICES = {
    "pe": ("shift_add", "minifloat"),
    "weight_format": ("uint4", "e2m1"),
    "activation_format": ("int8", "e2m1"),
    "rows": (8, 16),
    "memory": ("lpddr4", "ddr4"),
}


def test_a_space_has_exactly_the_designs_that_can_be_built() -> None:
    space = Space("test", BASE, CHOICES)
    built = set()
    for values in itertools.product(*CHOICES.values()):
        try:
            replace(BASE, **dict(zip(CHOICES, values, strict=True)))
        except InputError:
            continue
        built.add(values)
    places = list(space)
    assert len(places) == space.size == len(set(places))
    fields = [space.fields(place) for place in places]
    assert {tuple(one[name] for name in CHOICES) for one in fields} == built
    assert [space.place({**one, "area": 1.0}) for one in fields] == places
    assert all(space.holds(one) for one in fields)
    assert not space.holds({**fields[0], "rows": 9}) and not space.holds({"rows": 8})


@pytest.mark.parametrize("name", SPACES)
def test_every_named_space_has_designs(name: str) -> None:
    space = load_space(name)
    assert space.design((0,) * len(space.axes)).technology == "sky130"


def test_a_file_is_lists_of_values(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('rows = [4, 8]\nweight_format = ["uint3", "uint4"]\ndouble_buffered = [true, false]\n')
    space = load_space(str(file), "mixpe-w4a8")
    assert (space.name, space.size, space.base.name) == ("mine", 8, "mixpe-w4a8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = 4", "rows in space file .* is a list of values, not 4"),
        ("rows = []", "rows of space 'mine' has different values, at least one, not "),
        ("rows = [4, 4]", "rows of space 'mine' has different values, at least one, not "),
        ("rows = [4.5]", "values of rows in space 'mine' are of type int, not 4.5"),
        ("row = [4]", "unknown field of a space 'row'; known are pe, "),
        ('pe = ["minifloat"]', "space 'mine' has at least one PE that can be built; of the last one: "),
        ("rows = [", "space file .* is not TOML"),
    ],
)
def test_what_is_no_space_is_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        load_space(str(file))


def test_a_space_that_is_nowhere_is_refused() -> None:
    with pytest.raises(InputError, match="unknown space 'all'; known are edge, formats, or a .toml file"):
        load_space("all")
    with pytest.raises(InputError, match="space file 'nowhere.toml' cannot be read"):
        load_space("nowhere.toml")
