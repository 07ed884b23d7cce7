"""The tables of recipes by hand, the file that they grow in, and recipes of whole models on layers of a few numbers."""

from pathlib import Path

import numpy as np
import pytest

from reports.recipe_spread import SPREAD_COLUMNS, SPREAD_RECIPES, TEXTS, deviations, spread_table
from reports.recipe_tables import Found, filled, found_so_far, keep, table
from reports.recipes import CALIBRATION, COLUMNS, JUDGED, MODEL_RECIPES, of_widths
from sim.errors import InputError

FINDINGS = {
    ("float", ""): Found(1.25, None),
    ("nearest", "INT4"): Found(1.275, 4.3125),
    ("nearest", "INT3"): Found(1.5, 3.3125),
    ("gptq", "INT4"): Found(1.2625, 4.3125),
    ("gptq", "INT3"): Found(None, None),
}


def test_a_table_by_hand() -> None:
    """1.275 / 1.25 is 2 % more, 1.2625 / 1.25 is 1 % more, 1.5 / 1.25 is 20 % more."""
    assert table(FINDINGS, ["nearest", "gptq"], ["INT4", "INT3"]).splitlines() == [
        "| recipe | INT4 | INT3 |",
        "| --- | --- | --- |",
        "| `nearest` | +2.00 | +20.00 |",
        "| `gptq` | +1.00 | - |",
        "| bits, `nearest` | 4.31 | 3.31 |",
    ]


def test_the_spread_by_hand() -> None:
    """Variances are 1, 1 and 0, those of the differences 4 (-2, 0, 2), 1 (0, 1, 2) and 1 (2, 1, 0)."""
    losses = {"a": np.array([1.0, 2, 3]), "b": np.array([3.0, 2, 1]), "c": np.ones(3)}
    assert deviations(losses) == pytest.approx((np.sqrt(2 / 3), np.sqrt(2)))
    assert spread_table({"UINT4": losses}).splitlines() == [
        "|  | `a` | `b` | `c` | s.d. of a loss | s.d. of a difference |",
        "| --- | --- | --- | --- | --- | --- |",
        "| UINT4 | +1.00, +2.00, +3.00 | +3.00, +2.00, +1.00 | +1.00, +1.00, +1.00 | 0.82 | 1.41 |",
    ]


def test_the_spread_is_of_the_table_and_of_texts_apart_from_the_calibration(held_out: bytes) -> None:
    assert set(SPREAD_RECIPES) <= MODEL_RECIPES.keys()
    assert set(SPREAD_COLUMNS) <= COLUMNS.keys()
    assert len(held_out) >= TEXTS * JUDGED + CALIBRATION


def test_a_page_is_filled_again_and_again() -> None:
    page = "A <!-- float --><!-- /float --> and\n\n<!-- t --><!-- /t -->\nend"
    once = filled(page, {"float": "1.25", "t": "| x |"})
    assert once == "A <!-- float -->1.25<!-- /float --> and\n\n<!-- t -->\n\n| x |\n\n<!-- /t -->\nend"
    assert filled(once, {"float": "1.25", "t": "| x |"}) == once


def test_what_was_found_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "recipes.csv"
    assert found_so_far(file) == {}
    keep(file, FINDINGS)
    assert found_so_far(file) == FINDINGS


@pytest.mark.parametrize("recipe", MODEL_RECIPES)
def test_every_recipe_of_the_table_quantizes_a_model(recipe: str, rng: np.random.Generator) -> None:
    """Two layers one after the other, a gate between them."""
    x = rng.normal(size=(48, 64)).astype(np.float32)
    up, down = (rng.normal(size=shape).astype(np.float32) for shape in ((64, 64), (64, 8)))
    operands = {"m.up_proj": (up, x), "m.down_proj": (down, x @ up)}
    layers = MODEL_RECIPES[recipe](operands, COLUMNS["UINT4 A8"][0])
    assert {name: layer.shape for name, layer in layers.items()} == {"m.up_proj": (64, 64), "m.down_proj": (64, 8)}
    assert all(layer.bits_per_weight < 8.5 for layer in layers.values())


def test_widths_keep_to_the_mean_of_the_column(rng: np.random.Generator) -> None:
    """Errors are relative, so that a layer of small outputs counts as one of large ones does."""
    x = rng.normal(size=(48, 64)).astype(np.float32)
    weights = rng.normal(size=(64, 16)).astype(np.float32)
    layers = of_widths({"a": (weights, x), "b": (weights, x * 1e-3)}, COLUMNS["UINT4 A8"][0])
    widths = {name: layer.parts[0].weights.format.bits for name, layer in layers.items()}
    assert sum(widths.values()) <= 8
    assert abs(widths["a"] - widths["b"]) <= 1
    with pytest.raises(InputError, match="widths are chosen among unsigned integers, not from e2m1"):
        of_widths({"a": (weights, x)}, COLUMNS["MXFP4 A8"][0])
