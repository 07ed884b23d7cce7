"""Pages in a real browser: what is hovered over and clicked on, sorted and filtered, in both colours and on a phone.

Debian's Chromium is installed where this user may; else these tests are skipped.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import shiftwise
from benchmarks.browser import PACKAGES, WIDTH, chromium, click, errors, hover, is_there, show
from benchmarks.pages import BEST, POINTS, many_points_page
from reports.comparison import render as comparison_page
from reports.layers import grouped, short_names
from reports.page import render as report_page
from reports.tables import operator_table
from shiftwise.comparison.costs import Priced, costs_of
from shiftwise.comparison.fronts import AXES, front
from shiftwise.comparison.points import BASE, points

EVIL = "<b>b</b><img src=x onerror=\"console.error('run')\"></script><script>console.error('run')</script>'&quot;"
PHONE = 390  # [px]


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    why = "" if is_there() else installed()
    if not is_there():
        pytest.skip(f"no Chromium: {why}")
    with chromium() as found:
        yield found


def installed() -> str:
    """Install the browser where that may be done; returns why it may not, or failed."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"{' and '.join(PACKAGES)} of Debian are not installed, and only root may install them, by apt-get"
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-o", "DPkg::Lock::Timeout=120", *command], capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode != 0:
            return f"apt-get {command[0]} failed: {done.stderr.strip()}"
    return f"{' and '.join(PACKAGES)} are installed, but their programs are not on the path"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module", name="compared")
def comparison(folder: Path) -> Path:
    """Two points with passes, of which one has hostile names, and one without any."""
    names = ("uint4 x int4", "int4 x int4", "e2m1 x e2m1")
    chosen = {point.name: point for point in points(BASE, ["equal"])}
    rows, passes = [], []
    for place, name in enumerate(names):
        found = costs_of(Priced(chosen[name].design, BASE, "xcup", "tiny-stdlib", 64))
        passes.append(found.pop("passes"))
        told = {"family": chosen[name].family, "recipe": "nearest", "loss": 0.03 - 0.01 * place}
        rows.append({"name": name, **told, "weight_bits": 4, "activation_bits": 4, **found})
    rows[1]["name"] = EVIL
    for one in passes[1]:
        one["title"] = EVIL
        one["rows"]["name"][-1] = one["layer"]["names"][0] = one["layer"]["caption"] = EVIL
    passes[2] = []
    table = pd.DataFrame(rows)
    for column, axis in AXES.items():
        table[f"front_{column}"] = front(table, axis)
    asked = {"model": EVIL, "base": EVIL, "target": "xcup", "recipes": [EVIL], "kv_cache": "per_token"}
    asked |= {"bytes": 4096, "float_bits_per_byte": 1.2}
    page = folder / "comparison.html"
    page.write_text(comparison_page(table, [EVIL], dict.fromkeys(AXES, (EVIL,)), list(AXES.values()), asked, passes))
    return page


@pytest.fixture(scope="module", name="explored")
def exploration(folder: Path) -> Path:
    page = folder / "exploration.html"
    page.write_text(many_points_page())
    return page


@pytest.fixture(name="report")
def simulated(run, folder: Path) -> Path:
    summary, layers, blocks = run
    evil = {"design": EVIL, "model": EVIL, "sources": {EVIL: EVIL}, "uncounted_operations": [EVIL]}
    layers = layers.assign(name=layers["name"].str.replace("q_proj", EVIL))
    page = folder / "report.html"
    page.write_text(report_page(summary | evil, layers, blocks))
    return page


