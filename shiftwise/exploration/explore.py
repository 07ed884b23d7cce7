"""``explore``: the best designs of a space within budgets, quick figures for all points, exact ones for the best."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from shiftwise.comparison.accuracy import Trial, bits_per_byte_of
from shiftwise.comparison.costs import PASSES
from shiftwise.comparison.fronts import unbeaten
from shiftwise.digests import digest_of
from shiftwise.exploration.evaluation import Evaluation
from shiftwise.exploration.figures import Asked, Exact, Fields, exact_figures
from shiftwise.exploration.front import Front, Row
from shiftwise.exploration.noise import Arithmetic, Noise, noise_db
from shiftwise.exploration.objectives import DEFAULT, LOSS, Budgets, Objective, objectives
from shiftwise.exploration.search import SAMPLERS, Search
from shiftwise.exploration.space import BASE, Space, design_of, load_space
from shiftwise.findings import found
from shiftwise.request import check_recipe, has_accuracy, read_text
from shiftwise.results import Results
from shiftwise.workers import Crew, check_workers, crew
from sim.design import DesignPoint
from sim.errors import InputError, choose
from workloads.embedded import HELD_OUT_TEXT, MODELS
from workloads.passes import Phase, check_pass
from workloads.zoo import config_path

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from shiftwise.accuracy import Tell

POINTS, SURVIVORS, JUDGED, SEQUENCE = 2000, 32, 2048, 512

KV_CACHE = "per_token"

Ask = Callable[[Callable[[Any], Any], Sequence[Any], str], dict[str, Any]]
"""What a function says of tasks, by their keys."""


@dataclass(frozen=True)
class Exploration:
    """What a search found: a row of ``table`` for each of the best designs, what was ``asked``, and where all points are.

    ``table`` has the fields that were searched, exact figures, the ``noise`` that stood for accuracy and, of a model with
    weights, the ``loss`` that was measured and its recipe; ``quick_*`` are the figures that the search went by, ``front``
    says whether no other row is as good in every objective and better in one. ``passes`` are those of each row's models,
    operator by operator (:mod:`shiftwise.passes`).
    """

    table: pd.DataFrame
    objectives: tuple[Objective, ...]
    asked: Mapping[str, Any]
    passes: tuple[Sequence[Mapping[str, Any]], ...] = field(repr=False)
    _rows: Callable[[], Iterator[Row]]

    @property
    def points(self) -> pd.DataFrame:
        """Every point of the space that was looked at and has figures, read from the file of results."""
        return pd.DataFrame(self._rows())

    def plot(self, x: str = "area", y: str = "energy") -> "go.Figure":
        """All points over two objectives, the best designs above them."""
        from reports.exploration import scatter

        names = {one.name: one for one in self.objectives}
        return scatter(self.points, self.table, choose("objective", x, names), choose("objective", y, names))

    def write(self, folder: str | Path) -> Path:
        """Write ``exploration.csv``, ``.parquet``, ``.html``, ``points.parquet`` and figures; returns the page's path."""
        from reports.exploration import write_exploration

        return write_exploration(self.table, self.points, self.objectives, self.asked, self.passes, Path(folder))

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.4g}".format))


