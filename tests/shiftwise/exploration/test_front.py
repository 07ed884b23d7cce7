"""Fronts, distances and budgets, by hand and beside the definition."""

import numpy as np
import pytest

from shiftwise.comparison.fronts import unbeaten
from shiftwise.exploration.front import Front, crowding
from shiftwise.exploration.objectives import Budgets, objectives
from sim.errors import InputError

TWO = objectives(["area", "tokens_per_s"], "sky130")


def row(area: float, speed: float) -> dict[str, float]:
    return {"area": area, "tokens_per_s": speed, "power": 1.0}


def test_what_nothing_beats_is_as_defined() -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 6, (300, 3)).astype(float)
    beaten = [any((one <= own).all() and (one < own).any() for one in values) for own in values]
    first = [not any((one == own).all() for one in values[:place]) for place, own in enumerate(values)]
    assert list(unbeaten(values)) == [place for place in range(300) if first[place] and not beaten[place]]


@pytest.mark.parametrize("part", [1, 7, 100])
def test_a_front_is_the_same_in_whatever_parts_it_comes(part: int) -> None:
    rng = np.random.default_rng(4)
    rows = [row(*pair) for pair in rng.integers(1, 30, (100, 2)).astype(float)]
    front = Front(TWO, Budgets())
    for start in range(0, 100, part):
        front.add(rows[start : start + part])
    best = [one for one in rows if not any(
        (o["area"] <= one["area"] and o["tokens_per_s"] >= one["tokens_per_s"]) and
        (o["area"], o["tokens_per_s"]) != (one["area"], one["tokens_per_s"]) for o in rows)]  # fmt: skip
    told = {(one["area"], one["tokens_per_s"]) for one in front.rows}
    assert told == {(one["area"], one["tokens_per_s"]) for one in best}
    assert len(front.rows) == len(told)


def test_distances_of_crowding_are_those_of_nsga_2() -> None:
    """By hand, of spans 4 and 8: in the middle are (3 - 0)/4 + (8 - 1)/8 and (4 - 1)/4 + (5 - 0)/8."""
    values = np.array([[0, 8], [1, 5], [3, 1], [4, 0]], dtype=float)
    assert list(crowding(values)) == [np.inf, 3 / 4 + 7 / 8, 3 / 4 + 5 / 8, np.inf]


def test_the_nearest_breaks_budgets_least() -> None:
    front = Front(TWO, Budgets(max_area=10, min_tokens_per_s=100))
    front.add([row(20, 100), row(10, 80), row(5, 20)])
    assert not front.rows
    assert front.nearest == row(10, 80)  # misses 100 by a quarter of what it has
    assert front.budgets.broken(row(20, 50)) == {"max_area": 1.0, "min_tokens_per_s": 1.0}
    front.add([row(10, 100)])
    assert front.rows == [row(10, 100)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_area": 0}, "max_area is above 0 and finite, not 0"),
        ({"max_power": float("nan")}, "max_power is above 0 and finite, not nan"),
        ({"device": "u281"}, "unknown device 'u281'; known are u280"),
    ],
)
def test_budgets_that_cannot_be_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Budgets(**fields)


def test_objectives_are_named_once() -> None:
    with pytest.raises(InputError, match="objectives are different ones of area, .*, not area, area"):
        objectives(["area", "area"], "xcup")
    with pytest.raises(InputError, match="unknown objective 'speed'"):
        objectives(["speed"], "xcup")
