"""The search beyond what units lose one by one: factors for layers are changed at random, and those are kept that help.

Losses of units are taken to add up, which holds while they are small and do not meet. A search is over a factor for each layer
by which its losses count (:func:`workloads.allocation.greedy.greedy` makes an allocation of them), and what is compared is the
loss of the model with all of its layers rounded. Evolution strategy (mu + lambda): Beyer and Schwefel, "Evolution strategies: a
comprehensive introduction", Natural Computing 1 (2002).
"""

from collections.abc import Callable

import numpy as np

from workloads.allocation.greedy import Choice, Reals

PARENTS, CHILDREN, GENERATIONS = 4, 8, 6

SHARE = 0.25
"""Of layers whose factor changes from parent to child."""

STEP = np.log(4)
"""Standard deviation of the logarithm of a change: what a bit of width makes of a squared error."""


def evolved(
    choose: Callable[[Reals], Choice],
    measure: Callable[[Choice], float],
    layers: int,
    seed: int,
    tell: Callable[[int, int], None],
) -> Choice:
    """The choice that is measured least, of what ``choose`` makes of factors ``[layers]``; that of factors of 1 is the first.

    Each choice is measured once. ``tell`` is told how many there were, and of how many.
    """
    rng = np.random.default_rng(seed)
    measured: dict[bytes, float] = {}
    known: list[tuple[float, Reals, Choice]] = []

    def look_at(factors: Reals) -> None:
        chosen = choose(factors)
        if chosen.tobytes() not in measured:
            measured[chosen.tobytes()] = measure(chosen)
        known.append((measured[chosen.tobytes()], factors, chosen))
        known.sort(key=lambda one: one[0])
        tell(len(known), 1 + CHILDREN * GENERATIONS)

    look_at(np.ones(layers))
    for _ in range(GENERATIONS):
        parents = [factors for _, factors, _ in known[:PARENTS]]
        for _ in range(CHILDREN):
            one, other = (parents[place] for place in rng.integers(len(parents), size=2))
            crossed = np.where(rng.random(layers) < 0.5, one, other)
            changes = np.where(rng.random(layers) < SHARE, rng.normal(scale=STEP, size=layers), 0.0)
            look_at(crossed * np.exp(changes))
    return known[0][2]