def explore(
    space: str | Space = "edge",
    design: str | DesignPoint = BASE,
    models: Sequence[str] = ("tiny-stdlib",),
    phase: Phase = "decode",
    sequence: int | None = SEQUENCE,
    wanted: Sequence[str] = DEFAULT,
    budgets: Budgets | None = None,
    points: int = POINTS,
    sampler: str = "nsga2",
    seed: int = 1,
    survivors: int = SURVIVORS,
    recipes: Sequence[str] = ("nearest",),
    accuracy_bytes: int = JUDGED,
    target: str = "sky130",
    out: str | Path = "build/explore",
    workers: int = 1,
    scheduler: str | None = None,
    storage: str | None = None,
    progress: "Tell | None" = None,
) -> Exploration:
    """Search a ``space`` (:data:`shiftwise.exploration.space.SPACES`, or a TOML file) for designs that are good in what is
    ``wanted`` (:data:`shiftwise.exploration.objectives.OBJECTIVES`) and keep within ``budgets``.

    At most ``points`` are looked at, all of a smaller space, in closed form. Up to ``survivors`` of the best then have
    every operator scheduled, and their accuracy measured on ``accuracy_bytes`` of held-out text as
    :func:`shiftwise.compare` does, with the best of the ``recipes``; of several models that which loses most counts. What is
    found is kept in ``out`` at once, and not found again. Raises ``InputError`` for input that cannot be used, and for
    budgets that nothing keeps within, which names the nearest that is possible.
    """
    limits = budgets or Budgets()
    chosen = space if isinstance(space, Space) else load_space(space, design)
    asked = Asked(chosen.base, tuple(models), phase, sequence, target, limits.device)
    search = Search(chosen, objectives(wanted, target), limits, points, sampler, seed, storage)
    judged = tuple(model for model in models if has_accuracy(model))
    check(asked, search, judged, survivors, recipes, accuracy_bytes, workers)
    tell = progress or (lambda *_: None)
    with Results(out) as results, crew(workers, scheduler) as hands:

        def ask(find: Callable[[Any], Any], tasks: Sequence[Any], what: str) -> dict[str, Any]:
            return found(find, tasks, results, hands.each, lambda done, total: tell(what, done, total))

        noises = _noises(chosen, judged[0] if judged else next(iter(MODELS)), ask)
        front = searched(search, Evaluation(asked, chosen, noises, results, hands), tell)
        trials = [Trial(model, str(HELD_OUT_TEXT), accuracy_bytes, KV_CACHE) for model in judged]
        rows = _exact(asked, front.spread(survivors), trials, recipes, ask)
    table = _table(rows, search)
    passes = tuple(table.pop(PASSES))
    told = {"models": list(models), "phase": phase, "sequence": sequence, "space": chosen.name, "size": chosen.size,
            "base": chosen.base.name, "target": target, "accuracy_bytes": accuracy_bytes if judged else 0,
            "recipes": list(recipes), "sampler": "all points" if search.is_whole else sampler}  # fmt: skip
    return Exploration(table, search.objectives, told, passes, lambda: _all_rows(asked, chosen, noises, out))


def check(
    asked: Asked,
    search: Search,
    judged: Sequence[str],
    survivors: int,
    recipes: Sequence[str],
    accuracy_bytes: int,
    workers: int,
) -> None:
    """Raise ``InputError`` for what cannot be explored, as far as that is known without torch."""
    check_workers(workers)
    choose("sampler", search.sampler, SAMPLERS)
    if not asked.models:
        raise InputError("at least one model is explored, not none")
    check_pass(asked.phase, 1, asked.sequence)
    for model in asked.models:
        config_path(model)
    for what, number in (("points", search.points), ("survivors", survivors)):
        if number < 1:
            raise InputError(f"{what} of an exploration are at least 1, not {number}")
    if search.budgets.max_loss is not None and not judged:
        raise InputError(f"max_loss goes with a model that has weights, not with {', '.join(asked.models)}")
    if accuracy_bytes < 2:
        raise InputError(f"accuracy_bytes is at least 2, not {accuracy_bytes}")
    if judged and not recipes:
        raise InputError("at least one recipe is tried, not none")
    for recipe in recipes:
        check_recipe(recipe, read_text(HELD_OUT_TEXT), accuracy_bytes)


def arithmetics(space: Space, model: str) -> dict[Arithmetic, Noise]:
    """The noise to find of every arithmetic of the space, on a model's products."""
    noises: dict[Arithmetic, Noise] = {}
    groups = space.choices.get("group_size", (space.base.group_size,))
    flows = space.choices.get("dataflow", (space.base.dataflow,))
    for chosen, group_size, dataflow in itertools.product(space.arithmetics, groups, flows):
        with suppress(InputError):
            noise = Noise(model, design_of(space.base, {**chosen, "group_size": group_size, "dataflow": dataflow}))
            noises.setdefault(noise.arithmetic, noise)
    return noises


