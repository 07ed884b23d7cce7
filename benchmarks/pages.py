"""A page of many points: its size, and how soon it shows a design under the pointer."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.browser import chromium, hover, is_there, show
from benchmarks.figure import Figure

POINTS, BEST, SEED = 10_000, 32, 1
TURNS = 7
BARS = {"size": 10, "opened": 2, "hover": 2}  # [MB], [s], [s]


def page_figures() -> list[Figure]:
    """Of an exploration of made-up points; where no Chromium is, its size alone."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "exploration.html"
        page.write_text(many_points_page())
        size = Figure(f"page of {POINTS} points", page.stat().st_size / 1e6, "MB", BARS["size"], "lower", "")
        if not is_there():
            print("hover on a page of many points: not measured, no chromium and chromedriver here")
            return [size]
        empty = Path(folder) / "empty.html"
        empty.write_text("<!doctype html><title>empty</title>")
        with chromium() as browser:
            show(browser, empty)
            began = time.perf_counter()
            show(browser, page)
            first = _seconds_to_label(browser, 0)
            opened = time.perf_counter() - began
            slowest = max(first, *(_seconds_to_label(browser, number) for number in range(1, TURNS)))
    where = "headless Chromium that runs, without a graphics card"
    return [
        size,
        Figure(f"page of {POINTS} points, until its first label", opened, "s", BARS["opened"], "lower", where),
        Figure(
            f"page of {POINTS} points, from pointer to label",
            slowest,
            "s",
            BARS["hover"],
            "lower",
            f"slowest of {TURNS}, {where}",
        ),
    ]


def _seconds_to_label(browser: Any, number: int) -> float:
    began = time.perf_counter()
    hover(browser, "plot", 0, number * POINTS // TURNS)
    return time.perf_counter() - began


def many_points_page() -> str:
    """The page of an exploration of :data:`POINTS` made-up points of the space ``edge``; the best have one pass all."""
    from reports.exploration import render
    from shiftwise.exploration.figures import Asked, Exact, exact_figures
    from shiftwise.exploration.objectives import DEFAULT, objectives
    from shiftwise.exploration.space import load_space

    rng = np.random.default_rng(SEED)
    space = load_space("edge")
    places = zip(*(rng.integers(0, size, POINTS).tolist() for size in space.axes.values()), strict=True)
    points = pd.DataFrame([space.fields(place) for place in places])
    for name, middle in (("area", 2e7), ("energy", 1e-3), ("tokens_per_s", 500.0), ("power", 1.0)):
        points[name] = middle * np.exp(rng.normal(0, 0.7, POINTS))
    points["noise"] = -rng.uniform(5, 60, POINTS)
    table = points.head(BEST).assign(loss=rng.uniform(0, 0.1, BEST), recipe="nearest", front=True)
    exact = exact_figures(Exact(Asked(space.base, ("tiny-stdlib",), "decode", 64, "sky130"), ()))
    if exact is None:
        raise RuntimeError(f"{space.base.name} cannot be scheduled")
    about = {"models": ["tiny-stdlib"], "phase": "decode", "sequence": 64, "space": space.name, "size": space.size,
             "base": space.base.name, "target": "sky130", "accuracy_bytes": 2048, "recipes": ["nearest"],
             "budgets": [], "sampler": "nsga2"}  # fmt: skip
    return render(table, points, objectives(DEFAULT, "sky130"), about, [exact["passes"]] * BEST)


if __name__ == "__main__":
    for found in page_figures():
        print(found)