def texts(browser, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
    return [" ".join(text.split()) for text in browser.execute_script(script, selector)]


def shown_rows(browser, table: str) -> list[list[str]]:
    script = (
        "return [...document.querySelector(arguments[0]).tBodies[0].rows].filter((row) => row.getClientRects().length)"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return [[cell.strip() for cell in row] for row in browser.execute_script(script, table)]


def write(browser, selector: str, text: str) -> None:
    field = browser.find_element("css selector", selector)
    field.clear()
    field.send_keys(text)


def press(browser, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def select(browser, number: int) -> None:
    script = (
        "const one = document.querySelector('#chosen select'); one.value = arguments[0]; one.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(script, number)


def is_dark(browser) -> bool:
    ground, ink = (
        browser.execute_script(f"return getComputedStyle(document.body).{name}.match(/\\d+/g).map(Number)")
        for name in ("backgroundColor", "color")
    )
    return sum(ground[:3]) < sum(ink[:3])


@pytest.mark.parametrize("page", ["report", "compared", "explored"])
@pytest.mark.parametrize(("width", "dark"), [(WIDTH, True), (PHONE, False)])
def test_a_page_fits_its_screen_and_its_colours(page: str, width: int, dark: bool, browser, request) -> None:
    show(browser, request.getfixturevalue(page), width, dark)
    if page != "report":
        press(browser, "#points tbody tr")
        assert texts(browser, "#chosen .pass .sortable")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert is_dark(browser) == dark
    assert errors(browser) == []


def test_hostile_names_are_text(browser, compared: Path, report: Path) -> None:
    """They are seen as they are, nothing of them is run, and there is no element that the page has not."""
    show(browser, report)
    assert EVIL in browser.execute_script("return document.querySelector('h1').textContent")
    assert errors(browser) == [] and browser.execute_script("return document.querySelectorAll('img').length") == 0
    show(browser, compared)
    assert EVIL in hover(browser, "plot-luts_per_mac", 1, 1)
    press(browser, "#points tbody tr:nth-child(2)")
    assert browser.execute_script("return document.querySelector('#chosen h3').textContent") == EVIL
    assert any(EVIL in text for text in texts(browser, "#chosen .sortable td"))
    assert EVIL in texts(browser, "#chosen select option")
    select(browser, 1)  # of a prefill, whose head for one token stands apart
    products = browser.execute_script("return document.getElementById('pass-roofline')._fullData[1].x.length")
    assert EVIL in hover(browser, "pass-roofline", 1, products - 1)
    assert EVIL in browser.execute_script("return document.querySelector('#chosen .pass > .whole:last-child').textContent")
    assert errors(browser) == [] and browser.execute_script("return document.querySelectorAll('img').length") == 0


def test_a_point_of_a_comparison_opens_its_layers(browser, compared: Path) -> None:
    show(browser, compared)
    assert "uint4 x int4" in hover(browser, "plot-luts_per_mac", 1, 0)
    click(browser)
    assert texts(browser, "#chosen h3")[0] == "uint4 x int4"
    assert texts(browser, "#chosen select option") == [
        "decode, array of as many PEs as the base's",
        "prefill, largest array of the base's area",
        "decode, largest array of the base's area",
    ]
    headings = texts(browser, "#chosen .pass h3")
    assert [one.partition(":")[0] for one in headings] == [
        *("Where the cycles go", "Where the energy goes", "Area on xcup", "Area on sky130"),
        *("Operators", "Roofline", "One layer in time"),
    ]
    products = browser.execute_script("return document.getElementById('pass-roofline')._fullData.at(-1).x.length")
    assert 0 < products <= len(shown_rows(browser, "#chosen .sortable"))
    assert browser.execute_script("return document.getElementById('pass-time')._fullData[0].x.length") > 5
    assert "loss 3.00 %" in hover(browser, "formats", 0, 0)
    press(browser, "#points tbody tr:nth-child(3)")
    assert texts(browser, "#chosen h3") == ["e2m1 x e2m1"]
    assert "No pass of this point could be scheduled." in texts(browser, "#chosen p")
    assert errors(browser) == []


def test_the_script_writes_tables_as_python_does(browser, compared: Path) -> None:
    """The table of a point's decode step, beside the one of a report of the same run."""
    show(browser, compared)
    press(browser, "#points tbody tr")
    point = next(one for one in points(BASE, ["equal"]) if one.name == "uint4 x int4")
    run = shiftwise.simulate(replace(point.design, technology="sky130"), phase="decode", sequence=64, accuracy_bytes=2)
    rows = grouped(run.layers)
    expected = operator_table(rows.assign(sqnr_dB=None), short_names(list(rows["name"])))
    heads = [head for head, _ in expected.heads]
    assert texts(browser, "#chosen .sortable th") == heads
    assert shown_rows(browser, "#chosen .sortable") == [[text for text, _ in row] for row in expected.rows]


def test_tables_are_sorted_and_filtered(browser, compared: Path, report: Path) -> None:
    show(browser, compared)
    press(browser, "#points tbody tr")
    table = "#chosen .sortable"
    every = shown_rows(browser, table)
    for order in (-1, 1):
        press(browser, f"{table} th:nth-child(3) button")
        cycles = [float(row[2].replace(",", "").replace("<0.1", "0.01")) for row in shown_rows(browser, table)]
        assert cycles == sorted(cycles, key=lambda value: order * value) and len(set(cycles)) > 5
    write(browser, "#chosen .filter", "proj compute")
    some = shown_rows(browser, table)
    assert 0 < len(some) < len(every) and all("proj" in row[0] and "compute" in row for row in some)
    assert texts(browser, "#chosen .count") == [f"{len(some)} of {len(every)} rows"]
    write(browser, "[placeholder^=int4]", "e2m1")
    assert [row[0] for row in shown_rows(browser, "#points")] == ["e2m1 x e2m1"]
    show(browser, report)
    write(browser, ".filter", "softmax")
    assert [row[0] for row in shown_rows(browser, ".sortable")] == ["softmax \N{MULTIPLICATION SIGN}2"]
    assert errors(browser) == []


def test_hover_on_a_report(browser, report: Path) -> None:
    show(browser, report)
    assert "lm_head" in hover(browser, "roofline", 2, 0)
    assert "scores" in hover(browser, "cycles-per-layer", 0, 3)
    assert errors(browser) == []


def test_a_page_of_many_points(browser, explored: Path) -> None:
    """Any point shows its design; of the best ones there are layers, of the others the reason why there are none."""
    assert explored.stat().st_size <= 10e6
    show(browser, explored)
    label = hover(browser, "plot", 0, POINTS - 1)
    script = "return Object.entries(all.fields).map(([name, one]) => [name, one.values[numbers(one.places)[arguments[0]]]])"
    fields = dict(browser.execute_script(script, POINTS - 1))
    assert f"{fields['weight format']} x {fields['activation format']}, {fields['rows']}x{fields['columns']}" in label
    click(browser)
    assert texts(browser, "#chosen h3") == [f"Point {POINTS:,} of the search"]
    assert "Only the best points have every operator scheduled" in texts(browser, "#chosen p")[0]
    assert f"weight format {fields['weight format']}" in texts(browser, "#chosen li")
    assert hover(browser, "plot", 1, BEST - 1)
    click(browser)
    assert "Operators" in texts(browser, "#chosen h3")
    assert texts(browser, "#points tr.chosen td")[0] == texts(browser, "#points tbody tr:last-child td")[0]
    browser.execute_script("axes[0].value = 'tokens_per_s'; axes[0].dispatchEvent(new Event('change'))")
    assert "tokens/s" in hover(browser, "plot", 1, 0)
    assert errors(browser) == []