def _noises(space: Space, model: str, ask: Ask) -> dict[Arithmetic, float | None]:
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
        raise InputError(_nothing(search, front, evaluation.why, total))
    return front


FOUND_BEFORE = 256
"""Points that were found before and are compared at a time."""


def _nothing(search: Search, front: Front, why: str, total: int) -> str:
    if front.nearest is None:
        return f"none of the {total} points of space {search.space.name!r} has figures; of the last one: {why}"
    told = "; ".join(search.budgets.told(name, front.nearest) for name in search.budgets.broken(front.nearest))
    return f"no point of {total} keeps within the budgets; the nearest is {_named(search.space, front.nearest)}, of {told}"


def _named(space: Space, row: Row) -> str:
    return ", ".join(f"{name} {row[name]}" for name in space.choices)


def _exact(
    asked: Asked, best: Sequence[Row], trials: Sequence[Trial], recipes: Sequence[str], ask: Ask
) -> list[dict[str, Any]]:
    """The best rows with exact figures, and the loss of the best recipe where models have weights."""
    names = [name for name in best[0] if hasattr(asked.base, name)]
    fields = [{name: row[name] for name in names} for row in best]
    tasks = [Exact(asked, tuple(one.items())) for one in fields]
    figures = ask(exact_figures, tasks, "schedules")
    tried = [_trials(asked, one, trials, recipes) for one in fields]
    every = [trial for of_row in tried for of_recipe in of_row.values() for trial in of_recipe]
    bits = ask(bits_per_byte_of, [*trials, *every], "accuracies")
    rows = []
    for row, one, task, of_row in zip(best, fields, tasks, tried, strict=True):
        if figures[task.key] is not None:
            exact, passes = figures[task.key]["figures"], figures[task.key][PASSES]
            quick = {f"quick_{name}": value for name, value in row.items() if name in exact}
            rows.append({**one, **exact, "noise": row["noise"], **_loss(of_row, trials, bits), **quick, PASSES: passes})
    return rows


def _trials(asked: Asked, fields: Fields, trials: Sequence[Trial], recipes: Sequence[str]) -> dict[str, list[Trial]]:
    """For each recipe the trial of each model."""
    design = design_of(asked.base, fields)
    return {recipe: [replace(trial, recipe=recipe, design=design) for trial in trials] for recipe in recipes}


def _loss(tried: Mapping[str, Sequence[Trial]], trials: Sequence[Trial], bits: Mapping[str, Any]) -> dict[str, Any]:
    """The least loss of any recipe, of the model that loses most by it."""
    if not trials:
        return {}
    losses = {
        recipe: max(bits[trial.key] / bits[exact.key] - 1 for trial, exact in zip(of_recipe, trials, strict=True))
        for recipe, of_recipe in tried.items()
        if all(bits[trial.key] is not None for trial in of_recipe)
    }
    best = min(losses, key=losses.__getitem__, default=None)
    return {LOSS: np.nan if best is None else losses[best], "recipe": best}


def _table(rows: list[dict[str, Any]], search: Search) -> pd.DataFrame:
    """Rows that keep within the budgets. Raises ``InputError`` where none does."""
    within = [row for row in rows if not search.budgets.broken(row)]
    if not within:
        if not rows:
            raise InputError(f"none of the best points of space {search.space.name!r} can be scheduled")
        front = Front(search.objectives, search.budgets)
        front.add(rows)
        raise InputError(_nothing(search, front, "", len(rows)).replace("no point", "none of the best points", 1))
    table = pd.DataFrame(within)
    names = [LOSS if one.name == "noise" and LOSS in table else one.name for one in search.objectives]
    signs = [1 if one.less else -1 for one in search.objectives]
    values = table[names].to_numpy(float) * signs
    table["front"] = False
    table.loc[unbeaten(np.nan_to_num(values, nan=np.inf)), "front"] = True
    return table.sort_values(names[0]).reset_index(drop=True)


def _all_rows(asked: Asked, space: Space, noises: Mapping[Arithmetic, float | None], out: str | Path) -> Iterator[Row]:
    with Results(out) as results:
        yield from Evaluation(asked, space, noises, results, Crew()).all_rows()
