"""What ``allocate`` is asked, checked as far as that goes without torch, which takes seconds to load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costmodel.energy import energy_per_action
from shiftwise.request import check_recipe, has_accuracy, read_text
from sim.design import DesignPoint, load_design, of_file
from sim.errors import InputError, choose
from sim.widths import narrower_formats, with_format
from workloads.allocation.allocation import PER, ordered
from workloads.passes import Phase, check_pass

BUDGETS = {
    "bits": "mean width of the codes of weights [bit]",
    "cycles": "cycles of the pass",
    "energy": "energy of a token [J]",
}
"""What an allocation may keep within."""

SEARCHES = {
    "greedy": "the step that saves most loss for its cost comes first",
    "evolutionary": "the greedy one with other weights of the layers, by the loss of all of them together",
}


@dataclass(frozen=True)
class Asked:
    """An allocation to find: a format for each unit (``per``), so that of ``budget`` there is ``limit`` at most.

    ``formats`` are those to choose from, the narrowest first. Cycles and energies are those of a pass with one sequence.
    """

    design: DesignPoint
    model: str
    budget: str
    limit: float
    per: str
    search: str
    formats: tuple[str, ...]
    phase: Phase
    sequence: int
    recipe: str
    accuracy_bytes: int


def checked(
    design: str | DesignPoint,
    model: str,
    budgets: Mapping[str, float | None],
    per: str,
    search: str,
    formats: Sequence[str],
    phase: Phase,
    sequence: int,
    recipe: str,
    accuracy_bytes: int,
) -> Asked:
    """The arguments of :func:`shiftwise.allocate`. Raises ``InputError`` for those that cannot be used."""
    point = load_design(design)
    budget, limit = _budget(budgets)
    choose("unit of an allocation", per, PER)
    choose("search", search, SEARCHES)
    with of_file(design):
        energy_per_action(point, point.technology)  # refuses what the technology cannot cost
        for name in formats:
            with_format(point, name)
    check_pass(phase, 1, sequence)
    if not has_accuracy(model):
        raise InputError(f"bits are allocated in a model that has weights, not in {model!r}")
    if accuracy_bytes < 2:
        raise InputError(f"accuracy_bytes is at least 2, not {accuracy_bytes}")
    check_recipe("gptq", read_text(None), accuracy_bytes)  # losses need calibration, whatever the recipe
    check_recipe(recipe, read_text(None), accuracy_bytes)
    return Asked(
        point, model, budget, limit, per, search, tuple(ordered(formats)) or narrower_formats(point), phase, sequence, recipe,
        accuracy_bytes,
    )  # fmt: skip


def _budget(given: Mapping[str, float | None]) -> tuple[str, float]:
    """The one budget that is given."""
    there = {name: limit for name, limit in given.items() if limit is not None}
    if len(there) != 1:
        told = ", ".join(f"{name} {limit:g}" for name, limit in there.items()) or "none"
        raise InputError(
            f"one budget is given, {' or '.join(f'{name} ({what})' for name, what in BUDGETS.items())}, not {told}"
        )
    name, limit = next(iter(there.items()))
    if not 0 < limit < float("inf"):
        raise InputError(f"a budget of {name} is above 0 and finite, not {limit}")
    return name, limit
