"""The best points: every operator scheduled, accuracy through the simulated hardware, and those within the budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from shiftwise.comparison.accuracy import Trial, bits_per_byte_of
from shiftwise.comparison.costs import PASSES
from shiftwise.comparison.fronts import unbeaten
from shiftwise.exploration.figures import Asked, Exact, Fields, allocation_of, exact_figures
from shiftwise.exploration.front import Front, Row
from shiftwise.exploration.objectives import LOSS, Budgets
from shiftwise.exploration.points import Ask, nothing_within
from shiftwise.exploration.search import Search
from shiftwise.exploration.space import FIELDS, WEIGHT_BITS, design_of
from sim.errors import InputError


@dataclass(frozen=True)
class Survivors:
    """What is found of the best points: schedules, and where models have weights the loss of the best recipe."""

    asked: Asked
    budgets: Budgets
    trials: Sequence[Trial]
    recipes: Sequence[str]
    ask: Ask

    def of(self, front: Front, number: int) -> list[dict[str, Any]]:
        """Rows of so many points of a front, those furthest from each other.

        A loss is known of these alone. Where it is limited and too great for some, as many points again are looked at, of the
        others that have less noise than any of those.
        """
        best = front.spread(number)
        rows = self.exact(best)
        limit = self.budgets.max_loss
        lossy = [row["noise"] for row in rows if limit is not None and not row[LOSS] <= limit]
        looked_at = set(map(id, best))
        quieter = [row for row in front.rows if id(row) not in looked_at and row["noise"] < min(lossy)] if lossy else []
        quieter.sort(key=lambda row: row["noise"])
        return rows + self.exact(quieter[:: max(1, -(-len(quieter) // number))]) if quieter else rows

    def exact(self, best: Sequence[Row]) -> list[dict[str, Any]]:
        """Rows with exact figures, and the loss of the best recipe."""
        fields = [{name: row[name] for name in row if name in (*FIELDS, WEIGHT_BITS)} for row in best]
        tasks = [Exact(self.asked, tuple(one.items())) for one in fields]
        figures = self.ask(exact_figures, tasks, "schedules")
        tried = [self._trials(one) for one in fields]
        every = [trial for of_row in tried for of_recipe in of_row.values() for trial in of_recipe]
        bits = self.ask(bits_per_byte_of, [*self.trials, *every], "accuracies")
        rows = []
        for row, one, task, of_row in zip(best, fields, tasks, tried, strict=True):
            if figures[task.key] is not None:
                exact, passes = figures[task.key]["figures"], figures[task.key][PASSES]
                quick = {f"quick_{name}": value for name, value in row.items() if name in exact}
                loss = _loss(of_row, self.trials, bits)
                rows.append({**one, **exact, "noise": row["noise"], **loss, **quick, PASSES: passes})
        return rows

    def _trials(self, fields: Fields) -> dict[str, list[Trial]]:
        """For each recipe the trial of each model."""
        design = design_of(self.asked.base, fields)
        allocation = allocation_of(design, self.asked.layers(fields))
        tried = [replace(trial, design=design, allocation=allocation) for trial in self.trials]
        return {recipe: [replace(trial, recipe=recipe) for trial in tried] for recipe in self.recipes}


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


def table_of(rows: list[dict[str, Any]], search: Search) -> pd.DataFrame:
    """Rows that keep within the budgets. Raises ``InputError`` where none does."""
    within = [row for row in rows if not search.budgets.broken(row)]
    if not within:
        if not rows:
            raise InputError(f"none of the best points of space {search.space.name!r} can be scheduled")
        front = Front(search.objectives, search.budgets)
        front.add(rows)
        raise InputError(nothing_within(search, front, "", len(rows)).replace("no point", "none of the best points", 1))
    table = pd.DataFrame(within)
    names = [LOSS if one.name == "noise" and LOSS in table else one.name for one in search.objectives]
    signs = [1 if one.less else -1 for one in search.objectives]
    values = table[names].to_numpy(float) * signs
    table["front"] = False
    table.loc[unbeaten(np.nan_to_num(values, nan=np.inf)), "front"] = True
    return table.sort_values(names[0]).reset_index(drop=True)
