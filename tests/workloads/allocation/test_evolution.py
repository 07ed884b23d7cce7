"""The search beyond losses that add up: never worse than what it begins with, better where losses meet."""

import numpy as np

from workloads.allocation.evolution import CHILDREN, GENERATIONS, evolved
from workloads.allocation.greedy import Choice, Reals, greedy, total


def test_losses_that_meet(rng: np.random.Generator) -> None:
    """The first two of six layers lose ten times as much together as their table says: they have to be wide."""
    bits = np.array([3, 4, 5, 6])
    errors = rng.uniform(0.5, 2, (6, 1)) * 4.0**-bits
    costs = np.tile(bits, (6, 1)).astype(float)
    seen: list[bytes] = []
    told: list[tuple[int, int]] = []

    def loss(chosen: Choice) -> float:
        each = errors[np.arange(6), chosen]
        return float(each.sum() + 10 * (each[0] + each[1]))

    def measure(chosen: Choice) -> float:
        seen.append(chosen.tobytes())
        return loss(chosen)

    def choose(factors: Reals) -> Choice:
        return greedy(errors * factors[:, None], costs, 26)

    found = evolved(choose, measure, 6, 1, lambda *of: told.append(of))
    start = choose(np.ones(6))
    assert loss(found) < 0.75 * loss(start)
    assert total(costs, found) <= 26
    assert len(set(seen)) == len(seen), "a choice is measured once"
    assert told[-1] == (1 + CHILDREN * GENERATIONS,) * 2
    again = evolved(choose, loss, 6, 1, lambda *_: None)
    assert (again == found).all()


def test_what_cannot_be_bettered_is_kept() -> None:
    start = np.array([1, 0])
    found = evolved(lambda factors: start if (factors == 1).all() else start[::-1].copy(), lambda c: float(c[1]), 2, 3, print)
    assert (found == start).all()
