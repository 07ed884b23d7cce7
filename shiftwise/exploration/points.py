"""All points of a search: the noise of every arithmetic, the front of what was looked at, and what there is if it is empty."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiftwise.digests import digest_of
from shiftwise.exploration.evaluation import Evaluation
from shiftwise.exploration.figures import Asked
from shiftwise.exploration.front import Front, Row
from shiftwise.exploration.noise import Arithmetic, Noise, noise_db
from shiftwise.exploration.search import Search
from shiftwise.exploration.space import WEIGHT_BITS, Space, design_of
from shiftwise.exploration.widths import Widths
from shiftwise.results import Results
from shiftwise.workers import Crew
from sim.design import DesignPoint
from sim.errors import InputError
from sim.widths import narrower_formats

if TYPE_CHECKING:
    from shiftwise.accuracy import Tell

Ask = Callable[[Callable[[Any], Any], Sequence[Any], str], dict[str, Any]]
"""What a function says of tasks, by their keys."""

FOUND_BEFORE = 256
"""Points that were found before and are compared at a time."""


def arithmetics(space: Space, model: str) -> dict[Arithmetic, Noise]:
    """The noise to find of every arithmetic of the space, on a model's products."""
    noises: dict[Arithmetic, Noise] = {}
    for design in _designs(space):
        formats = narrower_formats(design) if WEIGHT_BITS in space.choices else (design.weight_format,)
        for seen in map(design.with_weights, formats):
            noise = Noise(model, seen)
            noises.setdefault(noise.arithmetic, noise)
    return noises


def widths(space: Space, model: str) -> tuple[Widths, ...]:
    """The widths of layers to find for all weights of the space, where they are an axis of it."""
    bits = tuple(float(value) for value in space.choices.get(WEIGHT_BITS, ()))
    tasks = [Widths(model, design, bits) for design in _designs(space)] if bits else []
    return tuple({task.weights: task for task in tasks}.values())


def _designs(space: Space) -> Iterator[DesignPoint]:
    """A design for each arithmetic, group and dataflow of the space that go together."""
    groups = space.choices.get("group_size", (space.base.group_size,))
    flows = space.choices.get("dataflow", (space.base.dataflow,))
    for chosen, group_size, dataflow in itertools.product(space.arithmetics, groups, flows):
        with suppress(InputError):
            yield design_of(space.base, {**chosen, "group_size": group_size, "dataflow": dataflow})


def noises_of(space: Space, model: str, ask: Ask) -> dict[Arithmetic, float | None]:
    """The noise [dB] of every arithmetic of the space."""
    noises = arithmetics(space, model)
    known = ask(noise_db, list(noises.values()), "arithmetics")
    return {arithmetic: known[noise.key] for arithmetic, noise in noises.items()}


def searched(search: Search, evaluation: Evaluation, tell: "Tell") -> Front:
    """The front of all points: those that were found before, and those that are looked at now.

    Raises ``InputError`` where no point has figures, or none keeps within the budgets.
    """
    front = Front(search.objectives, search.budgets)
    batch: list[Row] = []
    for row in evaluation.all_rows():
        batch.append(row)
        if len(batch) == FOUND_BEFORE:
            front.add(batch)
            batch = []
    front.add(batch)
    what = (search.space.base, search.space.choices, search.objectives, search.budgets, search.sampler, search.seed)
    place = f"search-{digest_of('figures', evaluation.asked.key, *what)}"
    total = search.space.size if search.is_whole else search.points
    asked = min(evaluation.results.known([place]).get(place, 0), total)
    tell("points", asked, total)
    for rows, looked_at in search.generations(front, asked, evaluation.begin, f"shiftwise-{search.space.name}-{place[-8:]}"):
        evaluation.results.keep({place: looked_at})
        front.add(rows)
        tell("points", looked_at, total)
    if not front.rows:
        raise InputError(nothing_within(search, front, evaluation.why, total))
    return front


def nothing_within(search: Search, front: Front, why: str, total: int) -> str:
    """Why there is no point within the budgets, and which is the nearest."""
    if front.nearest is None:
        return f"none of the {total} points of space {search.space.name!r} has figures; of the last one: {why}"
    told = "; ".join(search.budgets.told(name, front.nearest) for name in search.budgets.broken(front.nearest))
    return f"no point of {total} keeps within the budgets; the nearest is {_named(search.space, front.nearest)}, of {told}"


def _named(space: Space, row: Row) -> str:
    return ", ".join(f"{name} {row[name]}" for name in space.choices)


def all_rows(asked: Asked, space: Space, noises: Mapping[Arithmetic, float | None], out: str | Path) -> Iterator[Row]:
    """Every point of the space that is in the file of results."""
    with Results(out) as results:
        yield from Evaluation(asked, space, noises, results, Crew()).all_rows()
