"""An exploration as a whole: the true front of a small space, what is kept, what is refused, what is written."""

import json
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import shiftwise.exploration.evaluation as evaluation
from shiftwise.cli import main
from shiftwise.exploration.explore import Exploration, explore
from shiftwise.exploration.figures import Asked, closed_form
from shiftwise.exploration.objectives import Budgets
from shiftwise.exploration.search import PART
from shiftwise.exploration.space import BASE, Space
from shiftwise.exploration.survivors import Survivors
from sim.errors import InputError

SPACE = Space(
    "small",
    BASE,
    {
        "pe": ("shift_add", "minifloat"),
        "weight_format": ("uint4", "uint8", "e2m1"),
        "activation_format": ("int8", "e2m1"),
        "rows": (8, 16, 24, 32),
        "columns": (8, 16, 24),
        "weight_buffer_kib": (32, 64),
    },
)
WANTED = ("area", "tokens_per_s")
ASK: dict[str, Any] = {"wanted": WANTED, "sequence": 64, "accuracy_bytes": 64, "survivors": 3}


def true_front(space: Space = SPACE) -> set[tuple[float, float]]:
    """By definition: of all designs, one by one, those that no other one beats."""
    asked = Asked(BASE, ("tiny-stdlib",), "decode", 64, "sky130")
    found = []
    for place in space:
        try:
            figures = closed_form(asked, space.design(place))
        except InputError:  # of an array that is not like those that were measured
            continue
        found.append((figures["area"], figures["tokens_per_s"]))
    return {one for one in found if not any(o[0] <= one[0] and o[1] >= one[1] and o != one for o in found)}


def told(rows: list[Mapping[str, Any]]) -> set[tuple[float, float]]:
    return {(row["area"], row["tokens_per_s"]) for row in rows}


@pytest.fixture(scope="module", name="out")
def out_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explore")


@pytest.fixture(scope="module", name="found")
def exploration(out: Path) -> Exploration:
    return explore(SPACE, out=out, **ASK)


