"""The greedy choice against all choices."""

from itertools import product

import numpy as np
import pytest

from sim.errors import InputError
from workloads.allocation.greedy import greedy, total


def exhaustive(errors: np.ndarray, costs: np.ndarray, budget: float) -> float:
    """The least error of any choice within a budget."""
    choices = (np.array(c) for c in product(range(errors.shape[1]), repeat=len(errors)))
    return min(total(errors, c) for c in choices if total(costs, c) <= budget + 1e-9)


def test_convex_curves_are_chosen_as_well_as_can_be(rng: np.random.Generator) -> None:
    """Six units of one size, errors that fall by a factor for each bit: for every budget of whole bits."""
    bits = np.array([3, 4, 5])
    errors = rng.lognormal(sigma=2, size=(6, 1)) * rng.uniform(2.5, 5, (6, 1)) ** -bits
    costs = np.tile(bits, (6, 1)).astype(float)
    for budget in range(18, 31):
        chosen = greedy(errors, costs, budget)
        assert total(costs, chosen) <= budget
        assert total(errors, chosen) == pytest.approx(exhaustive(errors, costs, budget), rel=1e-9)


def test_any_curves_are_chosen_well(rng: np.random.Generator) -> None:
    """Errors that fall unevenly, units of different sizes: within the greatest step of the best."""
    for _ in range(20):
        errors = -np.sort(-rng.random((5, 4)), axis=1)
        costs = np.cumsum(rng.uniform(0.5, 2, (5, 4)), axis=1)
        budget = costs.min(axis=1).sum() + rng.uniform(0, 8)
        chosen = greedy(errors, costs, budget)
        assert total(costs, chosen) <= budget
        gaps = (errors[:, :1] - errors).max()
        assert total(errors, chosen) <= exhaustive(errors, costs, budget) + gaps


def test_a_width_that_does_not_help_is_not_taken() -> None:
    errors, costs = np.array([[1.0, 2.0], [1.0, 0.5]]), np.array([[4.0, 8.0], [4.0, 8.0]])
    assert greedy(errors, costs, 16).tolist() == [0, 1]


def test_a_step_over_a_width_between() -> None:
    """The middle width hardly helps, the widest much: both steps are one."""
    errors, costs = np.array([[1.0, 0.99, 0.0], [1.0, 0.9, 0.89]]), np.array([[3.0, 4.0, 5.0]] * 2)
    assert greedy(errors, costs, 8).tolist() == [2, 0]


def test_what_is_left_is_given_to_what_fits() -> None:
    """The step of the large unit helps more but does not fit."""
    errors, costs = np.array([[100.0, 0.0], [1.0, 0.0]]), np.array([[10.0, 20.0], [1.0, 2.0]])
    assert greedy(errors, costs, 12).tolist() == [0, 1]


def test_formats_of_one_width() -> None:
    """Of two that cost alike, the one that loses less; a cheaper one that loses as little is as good."""
    assert greedy(np.array([[3.0, 1.0, 2.0]]), np.array([[4.0, 4.0, 5.0]]), 5).tolist() == [1]


def test_a_budget_below_the_narrowest() -> None:
    with pytest.raises(InputError, match=r"a budget of at least 6, which the cheapest formats need, is given, not 5\.5$"):
        greedy(np.ones((2, 2)), np.array([[3.0, 4.0], [3.0, 4.0]]), 5.5)
