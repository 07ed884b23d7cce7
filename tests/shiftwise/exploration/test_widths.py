"""Mean widths of weights as an axis of a search: a layer's format in cycles, energy, noise and loss."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shiftwise.exploration.closed_form import run_pass
from shiftwise.exploration.explore import Exploration, explore
from shiftwise.exploration.figures import Asked, closed_form
from shiftwise.exploration.space import BASE, Space, design_of
from shiftwise.exploration.widths import Found, weights_of
from shiftwise.exploration.work import work_of
from sim.errors import InputError
from tests.shiftwise.allocation.conftest import small_model
from workloads.shapes import shapes

WIDE = replace(BASE, weight_format="uint8", group_size=32)
SERIAL = replace(WIDE, pe="bit_serial", technology="unit", memory_channels=64)
SPACE = Space("widths", WIDE, {"weight_format": ("uint4", "uint8"), "rows": (8, 16), "weight_bits": (2.5, 4, 8.0)})
ASK: dict[str, Any] = {"wanted": ("energy", "noise"), "sequence": 16, "accuracy_bytes": 64, "survivors": 8}


@pytest.fixture(scope="module", name="model")
def a_small_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module", name="found")
def exploration(model: str, tmp_path_factory: pytest.TempPathFactory) -> Exploration:
    return explore(SPACE, models=(model,), out=tmp_path_factory.mktemp("explore"), **ASK)


def test_every_width_that_a_format_has_is_a_point(found: Exploration) -> None:
    """A mean of 8 bits is none of 4-bit weights."""
    points = found.points
    there = set(points[["weight_format", "weight_bits"]].itertuples(index=False, name=None))
    assert there == {("uint4", 2.5), ("uint4", 4), ("uint8", 2.5), ("uint8", 4), ("uint8", 8)}
    assert len(points) == 2 * len(there)


def test_fewer_bits_are_less_energy_and_more_noise(found: Exploration) -> None:
    rows = found.points[(found.points["weight_format"] == "uint8") & (found.points["rows"] == 8)].sort_values("weight_bits")
    assert rows["energy"].is_monotonic_increasing and rows["noise"].is_monotonic_decreasing
    assert rows["area"].nunique() == 1


def test_a_design_whose_layers_all_have_its_format_is_that_design(found: Exploration, model: str, tmp_path: Path) -> None:
    choices = {name: values for name, values in SPACE.choices.items() if name != "weight_bits"}
    plain = explore(Space("plain", WIDE, choices), models=(model,), out=tmp_path, **ASK).points
    for bits, name in ((4, "uint4"), (8, "uint8")):
        one = found.points.query(f"weight_format == '{name}' and weight_bits == {bits}").sort_values("rows")
        other = plain[plain["weight_format"] == name].sort_values("rows")
        for figure in ("area", "energy", "tokens_per_s", "noise"):
            assert one[figure].to_numpy() == pytest.approx(other[figure].to_numpy(), rel=1e-9)


def test_the_best_are_scheduled_and_judged_in_their_formats(found: Exploration) -> None:
    table = found.table
    assert ((table["energy"] / table["quick_energy"]).between(0.9, 1.1)).all()
    assert table["loss"].notna().all() and table["loss"].nunique() > 1 and "weight_bits" in table


def test_macs_of_narrow_weights_on_a_bit_serial_array(model: str) -> None:
    """Half of the width is half of the work: cycles of the whole pass lie between those of 4 and of 8 bits."""
    work = work_of(model, "prefill", 16)
    layers = {p.name: "uint4" for p in shapes(model, "prefill", 1, 16).products if p.kind == "linear"}
    wide, narrow = run_pass(SERIAL, work), run_pass(SERIAL, work, layers)
    assert narrow.counts["mac"] == wide.counts["mac"] - work.weights.macs / 2
    assert narrow.cycles < wide.cycles
    one = next(iter(layers))
    mixed = run_pass(SERIAL, work, layers | {one: "uint8"})
    assert narrow.cycles < mixed.cycles < wide.cycles
    same = run_pass(SERIAL, work, dict.fromkeys(layers, "uint8"))
    assert same.counts == pytest.approx(wide.counts) and same.cycles == pytest.approx(wide.cycles, abs=2)


def test_noise_is_that_of_a_width_that_loses_as_much() -> None:
    """Half way, in logarithms, between losses of 0.01 and of 1 is a loss of 0.1."""
    found = Found({"uint2": 1.0, "uint4": 0.01}, {3.0: {}}, {3.0: 0.1})
    assert found.noise(3.0, {"uint2": -10.0, "uint4": -20.0}) == pytest.approx(-15)
    assert found.noise(3.0, {"uint2": -10.0, "uint4": None}) == -10
    assert found.noise(5.0, {"uint2": -10.0}) is None and found.noise(3.0, {}) is None


def test_a_key_has_the_formats_of_the_layers() -> None:
    fields = {"weight_format": "uint4", "weight_bits": 3}
    keys = set()
    for name in ("uint2", "uint4"):
        widths = {weights_of(fields, WIDE): Found({}, {3.0: {"q": name}}, {3.0: 1.0})}
        keys.add(Asked(WIDE, ("tiny-stdlib",), "decode", 16, "sky130", None, widths).key_of(fields))
    keys.add(Asked(WIDE, ("tiny-stdlib",), "decode", 16, "sky130").key_of({"weight_format": "uint4"}))
    assert len(keys) == 3


def test_a_width_that_no_formats_have(model: str) -> None:
    with pytest.raises(InputError, match="weight_bits of uint4 are between 2 and 4, not 5$"):
        design_of(WIDE, {"weight_format": "uint4", "weight_bits": 5})
    asked = Asked(WIDE, (model,), "decode", 16, "sky130", None, {weights_of({}, WIDE): Found({"uint8": 0.1}, {}, {})})
    with pytest.raises(InputError, match="weight_bits are a mean of the widths of uint8, not 2.5$"):
        closed_form(asked, WIDE, asked.layers({"weight_bits": 2.5}))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (("llama-2-7b",), "weight_bits go with one model that has weights, not with llama-2-7b$"),
        (("tiny-stdlib", "tiny-stdlib"), "weight_bits go with one model that has weights, not with tiny-stdlib, tiny-stdlib$"),
    ],
)
def test_models_that_have_no_widths(models: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        explore(SPACE, models=models, out=tmp_path / "out", **ASK)
    assert not (tmp_path / "out").exists()


def test_widths_are_numbers() -> None:
    with pytest.raises(InputError, match="values of weight_bits in space 'x' are of type float, not 'four'$"):
        Space("x", WIDE, {"weight_bits": ("four",)})
