"""How much the losses of recipes change from text to text: ``python -m reports.recipe_spread`` fills ``docs/recipes.md``.

The tables of :mod:`reports.recipes` are of one text. Here a few recipes are judged on it and on the texts of the same length
that follow it; what a difference between two recipes is worth shows in how much it moves.
"""

import argparse
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reports.recipe_tables import filled
from reports.recipes import CALIBRATION, COLUMNS, JUDGED, MODEL_RECIPES, by_layers, judged, operands_of
from sim.files import write_whole
from workloads.checkpoint import LanguageModel, load_model
from workloads.embedded import HELD_OUT_TEXT
from workloads.products import float_multiply

TEXTS = 4
SPREAD_RECIPES = ("nearest", "gptq", "gptq_activation_order", "rotation_gptq")
SPREAD_COLUMNS = ("UINT8 A8", "UINT4 A8", "UINT4 A4", "UINT3 A8")
"""One column of each loss that others have too: some minutes of CPU, where all would take an hour."""

Losses = Mapping[str, NDArray[np.float64]]
"""Loss in bits per byte against float [%] of each recipe, ``[texts]``."""


def deviations(losses: Losses) -> tuple[float, float]:
    """Standard deviation [%] over texts, in the mean square: of a recipe's loss, and of the difference of two recipes'."""
    alone = [np.var(loss, ddof=1) for loss in losses.values()]
    pairs = [np.var(one - other, ddof=1) for one, other in combinations(losses.values(), 2)]
    return float(np.sqrt(np.mean(alone))), float(np.sqrt(np.mean(pairs)))


def spread_table(found: Mapping[str, Losses]) -> str:
    """A Markdown table of columns by recipes: the losses on each text, and the deviations of each column."""
    recipes = list(next(iter(found.values())))
    lines = [["", *(f"`{recipe}`" for recipe in recipes), "s.d. of a loss", "s.d. of a difference"]]
    lines.append(["---"] * len(lines[0]))
    for column, losses in found.items():
        texts = (", ".join(f"{loss:+.2f}" for loss in losses[recipe]) for recipe in recipes)
        lines.append([column, *texts, *(f"{deviation:.2f}" for deviation in deviations(losses))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def losses_of(model: LanguageModel, held_out: bytes, column: str) -> Losses:
    """Of each recipe on each text."""
    operands = operands_of(model, held_out[-CALIBRATION:])
    texts = [held_out[first : first + JUDGED] for first in range(0, TEXTS * JUDGED, JUDGED)]
    exact = np.array([judged(model, text, float_multiply) for text in texts])
    scheme, activations = COLUMNS[column]
    losses = {}
    for recipe in SPREAD_RECIPES:
        multiply = by_layers(MODEL_RECIPES[recipe](operands, scheme), activations)
        losses[recipe] = 100 * (np.array([judged(model, text, multiply) for text in texts]) / exact - 1)
        print(column, recipe, losses[recipe], flush=True)
    return losses


def main() -> None:
    """Judge all of them, and fill the page."""
    parser = argparse.ArgumentParser(prog="python -m reports.recipe_spread", description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=Path("docs/recipes.md"), help="default: docs/recipes.md")
    page = parser.parse_args().page
    model, held_out = load_model("tiny-stdlib"), HELD_OUT_TEXT.read_bytes()
    found = {column: losses_of(model, held_out, column) for column in SPREAD_COLUMNS}
    write_whole(page, filled(page.read_text(), {"spread": spread_table(found)}))


if __name__ == "__main__":
    main()
