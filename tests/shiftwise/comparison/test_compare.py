"""A comparison as a whole: what it finds is what the parts find, kept, and found again at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shiftwise.comparison.compare as module
from shiftwise.comparison.compare import Comparison, compare
from shiftwise.comparison.points import BASE, Point
from sim.errors import InputError
from workloads.accuracy import bits_per_byte, prefill_logits
from workloads.checkpoint import load_model
from workloads.hardware import Hardware

BYTES = 200


@pytest.fixture(scope="module", name="out")
def out_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module", name="few")
def few_points() -> tuple[Point, ...]:
    every = {point.name: point for point in module.points(BASE, ["equal", "blocks"])}
    return tuple(every[name] for name in ("uint4 x int4", "e2m1 x e2m1", "e2m1 x e2m1, nvfp4"))


@pytest.fixture(scope="module", name="found")
def comparison(out: Path, few: tuple[Point, ...]) -> Comparison:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "points", lambda *_: few)
        return compare(recipes=("nearest", "nearest_mse"), accuracy_bytes=BYTES, out=out)


def test_a_point_has_the_best_of_its_recipes(found: Comparison, few: tuple[Point, ...], held_out: bytes) -> None:
    assert list(found.table["name"]) == [point.name for point in few]
    model = load_model("tiny-stdlib")
    for (_, row), point in zip(found.table.iterrows(), few, strict=True):
        nearest = bits_per_byte(model, held_out[:BYTES], prefill_logits(model.network, Hardware(point.design)))
        assert row["bits_per_byte_nearest"] == nearest
        assert row["bits_per_byte"] == min(nearest, row["bits_per_byte_nearest_mse"]) == row[f"bits_per_byte_{row['recipe']}"]
        assert row["loss"] == row["bits_per_byte"] / found.asked["float_bits_per_byte"] - 1


def test_what_was_found_is_not_found_again(
    found: Comparison, out: Path, few: tuple[Point, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "points", lambda *_: few)
    monkeypatch.setattr(module, "find", lambda task: pytest.fail(f"{task} is known"))
    again = compare(recipes=("nearest", "nearest_mse"), accuracy_bytes=BYTES, out=out)
    pd.testing.assert_frame_equal(again.table, found.table)
    assert (again.widths, again.verdicts) == (found.widths, found.verdicts)


def test_an_interrupted_comparison_goes_on(out: Path, few: tuple[Point, ...], tmp_path: Path, monkeypatch) -> None:
    del out
    monkeypatch.setattr(module, "points", lambda *_: few)
    done: list[object] = []
    made_up = dict.fromkeys(module.AXES, 1.0) | {"passes": []}

    def interrupted(task: object) -> float | dict:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(task)
        return 1.0 if isinstance(task, module.Trial) else made_up

    monkeypatch.setattr(module, "find", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(recipes=("nearest",), accuracy_bytes=BYTES, out=tmp_path)
    first = list(done)
    done.clear()
    monkeypatch.setattr(
        module,
        "find",
        lambda task: done.append(task) or (1.0 if isinstance(task, module.Trial) else made_up),
    )
    compare(recipes=("nearest",), accuracy_bytes=BYTES, out=tmp_path)
    assert len(first) + len(done) == 1 + 2 * len(few)
    assert not {task.key for task in first} & {task.key for task in done}


def test_everything_is_written(found: Comparison, tmp_path: Path) -> None:
    page = found.write(tmp_path)
    assert page.name == "comparison.html"
    table = pd.read_csv(tmp_path / "comparison.csv")
    assert list(table["name"]) == list(found.table["name"])
    assert np.array_equal(table["loss"], found.table["loss"])
    assert pd.read_parquet(tmp_path / "comparison.parquet")["loss"].tolist() == found.table["loss"].tolist()
    for column in ("formats", *module.AXES):
        assert (tmp_path / f"{column}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (tmp_path / f"{column}.svg").read_bytes()[:1000]


def test_a_notebook_sees_a_table_and_a_figure(found: Comparison) -> None:
    assert "e2m1 x e2m1, nvfp4" in found._repr_html_()
    drawn = found.plot("energy_per_mac_fj")
    assert sorted(trace.name for trace in drawn.data) == ["block", "front", "integer", "minifloat"]
    with pytest.raises(InputError, match="unknown cost 'gates'; known are luts_per_mac, "):
        found.plot("gates")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "llama-2-7b"}, "points are compared on a model that has weights, not on 'llama-2-7b'"),
        ({"recipes": ()}, "at least one recipe is compared, of nearest, .*, not none"),
        ({"recipes": ("best",)}, "unknown recipe 'best'"),
        ({"accuracy_bytes": 1}, "accuracy_bytes is at least 2, not 1"),
        ({"recipes": ("gptq",), "accuracy_bytes": 10**9}, "calibrates on the text behind"),
        ({"target": "ecp5"}, "unknown target 'ecp5'; known are xcup, sky130"),
        ({"kv_cache": "none"}, "unknown KV recipe 'none'"),
        ({"text": "nowhere.txt"}, "text file 'nowhere.txt' cannot be read"),
        ({"workers": 0}, "workers are between 1 and 1024, not 0"),
        ({"design": "mine"}, "unknown design 'mine'"),
        ({"sets": ("all",)}, "unknown set of points 'all'"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(fields: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        compare(out=tmp_path / "out", **fields)
    assert not (tmp_path / "out").exists()
