"""``explore``: the best designs of a space within budgets, quick figures for all points, exact ones for the best."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from shiftwise.axes import Axis
from shiftwise.comparison.accuracy import Trial
from shiftwise.comparison.costs import PASSES
from shiftwise.exploration.evaluation import Evaluation
from shiftwise.exploration.figures import Asked
from shiftwise.exploration.front import Row
from shiftwise.exploration.objectives import DEFAULT, Budgets, objectives
from shiftwise.exploration.points import all_rows, noises_of, searched, widths
from shiftwise.exploration.search import SAMPLERS, Search
from shiftwise.exploration.space import BASE, WEIGHT_BITS, Space, load_space
from shiftwise.exploration.survivors import Survivors, table_of
from shiftwise.exploration.widths import known_widths, widths_of
from shiftwise.findings import found
from shiftwise.request import check_recipe, has_accuracy, read_text
from shiftwise.results import Results
from shiftwise.workers import check_workers, crew
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


@dataclass(frozen=True)
class Exploration:
    """What a search found: a row of ``table`` for each of the best designs, what was ``asked``, and where all points are.

    ``table`` has the fields that were searched, exact figures, the ``noise`` that stood for accuracy and, of a model with
    weights, the ``loss`` that was measured and its recipe; ``quick_*`` are the figures that the search went by, ``front``
    says whether no other row is as good in every objective and better in one. ``passes`` are those of each row's models,
    operator by operator (:mod:`shiftwise.passes`).
    """

    table: pd.DataFrame
    objectives: tuple[Axis, ...]
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
    # What loses little accuracy has little noise, and is found only if that is wanted.
    more = ("noise",) if limits.max_loss is not None and "noise" not in wanted else ()
    search = Search(chosen, objectives((*wanted, *more), target), limits, points, sampler, seed, storage)
    judged = tuple(model for model in models if has_accuracy(model))
    check(asked, search, judged, survivors, recipes, accuracy_bytes, workers)
    search.reach_storage()
    layers = widths(chosen, models[0])
    tell = progress or (lambda *_: None)
    with Results(out) as results, crew(workers, scheduler) as hands:

        def ask(find: Callable[[Any], Any], tasks: Sequence[Any], what: str) -> dict[str, Any]:
            return found(find, tasks, results, hands.each, lambda done, total: tell(what, done, total))

        asked = replace(asked, widths=known_widths(layers, ask(widths_of, layers, "widths")))
        noises = noises_of(chosen, judged[0] if judged else next(iter(MODELS)), ask)
        front = searched(search, Evaluation(asked, chosen, noises, results, hands), tell)
        trials = [Trial(model, str(HELD_OUT_TEXT), accuracy_bytes, KV_CACHE) for model in judged]
        rows = Survivors(asked, limits, trials, recipes, ask).of(front, survivors)
    table = table_of(rows, search)
    passes = tuple(table.pop(PASSES))
    told = {"models": list(models), "phase": phase, "sequence": sequence, "space": chosen.name, "size": chosen.size,
            "base": chosen.base.name, "target": target, "accuracy_bytes": accuracy_bytes if judged else 0,
            "recipes": list(recipes), "budgets": limits.in_words,
            "sampler": "all points" if search.is_whole else sampler}  # fmt: skip
    return Exploration(table, search.objectives, told, passes, lambda: all_rows(asked, chosen, noises, out))


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
    if WEIGHT_BITS in search.space.choices and (len(asked.models), len(judged)) != (1, 1):
        raise InputError(f"{WEIGHT_BITS} go with one model that has weights, not with {', '.join(asked.models)}")
    if accuracy_bytes < 2:
        raise InputError(f"accuracy_bytes is at least 2, not {accuracy_bytes}")
    if judged and not recipes:
        raise InputError("at least one recipe is tried, not none")
    for recipe in recipes:
        check_recipe(recipe, read_text(HELD_OUT_TEXT), accuracy_bytes)