@pytest.fixture(name="fronts")
def seen_fronts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Fronts of searches, whose best points nothing exact is found of."""
    seen: list[Any] = []

    def kept(_: object, best: object) -> list[dict[str, Any]]:
        seen.append(best)
        return [{**row, "passes": []} for row in best]  # type: ignore[attr-defined]

    monkeypatch.setattr(Survivors, "exact", kept)
    return seen


def test_a_small_space_has_its_true_front(out: Path, fronts: list[Any]) -> None:
    explore(SPACE, out=out, **(ASK | {"survivors": 1000}))
    assert told(fronts[0]) == true_front()


@pytest.mark.parametrize(("sampler", "points"), [("nsga2", 480), ("tpe", 200)])
def test_a_search_comes_near_the_true_front(sampler: str, points: int, tmp_path: Path, fronts: list[Any]) -> None:
    """Most of it is found by looking at a part of the space, and what is found beside it is beaten by little."""
    sides = (8, 12, 16, 20, 24, 28, 32)
    space = Space("large", BASE, {**SPACE.choices, "rows": sides, "columns": sides, "weight_buffer_kib": (32, 48, 64, 128)})
    explore(space, points=points, sampler=sampler, out=tmp_path, **(ASK | {"survivors": 1000}))
    true, found = true_front(space), told(fronts[0])
    for area, speed in true:
        assert any(one[0] <= 1.1 * area and one[1] >= speed / 1.1 for one in found)


def test_the_best_are_scheduled_and_judged(found: Exploration) -> None:
    table = found.table
    assert 1 <= len(table) <= 3 and table["front"].any()
    assert (table["area"] == table["quick_area"]).all()
    assert ((table["tokens_per_s"] / table["quick_tokens_per_s"]).between(0.9, 1.1)).all()
    assert table["loss"].notna().all() and set(table["recipe"]) == {"nearest"}
    assert SPACE.size / 2 < len(found.points) <= SPACE.size


def test_what_was_found_is_not_found_again(found: Exploration, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shiftwise.exploration.points as points
    import shiftwise.exploration.survivors as survivors

    for module, name in ((points, "noise_db"), (survivors, "exact_figures"), (survivors, "bits_per_byte_of")):
        monkeypatch.setattr(module, name, lambda task: pytest.fail(f"{task} is known"))
    monkeypatch.setattr(evaluation, "figures_of_batch", lambda batch: pytest.fail(f"{batch} is known"))
    again = explore(SPACE, out=out, **ASK)
    pd.testing.assert_frame_equal(again.table, found.table)


def test_points_of_another_base_are_not_mixed_up(found: Exploration, out: Path, fronts: list[Any]) -> None:
    other = Space("small", replace(BASE, clock_mhz=250), SPACE.choices)
    again = explore(other, out=out, **ASK)
    assert len(again.points) == len(found.points) == len(explore(SPACE, out=out, **ASK).points)
    assert again.points["tokens_per_s"].max() < found.points["tokens_per_s"].max()
    assert fronts


@pytest.mark.parametrize("points", [SPACE.size, SPACE.size - 1])
def test_an_interrupted_search_goes_on(points: int, tmp_path: Path, fronts: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = evaluation.figures_of_batch, []

    def interrupted(batch: Any) -> Any:
        if len(seen) >= 48:
            raise KeyboardInterrupt
        seen.extend(batch.points)
        return real(batch)

    monkeypatch.setattr(evaluation, "figures_of_batch", interrupted)
    monkeypatch.setattr("shiftwise.exploration.explore.noises_of", _no_noise)
    with pytest.raises(KeyboardInterrupt):
        explore(SPACE, points=points, out=tmp_path, **ASK)
    first = {tuple(one.items()) for one in seen}
    assert len(seen) >= 48
    again: list[Any] = []
    monkeypatch.setattr(evaluation, "figures_of_batch", lambda batch: again.extend(batch.points) or real(batch))
    explore(SPACE, points=points, out=tmp_path, **(ASK | {"survivors": 1000}))
    second = [tuple(one.items()) for one in again]
    assert len(set(second)) == len(second) and not first & set(second)
    if points == SPACE.size:
        assert len(first) + len(second) == SPACE.size
        assert told(fronts[0]) == true_front()


def _no_noise(space: Space, *_: object) -> dict[Any, float]:
    from shiftwise.exploration.noise import arithmetic

    return {arithmetic(space.fields(place), space.base): -20.0 for place in space}


@pytest.mark.parametrize(
    ("budgets", "message"),
    [
        (
            {"max_area": 1.0},
            r"no point of 72 keeps within the budgets; the nearest is pe .*, rows 8, .* of max_area 1: it has ",
        ),
        ({"min_tokens_per_s": 1e9}, r"the nearest is .*, of min_tokens_per_s 1e\+09: it has "),
        ({"max_bandwidth": 1.0}, r"the nearest is .*, of max_bandwidth 1: it has "),
        ({"max_loss": 1e-9}, r"none of the best points of . keeps within the budgets; .* of max_loss 1e-09: it has "),
    ],
)
def test_an_impossible_budget_names_the_nearest(budgets: dict, message: str, found: Exploration, out: Path) -> None:
    del found
    with pytest.raises(InputError, match=message):
        explore(SPACE, budgets=Budgets(**budgets), out=out, **ASK)


def test_the_nearest_is_the_one_with_the_least_area(out: Path, found: Exploration) -> None:
    least = found.points.sort_values("area").iloc[0]
    with pytest.raises(InputError, match=re.escape(f"it has {least['area']:.4g}") + "$"):
        explore(SPACE, budgets=Budgets(max_area=1.0), out=out, **ASK)


def test_bandwidth_is_what_the_memory_sustains(tmp_path: Path, fronts: list[Any]) -> None:
    """Four channels of LPDDR4 in the base, as ``shiftwise list`` says; two of them are half as much."""
    space = Space("memory", BASE, {"rows": (8, 16), "memory_channels": (1, 2, 4)})
    sustained = float(BASE.dram.sustained_bits_per_second) / 8e9
    explore(space, budgets=Budgets(max_bandwidth=2.5 * sustained), out=tmp_path, **(ASK | {"survivors": 1000}))
    assert {row["memory_channels"] for row in fronts[0]} <= {1, 2}
    assert [row["bandwidth"] for row in fronts[0]] == pytest.approx([sustained * row["memory_channels"] for row in fronts[0]])


def test_a_loss_that_is_limited_has_a_second_look(tmp_path: Path, fronts: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss follows noise: of the two designs furthest apart one is too noisy, and less noisy ones are looked at as well."""
    limit = 0.1

    def judged(_: object, best: list[Any]) -> list[dict[str, Any]]:
        fronts.append(best)
        return [{**row, "loss": 10 ** (row["noise"] / 20), "passes": []} for row in best]

    monkeypatch.setattr(Survivors, "exact", judged)
    ask = ASK | {"wanted": ("area", "noise"), "survivors": 2}
    table = explore(SPACE, budgets=Budgets(max_loss=limit), out=tmp_path, **ask).table
    first, second = fronts
    assert len(first) == 2 and 0 < len(second) <= 2 and not [row for row in second if row in first]
    (noisy,) = (row["noise"] for row in first if row["noise"] > -20)
    assert all(row["noise"] < noisy for row in second)
    assert len(table) == sum(row["noise"] <= -20 for row in (*first, *second)) > 1


