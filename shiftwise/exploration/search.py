"""Which points are looked at: all of a small space, else those that Optuna proposes (NSGA-II, TPE) from what was found.

Proposals come in generations; a part of one is evaluated while the next part is proposed. Optuna holds every trial of a
study in memory and goes through all of them for each proposal, so a study ends after some trials and the next one
begins with the best points so far.
"""

import itertools
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shiftwise.axes import Axis
from shiftwise.exploration.front import Front, Row
from shiftwise.exploration.objectives import Budgets
from shiftwise.exploration.space import NAMES, Place, Space
from sim.errors import InputError

if TYPE_CHECKING:  # what it imports takes a second
    from optuna import Study
    from optuna.trial import Trial

PART = 16
"""Points that a worker is given at once."""

AHEAD = 8
"""Parts of a whole space that are begun before the first of them is waited for."""

BEST = 32
"""Points of the front that a study begins with."""

Found = Row | None
Begin = Callable[[Sequence[Place]], Callable[[], list[Found]]]
"""Begins to evaluate some places, and returns what waits for the rows: none where there is no design or no figure."""


@dataclass(frozen=True)
class Sampler:
    """Trials of a generation, and after how many a study ends."""

    generation: int
    trials: int


SAMPLERS: dict[str, Sampler] = {"nsga2": Sampler(96, 960), "tpe": Sampler(16, 480)}
"""By name: NSGA-II (Deb et al., IEEE TEC 6(2), 2002) and tree-structured Parzen estimators (Ozaki et al., GECCO 2020)."""


@dataclass(frozen=True)
class Search:
    """How a space is searched: at most ``points`` of it, ``begun`` with those that were found before."""

    space: Space
    objectives: tuple[Axis, ...]
    budgets: Budgets
    points: int
    sampler: str
    seed: int
    storage: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every point is looked at."""
        return self.space.size <= self.points

    def generations(self, front: Front, asked: int, begin: Begin, name: str) -> Iterator[tuple[list[Row], int]]:
        """Rows that are found from the ``asked``-th point on, and how many points were looked at by then.

        ``name`` is that of studies in a storage, each with the number of its first point behind it.
        """
        if self.is_whole:
            yield from _whole(self.space, asked, begin)
            return
        kind = SAMPLERS[self.sampler]
        while asked < self.points:
            study = self._study(asked, name)
            for best in front.spread(BEST):
                study.enqueue_trial(_parameters(self.space, self.space.place(best)))
            for _ in range(-(-min(kind.trials, self.points - asked) // kind.generation)):
                size = min(kind.generation, self.points - asked)
                asked += size
                yield self._generation(study, size, begin), asked

    def _generation(self, study: "Study", size: int, begin: Begin) -> list[Row]:
        from optuna.trial import TrialState

        parts, axes = [], _distributions(self.space, self.sampler)
        for part in _parts(range(size)):
            trials = [study.ask(axes) for _ in part]
            parts.append((trials, begin([_place(self.space, trial) for trial in trials])))
        found = []
        for trials, rows in parts:
            for trial, row in zip(trials, rows(), strict=True):
                if row is None:
                    study.tell(trial, state=TrialState.FAIL)
                    continue
                trial.set_constraint("budgets", sum(self.budgets.broken(row).values()))
                study.tell(trial, [one.smaller(row[one.name]) for one in self.objectives])
                found.append(row)
        return found

    def reach_storage(self) -> None:
        """Raise ``InputError`` for a storage that cannot be reached, before anything is looked for."""
        import optuna

        if self.storage is not None:
            with _quiet(), _reached(self.storage):
                optuna.storages.get_storage(self.storage)

    def _study(self, asked: int, name: str) -> "Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        kind = SAMPLERS[self.sampler]
        sampler: Any = (
            optuna.samplers.NSGAIISampler(population_size=kind.generation, seed=self.seed + asked)
            if self.sampler == "nsga2"
            else optuna.samplers.TPESampler(seed=self.seed + asked, n_startup_trials=4 * kind.generation)
        )
        with _quiet(), _reached(self.storage):
            return optuna.create_study(
                storage=self.storage,
                directions=["minimize"] * len(self.objectives),
                sampler=sampler,
                study_name=None if self.storage is None else f"{name}-{asked}",
                load_if_exists=True,
            )


def _whole(space: Space, asked: int, begin: Begin) -> Iterator[tuple[list[Row], int]]:
    """Parts are begun ahead of those that are waited for."""
    ahead: deque[tuple[int, Callable[[], list[Found]]]] = deque()
    parts = _parts(itertools.islice(space, asked, None))
    while True:
        while len(ahead) < AHEAD and (part := next(parts, [])):
            ahead.append((len(part), begin(part)))
        if not ahead:
            return
        size, rows = ahead.popleft()
        asked += size
        yield [row for row in rows() if row is not None], asked


def _parts(points: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(points)
    while part := list(itertools.islice(rest, PART)):
        yield part


def _distributions(space: Space, sampler: str) -> dict[str, Any]:
    """Values by their places; whether these are in an order is of no account to NSGA-II, which exchanges them whole."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    unordered = ("pe", *NAMES) if sampler == "tpe" else ()
    return {
        axis: CategoricalDistribution(tuple(range(choices))) if axis in unordered else IntDistribution(0, choices - 1)
        for axis, choices in space.axes.items()
        if choices > 1
    }


def _place(space: Space, trial: "Trial") -> Place:
    return tuple(trial.params.get(axis, 0) for axis in space.axes)


def _parameters(space: Space, place: Place) -> dict[str, int]:
    return {axis: i for (axis, choices), i in zip(space.axes.items(), place, strict=True) if choices > 1}


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _reached(storage: str | None) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of whichever database it is
        if storage is None:
            raise
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"storage {storage!r} cannot be used: {reason}; a URL as sqlite:///study.db or postgresql://HOST/NAME is needed"
        ) from None
