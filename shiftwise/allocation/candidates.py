"""What an allocation is compared with, and what each of these costs and loses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from shiftwise.allocation.choice import Choosing
from shiftwise.allocation.costs import uniform
from shiftwise.comparison.accuracy import Trial
from sim.formats import FORMATS
from sim.operators import Product
from workloads.allocation.errors import ErrorTable
from workloads.allocation.greedy import Choice, total

OWN, EVEN = "allocated", "even"


def compared(choosing: Choosing, chosen: Choice) -> dict[str, Choice]:
    """Choices by name: one format for all weights, of the next widths; both of these evenly over the layers; the own one."""
    table = choosing.table
    every = np.arange(len(table.weights))
    best = {}  # place of the best format of each width
    for place in sorted(range(len(table.formats)), key=lambda place: -table.losses[:, place].sum()):
        best[int(table.bits[place])] = place
    bits = float(table.bits[chosen] @ table.weights / table.weights.sum())
    lower = best[max((width for width in best if width <= bits), default=min(best))]
    upper = best[min((width for width in best if width >= bits), default=max(best))]
    found = {table.formats[place]: np.full(len(every), place) for place in dict.fromkeys((lower, upper))}
    if lower != upper:
        found[EVEN] = _evenly(table, lower, upper, bits)
    return {**found, OWN: chosen}


def _evenly(table: ErrorTable, lower: int, upper: int, bits: float) -> Choice:
    """Whole layers of two widths, of as many bits together from the first layer to any other as that width makes."""
    wanted, given, found = 0.0, 0.0, []
    for layer in table.layers.values():
        weights = int(layer.weights.sum())
        wanted += bits * weights
        place = upper if given + table.bits[upper] * weights <= wanted else lower
        given += float(table.bits[place] * weights)
        found.append(np.full(len(layer.weights), place))
    return np.concatenate(found)


def trial_of(asked: Trial, choosing: Choosing, chosen: Choice) -> Trial:
    """The accuracy to find of a choice, one format for all layers as such."""
    names = {choosing.table.formats[place] for place in chosen}
    allocation = uniform(choosing.table, names.pop()) if len(names) == 1 else choosing.table.allocation(chosen)
    return Trial(asked.model, asked.text, asked.judged_bytes, asked.kv_cache, asked.recipe, choosing.design, allocation)


def rows_of(
    choosing: Choosing, candidates: Mapping[str, Choice], asked: Trial, ask: Callable[[Sequence[Trial]], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """A row for each candidate, with its accuracy by the recipe that is ``asked`` for."""
    exact = Trial(asked.model, asked.text, asked.judged_bytes, asked.kv_cache)
    trials = {name: trial_of(asked, choosing, chosen) for name, chosen in candidates.items()}
    bits = ask([exact, *trials.values()])
    rows = []
    for name, chosen in candidates.items():
        found = bits[trials[name].key]
        loss = np.nan if found is None else found / bits[exact.key] - 1
        figures = asdict(choosing.figures(chosen))
        rows.append(
            {"name": name, **figures, "expected": total(choosing.table.losses, chosen), "bits_per_byte": found, "loss": loss}
        )
    return rows


def layer_rows(table: ErrorTable, chosen: Choice, products: Mapping[str, Product]) -> list[dict[str, Any]]:
    """A row for each layer: its size, what it loses by a mean squared error of its outputs, and its formats."""
    rows = []
    for name, own in table.split(chosen).items():
        layer, product = table.layers[name], products[name]
        shares = {
            f"share_{format_}": float(layer.weights[own == place].sum() / layer.weights.sum())
            for place, format_ in enumerate(table.formats)
        }
        bits = sum(FORMATS[format_.removeprefix("share_")].bits * share for format_, share in shares.items())
        expected = layer.sensitivity * total(layer.errors, own)
        sizes = {"k": product.k, "n": product.n, "count": product.count}
        rows.append({"name": name, **sizes, "bits": bits, "sensitivity": layer.sensitivity, "expected": expected, **shares})
    return rows