def test_a_board_is_a_budget(tmp_path: Path) -> None:
    from costmodel.fpga.utilization import fit

    space = Space("board", BASE, {"rows": (8, 16), "columns": (8, 16), "memory_channels": (1, 3, 4)})
    small = explore(space, budgets=Budgets(device="kv260"), out=tmp_path, **(ASK | {"target": "xcup"}))
    for _, row in small.points.iterrows():
        design = space.design(space.place(row))
        assert (row["device_share"] <= 1) == fit(design, "kv260").fits
    assert len(small.table) and all(fit(space.design(space.place(row)), "kv260").fits for _, row in small.table.iterrows())


def test_everything_is_written(found: Exploration, tmp_path: Path) -> None:
    page = found.write(tmp_path)
    assert page.name == "exploration.html" and "explored" not in pd.read_csv(tmp_path / "exploration.csv").columns
    assert (tmp_path / "area-tokens_per_s.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "area-tokens_per_s.svg").read_bytes()[:1000]
    assert len(pd.read_parquet(tmp_path / "points.parquet")) == len(found.points)
    assert pd.read_parquet(tmp_path / "exploration.parquet")["area"].tolist() == found.table["area"].tolist()
    text = page.read_text()
    assert "scattergl" in text and "src=" not in text.split("<script>")[0]


def test_a_page_of_many_points_stays_small(found: Exploration) -> None:
    from reports.exploration import render

    points = pd.concat([found.points] * (10_000 // SPACE.size + 1))
    assert len(render(found.table, points, found.objectives, found.asked, found.passes).encode()) < 10e6


def test_names_of_users_are_escaped(found: Exploration) -> None:
    from reports.exploration import render

    asked = {**found.asked, "space": "<b>mine</b>", "models": ["<i>x</i>"]}
    text = render(found.table.assign(pe="<script>alert(1)</script>"), found.points, found.objectives, asked, found.passes)
    assert "<b>mine" not in text and "<i>x" not in text and "<script>alert" not in text


def test_a_notebook_sees_a_table_and_a_figure(found: Exploration) -> None:
    assert "weight_format" in found._repr_html_()
    drawn = found.plot("area", "tokens_per_s")
    assert [len(trace.x) for trace in drawn.data] == [len(found.points), len(found.table)]
    with pytest.raises(InputError, match="unknown objective 'energy'; known are area, tokens_per_s"):
        found.plot("area", "energy")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"space": "all"}, "unknown space 'all'"),
        ({"points": 0}, "points of an exploration are at least 1, not 0"),
        ({"survivors": 0}, "survivors of an exploration are at least 1, not 0"),
        ({"sampler": "grid"}, "unknown sampler 'grid'; known are nsga2, tpe"),
        ({"models": ()}, "at least one model is explored, not none"),
        ({"models": ("gpt-9",)}, "unknown model 'gpt-9'"),
        ({"target": "ecp5"}, "unknown target 'ecp5'"),
        (
            {"models": ("llama-2-7b",), "budgets": Budgets(max_loss=0.1)},
            "max_loss goes with a model that has weights, not with llama",
        ),
        ({"wanted": ("speed",)}, "unknown objective 'speed'"),
        ({"workers": 0}, "workers are between 1 and 1024, not 0"),
        ({"recipes": ("best",)}, "unknown recipe 'best'"),
        ({"phase": "train"}, "phase"),
    ],
)
def test_what_cannot_be_explored_is_one_sentence(fields: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        explore(out=tmp_path / "out", **fields)
    assert not (tmp_path / "out").exists()


def test_a_storage_that_cannot_be_used_is_one_sentence(tmp_path: Path, out: Path) -> None:
    url = f"sqlite:///{tmp_path}/nowhere/study.db"
    with pytest.raises(InputError, match="storage 'sqlite.*' cannot be used: .*; a URL as sqlite:///study.db or postgresql"):
        explore(SPACE, points=SPACE.size - 1, out=out, storage=url, **(ASK | {"wanted": ("area", "power")}))


def test_trials_are_in_a_storage(tmp_path: Path, fronts: list[Any]) -> None:
    import optuna

    url = f"sqlite:///{tmp_path}/study.db"
    explore(SPACE, points=16, out=tmp_path, storage=url, **(ASK | {"wanted": ("area", "power")}))
    (name,) = optuna.get_all_study_names(url)
    assert len(optuna.load_study(study_name=name, storage=url).trials) == 16
    assert fronts


def test_a_killed_search_loses_no_point_that_was_found(
    tmp_path: Path, fronts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that kills itself, so that nothing of it is tidied up, when three parts of the space are known."""
    real, parts = evaluation.figures_of_batch, []

    def killed(batch: Any) -> Any:
        parts.append(batch)
        if len(parts) > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(batch)

    monkeypatch.setattr("shiftwise.exploration.explore.noises_of", _no_noise)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "figures_of_batch", killed)
        child = multiprocessing.get_context("fork").Process(target=lambda: explore(SPACE, out=tmp_path, **ASK))
        child.start()
        child.join()
    assert child.exitcode == -signal.SIGKILL
    again: list[Any] = []
    monkeypatch.setattr(evaluation, "figures_of_batch", lambda batch: again.extend(batch.points) or real(batch))
    explore(SPACE, out=tmp_path, **(ASK | {"survivors": 1000}))
    assert len(again) == SPACE.size - 3 * PART
    assert told(fronts[0]) == true_front()


def test_the_command_writes_a_page_and_prints_the_best(
    found: Exploration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import shiftwise.exploration.explore as module

    monkeypatch.setattr(module, "explore", lambda *_: found)
    monkeypatch.setattr(sys, "argv", ["shiftwise", "explore", "--out", str(tmp_path)])
    main()
    assert capsys.readouterr().out.rstrip().endswith(f"page: {tmp_path / 'exploration.html'}")
    monkeypatch.setattr(sys, "argv", ["shiftwise", "explore", "--out", str(tmp_path), "--json"])
    main()
    assert [row["area"] for row in json.loads(capsys.readouterr().out)] == pytest.approx(found.table["area"].tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--space", "all"), "unknown space 'all'; known are edge, formats, or a .toml file"),
        (("--max-area", "-1"), "max_area is above 0 and finite, not -1.0"),
        (("--sampler", "grid"), "unknown sampler 'grid'; known are nsga2, tpe"),
    ],
)
def test_the_command_refuses_with_one_sentence(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["shiftwise", "explore", "--out", str(tmp_path / "out"), *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err == f"shiftwise: {message}\n"
    assert not (tmp_path / "out").exists()
