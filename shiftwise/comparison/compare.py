"""``compare``: integers, minifloats and blocks side by side, by accuracy through the hardware and by measured cost."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from shiftwise.comparison.accuracy import RECIPES, Trial, bits_per_byte_of
from shiftwise.comparison.costs import PASSES, Priced, costs_of
from shiftwise.comparison.fronts import AXES, LOSS, front, verdict, widths
from shiftwise.comparison.points import BASE, DEFAULT_SETS, Point, points
from shiftwise.findings import found
from shiftwise.results import Results
from shiftwise.workers import check_workers, each
from sim.design import DesignPoint, load_design
from sim.errors import InputError, choose
from workloads.embedded import HELD_OUT_TEXT
from workloads.kv_cache import KV_RECIPES
from workloads.recipes import RECIPES as ALL_RECIPES

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from shiftwise.accuracy import Tell

JUDGED = 4096  # [byte]
SEQUENCE = 512  # [token] of the passes that cost energy and time
TARGETS = ("xcup", "sky130")

Task = Trial | Priced


@dataclass(frozen=True)
class Comparison:
    """What a comparison found: a row of ``table`` for each point, what follows in words, and what was ``asked``.

    ``widths`` are sentences about points with both operands of one width, ``verdicts`` about each cost.

    ``table`` has the formats, the best recipe and its ``loss`` against the float model, its bits per byte, every cost of
    :data:`shiftwise.comparison.fronts.AXES`, and for each of these whether the point is on the front of cost and loss.
    ``passes`` are, of each row, those that its figures come from, operator by operator (:mod:`shiftwise.passes`).
    """

    table: pd.DataFrame
    widths: tuple[str, ...]
    verdicts: Mapping[str, tuple[str, ...]]
    asked: Mapping[str, Any]
    passes: tuple[Sequence[Mapping[str, Any]], ...] = field(repr=False)

    def write(self, folder: str | Path) -> Path:
        """Write ``comparison.csv``, ``.parquet``, ``.html`` and figures as PNG and SVG; returns the page's path."""
        from reports.comparison import write_comparison

        axes = list(AXES.values())
        return write_comparison(self.table, self.widths, self.verdicts, axes, self.asked, self.passes, Path(folder))

    def plot(self, cost: str = "luts_per_mac") -> "go.Figure":
        """Loss over a cost (:data:`shiftwise.comparison.fronts.AXES`), a point for each design, the front as a line."""
        from reports.comparison import front_figure

        return front_figure(self.table, choose("cost", cost, AXES))

    def _repr_html_(self) -> str:
        shown = self.table[["name", "family", "recipe", LOSS, *AXES]]
        return str(shown.sort_values(LOSS).to_html(index=False, float_format="{:.4g}".format))


def compare(
    design: str | DesignPoint = BASE,
    model: str = "tiny-stdlib",
    sets: Sequence[str] = DEFAULT_SETS,
    recipes: Sequence[str] = RECIPES,
    kv_cache: str = "per_token",
    text: str | Path | None = None,
    accuracy_bytes: int = JUDGED,
    target: str = "xcup",
    out: str | Path = "build/compare",
    workers: int = 1,
    scheduler: str | None = None,
    progress: "Tell | None" = None,
) -> Comparison:
    """Compare the points of some ``sets`` (:data:`shiftwise.comparison.points.SETS`), all else as in the base ``design``.

    Each point takes the best of the ``recipes``; its accuracy is that of the first ``accuracy_bytes`` of the text, by the
    hardware in every product; recipes are calibrated on what is behind them. Arrays have the area of the base's on
    ``target``. What is found is kept in ``out`` at once, and not found again as long as nothing that it depends on changes.
    ``workers`` are processes of this machine; ``scheduler`` is the address of a Dask cluster. Raises ``InputError`` for
    input that cannot be used, a damaged file of results, a full disk, and a scheduler that does not answer.
    """
    base = load_design(design)
    chosen = points(base, sets)
    file = HELD_OUT_TEXT if text is None else Path(text)
    check(model, recipes, kv_cache, file, accuracy_bytes, target, workers)
    asked = Trial(model, str(file), accuracy_bytes, kv_cache)
    trials = {p.name: [replace(asked, recipe=recipe, design=p.design) for recipe in recipes] for p in chosen}
    priced = {p.name: Priced(p.design, base, target, model, SEQUENCE) for p in chosen}
    tasks: list[Task] = [asked, *priced.values(), *(trial for own in trials.values() for trial in own)]
    with Results(out) as results:
        known = _found(tasks, results, workers, scheduler, progress or (lambda *_: None))
    reference = known[asked.key]
    table = pd.DataFrame([_row(p, known, trials[p.name], priced[p.name], reference) for p in chosen])
    for column, axis in AXES.items():
        table[f"front_{column}"] = front(table, axis)
    verdicts = {column: tuple(verdict(table, axis)) for column, axis in AXES.items()}
    about = {"model": model, "base": base.name, "target": target, "recipes": list(recipes), "kv_cache": kv_cache,
             "bytes": accuracy_bytes, "float_bits_per_byte": reference}  # fmt: skip
    return Comparison(table, tuple(widths(table)), verdicts, about, tuple(known[priced[p.name].key][PASSES] for p in chosen))


def check(
    model: str, recipes: Sequence[str], kv_cache: str, text: Path, accuracy_bytes: int, target: str, workers: int
) -> None:
    """Raise ``InputError`` for what cannot be compared, as far as that is known without torch."""
    from shiftwise.request import check_recipe, has_accuracy, read_text

    check_workers(workers)
    choose("target", target, dict.fromkeys(TARGETS))
    choose("KV recipe", kv_cache, KV_RECIPES)
    if not has_accuracy(model):
        raise InputError(f"points are compared on a model that has weights, not on {model!r}")
    if not recipes:
        raise InputError(f"at least one recipe is compared, of {', '.join(ALL_RECIPES)}, not none")
    content = read_text(text)
    if accuracy_bytes < 2:
        raise InputError(f"accuracy_bytes is at least 2, not {accuracy_bytes}")
    for recipe in recipes:
        check_recipe(recipe, content, accuracy_bytes)


def _found(
    tasks: Sequence[Task], results: Results, workers: int, scheduler: str | None, tell: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """What is found of each task by key."""
    by_workers = partial(each, workers=workers, scheduler=scheduler)
    return found(find, tasks, results, by_workers, lambda done, total: tell("figures", done, total))


def find(task: Task) -> Any:
    """What a task asks for."""
    return costs_of(task) if isinstance(task, Priced) else bits_per_byte_of(task)


def _row(point: Point, known: Mapping[str, Any], trials: Sequence[Trial], priced: Priced, reference: float) -> dict[str, Any]:
    """The point with the best of its recipes."""
    design = point.design
    tried = {trial.recipe: known[trial.key] for trial in trials if known[trial.key] is not None}
    recipe = min(tried, key=tried.__getitem__) if tried else None
    bits = tried.get(recipe, math.nan)
    return {
        "name": point.name,
        "family": point.family,
        "pe": design.pe,
        "weight_format": design.weight_format,
        "activation_format": design.activation_format,
        "scaling": design.scaling,
        "group_size": design.group_size,
        "weight_bits": design.weight.bits,
        "activation_bits": design.activation.bits,
        "recipe": recipe,
        "bits_per_byte": bits,
        LOSS: bits / reference - 1,
        **{f"bits_per_byte_{name}": tried.get(name, math.nan) for name in (trial.recipe for trial in trials)},
        **{name: value for name, value in known[priced.key].items() if name != PASSES},
    }
